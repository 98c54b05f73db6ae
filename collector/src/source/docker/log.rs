//! The log of events that Podman keeps: in order, and for as long as its size or its journal allows. Docker's client cannot
//! ask for it without waiting for more.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::memory::EventStream;
use bollard::errors::Error;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Most events that are taken from it, the newest ones.
pub const MOST: usize = 16_384;
/// Longest wait for it to answer, or to go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest event, bytes.
const MAX_LINE: usize = 4 << 20;
/// Longest error message.
const MAX_MESSAGE: usize = 4096;
/// Where Podman describes itself; the version is the first that has what is read of it.
const INFO: &str = "/v4.0.0/libpod/info";
/// What is wrong, and what to do.
const NO_LOG: &str =
    "this Podman keeps no events: set `events_logger` to \"journald\" or \"file\" in containers.conf";

/// Asks for the log from a moment of the engine's clock on, oldest first.
///
/// # Errors
/// The engine does not answer, or answers with something else.
pub async fn read(endpoint: &Endpoint, since_nano: i64) -> Result<Vec<EngineEvent>, Error> {
    let path = format!("{}&stream=false", path(since_nano));
    let mut lines = within(Lines::open(endpoint, &path)).await?;
    let mut events = VecDeque::new();
    while let Some(event) = within(lines.next()).await? {
        events.push_back(event);
        if events.len() > MOST {
            events.pop_front();
        }
    }
    Ok(events.into())
}

/// The same, and what happens then. Podman does not answer before the first event.
pub fn follow(endpoint: &Endpoint, since_nano: i64) -> EventStream {
    let (endpoint, path) = (endpoint.clone(), path(since_nano));
    let events = stream::try_unfold(None, move |lines: Option<Lines>| {
        let (endpoint, path) = (endpoint.clone(), path.clone());
        async move {
            let mut lines = match lines {
                Some(lines) => lines,
                None => Lines::open(&endpoint, &path).await?,
            };
            let event = lines.next().await?;
            Ok(event.map(|event| (event, Some(lines))))
        }
    });
    Box::new(Box::pin(events))
}

/// Makes sure that there is a log: without one the engine tells nothing, and does not say so.
///
/// # Errors
/// There is none, or the engine does not answer.
pub async fn check(endpoint: &Endpoint) -> Result<(), Error> {
    let mut answer = within(get(endpoint, INFO)).await?;
    let mut body = BytesMut::new();
    while let Some(data) = within(next(answer.body_mut())).await? {
        body.extend_from_slice(&data);
        if body.len() > MAX_LINE {
            break;
        }
    }
    let info: Info = serde_json::from_slice(&body).map_err(io::Error::other)?;
    match info.host.event_logger.as_str() {
        "none" => Err(io::Error::other(NO_LOG).into()),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Info {
    host: Host,
}

#[derive(Deserialize)]
struct Host {
    #[serde(rename = "eventLogger", default)]
    event_logger: String,
}

/// Containers only: `filters` is `{"type":["container"]}`.
fn path(since_nano: i64) -> String {
    let since = format!("{}.{:09}", since_nano / 1_000_000_000, since_nano % 1_000_000_000);
    format!("/events?since={since}&filters=%7B%22type%22%3A%5B%22container%22%5D%7D")
}

/// Events as they are written, one on a line.
struct Lines {
    body: Incoming,
    rest: BytesMut,
}

impl Lines {
    async fn open(endpoint: &Endpoint, path: &str) -> Result<Self, Error> {
        let answer = get(endpoint, path).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await);
        }
        Ok(Self {
            body: answer.into_body(),
            rest: BytesMut::new(),
        })
    }

    async fn next(&mut self) -> Result<Option<EngineEvent>, Error> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end + 1);
                match parse(&line)? {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            if self.rest.len() > MAX_LINE {
                return Err(io::Error::other("an event of the engine is too long to be one").into());
            }
            match next(&mut self.body).await? {
                Some(data) => self.rest.extend_from_slice(&data),
                None => return parse(&self.rest.split()),
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<Option<EngineEvent>, Error> {
    let text = String::from_utf8_lossy(line);
    if text.trim().is_empty() {
        return Ok(None);
    }
    let event = EngineEvent::parse(&text).map_err(io::Error::other)?;
    Ok(Some(Dialect::Podman.translate(event)))
}

async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| Error::RequestTimeoutError)?
}

async fn get(endpoint: &Endpoint, path: &str) -> Result<Response<Incoming>, Error> {
    let (stream, host) = endpoint.connect().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, which says itself if it is cut short.
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, host);
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    Ok(sender.send_request(request).await?)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn refusal(mut answer: Response<Incoming>) -> Error {
    let status_code = answer.status().as_u16();
    let body = within(next(answer.body_mut()))
        .await
        .ok()
        .flatten()
        .unwrap_or_default();
    let message = String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE)]).into_owned();
    Error::DockerResponseServerError { status_code, message }
}
