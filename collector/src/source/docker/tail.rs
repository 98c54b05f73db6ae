//! What an engine tells as it happens, read by a thread that blocks. To wake the runtime for each event costs several times what
//! the event does, and nothing that the runtime is at can delay this.

use super::endpoint::Wire;
use super::lines::Lines;
use super::raw::{self, PATIENCE};
use bollard::errors::Error;
use bytes::{Buf, BytesMut};
use hyper::Request;
use hyper::StatusCode;
use hyper::header::HOST;
use socket2::Socket;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

/// Bytes that are read at once, and longest request.
const PIECE: usize = 16 << 10;
/// Longest head of an answer, or what is around a chunk of its body, bytes.
const MAX_FRAME: usize = 64 << 10;

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A line, with an event on it.
    Line(BytesMut),
    /// Nothing, for as long as one was waited for.
    Quiet,
    /// The engine ended the stream.
    Ended,
}

/// A stream of events.
pub struct Tail {
    wire: Wire,
    patience: Option<Duration>,
    answer: Answer,
    /// Read from the connection and not looked at.
    input: BytesMut,
    /// What is read with.
    piece: Box<[u8]>,
    lines: Lines,
}

/// How far the engine's answer has come.
enum Answer {
    /// Nothing, or not all of its head. Podman sends none before the first event.
    Head(Call<RecvResponse>),
    /// Events come.
    Body(Call<RecvBody>),
    /// No more will come.
    Ended,
}

/// Ends a stream when it is dropped, wherever it is being read.
pub struct Closer(Socket);

impl Drop for Closer {
    fn drop(&mut self) {
        // Whoever reads finds out; if it is closed already, nobody does.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Tail {
    /// Asks, and waits for no answer.
    ///
    /// # Errors
    /// The request cannot be made or written.
    pub fn open(mut wire: Wire, path: &str) -> Result<Self, Error> {
        let request = Request::get(path).header(HOST, wire.host.as_str());
        let request = request.body(()).map_err(io::Error::other)?;
        let mut call = Call::new(request).map_err(io::Error::other)?.proceed();
        let mut piece = vec![0; PIECE].into_boxed_slice();
        let length = call.write(&mut piece).map_err(io::Error::other)?;
        wire.socket.set_write_timeout(Some(PATIENCE))?;
        wire.stream.write_all(&piece[..length])?;
        wire.stream.flush()?;
        let Ok(Some(SendRequestResult::RecvResponse(call))) = call.proceed() else {
            return Err(io::Error::other("the request for events is too long").into());
        };
        Ok(Self {
            wire,
            patience: None,
            answer: Answer::Head(call),
            input: BytesMut::new(),
            piece,
            lines: Lines::default(),
        })
    }

    /// Ends it when that is dropped.
    ///
    /// # Errors
    /// The process has too many files open.
    pub fn closer(&self) -> io::Result<Closer> {
        self.wire.socket.try_clone().map(Closer)
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// The engine refuses, the connection breaks, or what comes is no HTTP.
    pub fn next(&mut self, patience: Duration) -> Result<Next, Error> {
        let began = Instant::now();
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(Next::Line(line));
            }
            if matches!(self.answer, Answer::Ended) {
                return Ok(self.lines.last().map_or(Next::Ended, Next::Line));
            }
            // What comes in drops is no line for as long, too.
            if began.elapsed() >= patience || !self.read(patience)? {
                return Ok(Next::Quiet);
            }
        }
    }

    /// Waits for bytes; whether some came, or the end.
    fn read(&mut self, patience: Duration) -> Result<bool, Error> {
        if self.patience != Some(patience) {
            self.wire.socket.set_read_timeout(Some(patience))?;
            self.patience = Some(patience);
        }
        let length = match self.wire.stream.read(&mut self.piece) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        self.input.extend_from_slice(&self.piece[..length]);
        let answer = std::mem::replace(&mut self.answer, Answer::Ended);
        self.answer = match answer {
            Answer::Body(call) if length == 0 && call.body_mode() == BodyMode::CloseDelimited => {
                Answer::Ended
            }
            Answer::Head(_) | Answer::Body(_) if length == 0 => return Err(broken_off()),
            Answer::Head(call) => self.head(call)?,
            Answer::Body(call) => self.body(call)?,
            Answer::Ended => Answer::Ended,
        };
        Ok(true)
    }

    fn head(&mut self, mut call: Call<RecvResponse>) -> Result<Answer, Error> {
        let (used, head) = call.try_response(&self.input, false).map_err(io::Error::other)?;
        self.input.advance(used);
        let Some(head) = head else {
            return match used {
                0 => self.unframed().map(|()| Answer::Head(call)),
                // One that only announces another.
                _ => self.head(call),
            };
        };
        let answer = match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => self.body(call)?,
            _ => Answer::Ended,
        };
        match head.status() {
            StatusCode::OK => Ok(answer),
            status => Err(self.refusal(status, answer)),
        }
    }

    fn body(&mut self, mut call: Call<RecvBody>) -> Result<Answer, Error> {
        loop {
            let (used, made) = call
                .read(&self.input, &mut self.piece)
                .map_err(io::Error::other)?;
            self.input.advance(used);
            self.lines.push(&self.piece[..made]);
            if used == 0 && made == 0 {
                self.unframed()?;
                let has_ended = call.is_ended_chunked() || call.body_mode() == BodyMode::LengthDelimited(0);
                return Ok(match has_ended {
                    true => Answer::Ended,
                    false => Answer::Body(call),
                });
            }
        }
    }

    /// Sees to it that what waits for more bytes is no more than what HTTP puts around an event.
    fn unframed(&self) -> Result<(), Error> {
        match self.input.len() > MAX_FRAME {
            true => Err(io::Error::other("what the engine answers is no HTTP").into()),
            false => Ok(()),
        }
    }

    fn refusal(&mut self, status: StatusCode, answer: Answer) -> Error {
        self.answer = answer;
        // It is in the same packet, or follows it.
        while self.lines.rest().is_empty() && !matches!(self.answer, Answer::Ended) {
            if !matches!(self.read(PATIENCE), Ok(true)) {
                break;
            }
        }
        raw::refused(status, self.lines.rest())
    }
}

