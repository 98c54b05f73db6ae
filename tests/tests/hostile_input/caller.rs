//! gRPC by hand, so that every byte of it can be wrong.

use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use e2l_client::wire::refusal::Reason;
use e2l_client::{status_refusal, wire};
use e2l_tests::PATIENCE;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::{Code, Status};

/// A TLS connection to a peer, with nothing said on it yet.
pub async fn tls(address: &str, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(TlsConnector::from(config).connect(name, tcp).await?)
}

/// An HTTP/2 connection to a peer.
pub struct Caller {
    sender: SendRequest<Bytes>,
}

/// What a call ended in.
#[derive(Debug)]
pub struct Reply {
    /// Messages before the end.
    pub messages: Vec<Bytes>,
    /// Status at the end.
    pub status: Status,
}

impl Reply {
    /// The reason that the status carries, if it does.
    pub fn reason(&self) -> Option<Reason> {
        status_refusal(&self.status).map(|refusal| refusal.reason())
    }

    /// Code and text of the status are these.
    #[track_caller]
    pub fn is(&self, what: &str, code: Code, says: &str) {
        let text = self.status.message();
        assert_eq!(self.status.code(), code, "{what}: {text}");
        assert!(text.contains(says), "{what}: `{text}` does not say `{says}`");
        if code != Code::Ok {
            assert!(
                self.messages.is_empty(),
                "{what}: something was answered before the error"
            );
        }
    }
}

impl Caller {
    /// Connects.
    pub async fn connect(address: &str, config: Arc<ClientConfig>) -> Result<Self> {
        let (sender, connection) = h2::client::handshake(tls(address, config).await?).await?;
        // It ends when the peer hangs up; calls then say so.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Calls a method with a body as it is, which is the whole request, and waits for all of the answer.
    pub async fn raw(&self, path: &str, body: Bytes) -> Result<Reply> {
        let answer = timeout(PATIENCE, self.exchange(path, body)).await;
        answer.with_context(|| format!("{path}: no answer in time"))?
    }

    /// Calls a method with one message.
    pub async fn call(&self, path: &str, message: &impl Message) -> Result<Reply> {
        self.raw(path, frame(&message.encode_to_vec())).await
    }

    /// Submits one envelope.
    pub async fn submit(&self, envelope: Bytes) -> Result<wire::submit_reply::Outcome> {
        let (tag, packed) = (7, Bytes::new());
        self.submit_either(wire::SubmitRequest {
            tag,
            envelope,
            packed,
        })
        .await
    }

    /// Submits one packed envelope.
    pub async fn submit_packed(&self, packed: Bytes) -> Result<wire::submit_reply::Outcome> {
        let (tag, envelope) = (7, Bytes::new());
        self.submit_either(wire::SubmitRequest {
            tag,
            envelope,
            packed,
        })
        .await
    }

    async fn submit_either(&self, request: wire::SubmitRequest) -> Result<wire::submit_reply::Outcome> {
        let reply = self.call("Ledger/Submit", &request).await?;
        let [message] = reply.messages.as_slice() else {
            anyhow::bail!("one answer is expected: {reply:?}");
        };
        let reply = wire::SubmitReply::decode(message.clone())?;
        anyhow::ensure!(reply.tag == 7, "the answer to another envelope: {reply:?}");
        reply.outcome.context("an answer without outcome")
    }

    async fn exchange(&self, path: &str, body: Bytes) -> Result<Reply> {
        let request = Request::post(format!("https://peer/event2ledger.v1.{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut stream) = sender.send_request(request, false)?;
        // A peer may have seen enough before the end.
        let _ = stream.send_data(body, true);
        let response = response.await?;
        let mut status = Status::from_header_map(response.headers());
        let mut body = response.into_body();
        let mut received = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            received.put(data);
        }
        if status.is_none() {
            let trailers: Option<HeaderMap> = body.trailers().await?;
            status = trailers.as_ref().and_then(Status::from_header_map);
        }
        Ok(Reply {
            messages: unframe(received.freeze())?,
            status: status.context("the answer has no status")?,
        })
    }
}

/// A gRPC message: not compressed, its length, itself.
pub fn frame(message: &[u8]) -> Bytes {
    framed_as(0, u32::try_from(message.len()).unwrap(), message)
}

/// A gRPC message that says what it likes about itself.
pub fn framed_as(flag: u8, length: u32, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.freeze()
}

fn unframe(mut received: Bytes) -> Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    while !received.is_empty() {
        anyhow::ensure!(received.len() >= 5 && received[0] == 0, "an answer is not framed");
        let length = u32::from_be_bytes(received[1..5].try_into()?) as usize;
        anyhow::ensure!(received.len() >= 5 + length, "an answer is cut short");
        messages.push(received.slice(5..5 + length));
        received = received.split_off(5 + length);
    }
    Ok(messages)
}
