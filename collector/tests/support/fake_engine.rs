//! An engine's socket that tells invented events as fast as it is read, for what no real engine can be made to do at
//! will: thousands of events at once, and another clock.

use super::engine::now_nano;
use parking_lot::{Condvar, Mutex};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What an engine remembers.
const REMEMBERED: usize = 256;

struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
    ended: AtomicBool,
    /// How many times somebody has begun to read on, not only what is remembered.
    followed: AtomicUsize,
    ahead_nano: i64,
}

/// See the module. Dropping it ends it.
pub struct FakeEngine {
    log: Arc<Log>,
    socket: PathBuf,
    accepting: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl FakeEngine {
    /// One whose clock is ahead by so much.
    pub fn start(ahead_nano: i64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let log = Arc::new(Log {
            lines: Mutex::new(Vec::new()),
            more: Condvar::new(),
            ended: AtomicBool::new(false),
            followed: AtomicUsize::new(0),
            ahead_nano,
        });
        let serving = Arc::clone(&log);
        let accepting = spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let log = Arc::clone(&serving);
                // Who hangs up is not served further.
                spawn(move || drop(serve(&log, &stream)));
            }
        });
        Self {
            log,
            socket,
            accepting: Some(accepting),
            _directory: directory,
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Emits events of these times, by its clock, each about another exec of one container.
    pub fn emit(&self, times: impl Iterator<Item = i64>) {
        let mut lines = self.log.lines.lock();
        for nano in times {
            let number = lines.len();
            lines.push(format!(
                r#"{{"Type":"container","Action":"exec_die","Actor":{{"ID":"{}","Attributes":{{"number":"{number}"}}}},"scope":"local","time":{},"timeNano":{nano}}}"#,
                "c".repeat(64),
                nano / 1_000_000_000,
            ));
        }
        drop(lines);
        self.log.more.notify_all();
    }

    /// Waits until so many streams were begun, in all, that get what is emitted from then on.
    pub async fn followed(&self, times: usize) {
        while self.log.followed.load(Ordering::SeqCst) < times {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Its clock.
    pub fn now_nano(&self) -> i64 {
        now_nano() + self.log.ahead_nano
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.log.ended.store(true, Ordering::SeqCst);
        self.log.more.notify_all();
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(&self.socket);
        self.accepting.take().unwrap().join().unwrap();
    }
}

fn serve(log: &Log, stream: &UnixStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    match path {
        _ if path.contains("/events") => tell(log, stream, until(path)),
        _ if path.contains("/version") => {
            answer(stream, "200 OK", r#"{"Version":"fake","ApiVersion":"1.41"}"#)
        }
        _ if path.contains("/info") => {
            let nano = i128::from(now_nano() + log.ahead_nano);
            let now = OffsetDateTime::from_unix_timestamp_nanos(nano).unwrap();
            let time = now.format(&Rfc3339).unwrap();
            answer(stream, "200 OK", &format!(r#"{{"SystemTime":"{time}"}}"#))
        }
        _ if path.contains("/containers/json") => answer(stream, "200 OK", "[]"),
        _ => answer(stream, "404 Not Found", r#"{"message":"no such container"}"#),
    }
}

fn answer(mut stream: &UnixStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    write!(stream, "{head}\r\nConnection: close\r\n\r\n{body}")
}

/// The end that is asked for, nanoseconds since the Unix epoch.
fn until(path: &str) -> Option<i64> {
    let (_, end) = path.split_once("until=")?;
    let end = end.split('&').next()?;
    let (seconds, nanos) = end.split_once('.').unwrap_or((end, "0"));
    Some(seconds.parse::<i64>().ok()? * 1_000_000_000 + nanos.parse::<i64>().ok()?)
}

fn time_of(line: &str) -> i64 {
    let (_, time) = line.rsplit_once(':').unwrap();
    time.trim_end_matches('}').parse().unwrap()
}

/// What is remembered and, if an end is asked for, not later by its time, as an engine has it; else what happens then, too.
fn tell(log: &Log, mut stream: &UnixStream, until: Option<i64>) -> std::io::Result<()> {
    let past_only = until.is_some();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    )?;
    let mut told = log.lines.lock().len().saturating_sub(REMEMBERED);
    log.followed.fetch_add(usize::from(!past_only), Ordering::SeqCst);
    loop {
        let mut lines = log.lines.lock();
        while told == lines.len() && !past_only {
            if log.ended.load(Ordering::SeqCst) {
                return Ok(());
            }
            log.more.wait(&mut lines);
        }
        let in_time = |line: &&String| until.is_none_or(|until| time_of(line) <= until);
        let news: Vec<&str> = lines[told..].iter().filter(in_time).map(String::as_str).collect();
        let news = news.join("\n");
        told = lines.len();
        drop(lines);
        stream.write_all(news.as_bytes())?;
        stream.write_all(b"\n")?;
        if past_only {
            return Ok(());
        }
    }
}