fn broken_off() -> Error {
    let error = io::Error::new(
        ErrorKind::UnexpectedEof,
        "the engine closed the connection in the middle of its answer",
    );
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::thread::spawn;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n";
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn line(number: u64) -> String {
        format!(r#"{{"Type":"container","Action":"start","Actor":{{"ID":"a"}},"timeNano":{number}}}"#) + "\n"
    }

    fn event(number: u64) -> Next {
        Next::Line(line(number).as_bytes().into())
    }

    fn chunk(text: &str) -> Vec<u8> {
        format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
    }

    /// A stream, and the engine's end of it once it has read the request.
    fn open() -> (Tail, UnixStream) {
        let (wire, mut engine) = Wire::pair();
        let tail = Tail::open(wire, "/events?since=1").unwrap();
        let mut request = [0; 4096];
        let length = engine.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
        assert_eq!(request, "get /events?since=1 http/1.1\r\nhost: engine\r\n\r\n");
        (tail, engine)
    }

    #[test]
    fn events_come_in_whatever_pieces_the_engine_writes_and_between_them_it_is_quiet() {
        let (mut tail, mut engine) = open();
        assert_eq!(tail.next(SHORT).unwrap(), Next::Quiet, "no head yet");
        // Two events of one chunk, then one that is in two.
        let told = [
            HEAD.to_vec(),
            chunk(&(line(1) + &line(2))),
            chunk(&line(3)[..9]),
            chunk(&line(3)[9..]),
        ];
        for piece in told.concat().chunks(5) {
            engine.write_all(piece).unwrap();
        }
        assert_eq!([1, 2, 3].map(|_| tail.next(LONG).unwrap()), [1, 2, 3].map(event));
        assert_eq!(tail.next(SHORT).unwrap(), Next::Quiet);
        let many: Vec<u8> = (4..2000).flat_map(|number| chunk(&line(number))).collect();
        let writing = spawn(move || {
            engine.write_all(&many).unwrap();
            engine.write_all(b"0\r\n\r\n").unwrap();
            engine
        });
        for number in 4..2000 {
            assert_eq!(tail.next(LONG).unwrap(), event(number));
        }
        assert_eq!(
            tail.next(LONG).unwrap(),
            Next::Ended,
            "the connection is still open"
        );
        drop(writing.join().unwrap());
        assert_eq!(tail.next(LONG).unwrap(), Next::Ended);
    }

    #[test]
    fn an_engine_that_goes_away_ends_the_stream_and_one_that_refuses_says_why() {
        let (mut tail, mut engine) = open();
        engine.write_all(HEAD).unwrap();
        engine.write_all(&chunk(&line(1))).unwrap();
        engine.write_all(&chunk(&line(2))[..20]).unwrap();
        drop(engine);
        assert_eq!(tail.next(LONG).unwrap(), event(1));
        let error = tail.next(LONG).unwrap_err().to_string();
        assert!(error.contains("in the middle"), "{error}");
        let (mut tail, mut engine) = open();
        engine.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        engine.write_all(line(1).trim_end().as_bytes()).unwrap();
        drop(engine);
        assert_eq!(
            tail.next(LONG).unwrap(),
            Next::Line(line(1).trim_end().as_bytes().into())
        );
        assert_eq!(tail.next(LONG).unwrap(), Next::Ended, "its end has no other sign");
        let (mut tail, mut engine) = open();
        let both = format!(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            line(1).len()
        );
        engine.write_all((both + &line(1)).as_bytes()).unwrap();
        assert_eq!(tail.next(LONG).unwrap(), event(1));
        assert_eq!(tail.next(LONG).unwrap(), Next::Ended);
        let (mut tail, mut engine) = open();
        engine
            .write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 27\r\n\r\n")
            .unwrap();
        let writing = spawn(move || {
            std::thread::sleep(SHORT);
            engine.write_all(b"{\"message\":\"no disk left\"}\n\n").unwrap();
        });
        let error = tail.next(LONG).unwrap_err().to_string();
        assert!(error.contains("500") && error.contains("no disk left"), "{error}");
        writing.join().unwrap();
        let (mut tail, mut engine) = open();
        engine.write_all(b"SSH-2.0\r\n\r\n").unwrap();
        tail.next(LONG).unwrap_err();
        let (mut tail, mut engine) = open();
        engine.write_all(HEAD).unwrap();
        let writing = spawn(move || engine.write_all(&vec![b'7'; 8 * MAX_FRAME]));
        let error = tail.next(LONG).unwrap_err().to_string();
        assert!(error.contains("no HTTP"), "{error}");
        drop(tail);
        writing.join().unwrap().unwrap_err();
    }

    #[test]
    fn it_can_be_ended_while_it_waits() {
        let (mut tail, engine) = open();
        let closer = tail.closer().unwrap();
        let began = Instant::now();
        let reading = spawn(move || tail.next(LONG));
        std::thread::sleep(SHORT);
        drop(closer);
        reading.join().unwrap().unwrap_err();
        assert!(began.elapsed() < LONG);
        drop(engine);
    }
}
