//! The least that reading an engine's events costs on this machine: a thread that does nothing but wait for bytes and count the
//! lines in them. What a core does in a percent of its time differs from machine to machine, and from day to day on one; the
//! ratio of a collector's cost to this one hardly does.

use crate::bench::collector::usage::percent;
use crate::bench::threads::on_cpu;
use crate::error::{CliError, CliResult};
use serde::Serialize;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is asked for: the kinds that collectors read, from now on.
const REQUEST: &str = "GET /events?filters=%7B%22type%22%3A%5B%22container%22%2C%22service%22%5D%7D HTTP/1.1\r\nHost: engine\r\n\r\n";

/// What reading did and cost.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct BareReader {
    /// Events that it read.
    pub events: u64,
    /// User and system time, percent of one core.
    pub cpu_percent: f64,
}

impl BareReader {
    /// Reads the events of the engine at a socket as long as something else takes; what that gave comes with it.
    ///
    /// # Errors
    /// The engine does not answer, or this kernel does not tell what a thread costs.
    pub async fn during<T>(socket: &Path, what: impl Future<Output = T>) -> CliResult<(T, Self)> {
        let fail = |error: std::io::Error| {
            CliError::usage(
                format!("cannot read the events of {}: {error}", socket.display()),
                "see that the engine runs: `docker info`",
            )
        };
        let mut stream = UnixStream::connect(socket).map_err(fail)?;
        stream.write_all(REQUEST.as_bytes()).map_err(fail)?;
        let closer = Closer(stream.try_clone().map_err(fail)?);
        let reading = std::thread::spawn(move || read(stream));
        let given = what.await;
        drop(closer);
        let read = reading
            .join()
            .map_err(|_| fail(std::io::Error::other("the reading thread panicked")))?;
        Ok((given, read.map_err(fail)?))
    }
}

/// Ends the reading when it is dropped.
struct Closer(UnixStream);

impl Drop for Closer {
    fn drop(&mut self) {
        // The engine may have ended it.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn read(mut stream: UnixStream) -> std::io::Result<BareReader> {
    let mut piece = vec![0; 64 << 10];
    let (began, before) = (Instant::now(), own_time()?);
    let (mut events, mut last) = (0, 0);
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            break;
        }
        // An event's line ends with a brace; the lines of HTTP around it have a carriage return.
        for byte in &piece[..length] {
            events += u64::from(last == b'}' && *byte == b'\n');
            last = *byte;
        }
    }
    let used = own_time()?.saturating_sub(before);
    Ok(BareReader {
        events,
        cpu_percent: percent(used, began.elapsed()),
    })
}

/// CPU time of this thread.
fn own_time() -> std::io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    on_cpu(text).ok_or_else(|| std::io::Error::other("/proc/thread-self/schedstat holds no number"))
}
