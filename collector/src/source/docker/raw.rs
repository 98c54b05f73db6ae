//! Requests without Docker's client, for what that cannot ask or would not understand.

use super::endpoint::Endpoint;
use bollard::errors::Error;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for an answer, or for it to go on.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read as a whole, bytes.
pub const MAX_ANSWER: usize = 64 << 20;
/// Longest error message, bytes.
const MAX_MESSAGE: usize = 4096;

/// What the engine answers, in JSON.
///
/// # Errors
/// It does not, refuses, or answers with something else.
pub async fn json<T: DeserializeOwned>(endpoint: &Endpoint, path: &str) -> Result<T, Error> {
    let mut body = within(open(endpoint, path)).await?;
    let mut bytes = BytesMut::new();
    while let Some(data) = within(next(&mut body)).await? {
        bytes.extend_from_slice(&data);
        if bytes.len() > MAX_ANSWER {
            return Err(io::Error::other("the engine's answer is too long").into());
        }
    }
    Ok(serde_json::from_slice(&bytes).map_err(io::Error::other)?)
}

/// The body of an answer, as it comes. The engine may take its time with the first byte.
///
/// # Errors
/// It is not there, or refuses.
pub async fn open(endpoint: &Endpoint, path: &str) -> Result<Incoming, Error> {
    let (stream, host) = endpoint.connect().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, which says itself if it is cut short.
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, host);
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        _ => Err(refusal(answer).await),
    }
}

/// The next piece of a body.
///
/// # Errors
/// The connection breaks.
pub async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Not longer than an engine may take.
///
/// # Errors
/// It took longer, or what was asked failed.
pub async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| Error::RequestTimeoutError)?
}

async fn refusal(mut answer: Response<Incoming>) -> Error {
    let body = within(next(answer.body_mut())).await.ok().flatten();
    refused(answer.status(), &body.unwrap_or_default())
}

/// What an engine answers that refuses, with the beginning of what it says.
pub fn refused(status: StatusCode, said: &[u8]) -> Error {
    let said = &said[..said.len().min(MAX_MESSAGE)];
    Error::DockerResponseServerError {
        status_code: status.as_u16(),
        message: String::from_utf8_lossy(said).trim().to_owned(),
    }
}
