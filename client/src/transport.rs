//! A client's TLS connection that remembers why it broke.

use crate::tls_reason::tls_reason;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The last thing that went wrong with a connection to one peer, in words for people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    why: Option<String>,
    untrusted: bool,
}

impl Trouble {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, why: String) {
        self.noted().why = Some(why);
    }

    /// The peer's certificate was refused.
    pub(crate) fn set_untrusted(&self) {
        self.noted().untrusted = true;
    }

    /// Whether the peer's certificate was refused when it was last connected to.
    pub(crate) fn is_untrusted(&self) -> bool {
        self.noted().untrusted
    }

    pub(crate) fn clear(&self) {
        *self.noted() = Noted::default();
    }

    pub(crate) fn get(&self) -> Option<String> {
        self.noted().why.clone()
    }
}

/// The stream below HTTP/2. gRPC statuses lose the TLS alert on their way up, hence the note on the side.
pub(crate) struct WatchedStream {
    inner: TlsStream<TcpStream>,
    trouble: Trouble,
    /// Ends when the peer is no longer trusted.
    distrust: BoxFuture<'static, ()>,
    lost_trust: bool,
    /// A write has failed with this, and what there is to read is being read.
    cut: Option<io::Error>,
}

impl WatchedStream {
    pub(crate) fn new(
        inner: TlsStream<TcpStream>,
        trouble: Trouble,
        distrust: BoxFuture<'static, ()>,
    ) -> Self {
        Self {
            inner,
            trouble,
            distrust,
            lost_trust: false,
            cut: None,
        }
    }

    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &poll
            && self.trouble.get().is_none()
        {
            self.trouble.set(tls_reason(error));
        }
        poll
    }

    /// A write fails when the other side has hung up; why it did stands in an alert that may be unread yet,
    /// so the failure is told after the last byte is read. That does not take long: the connection is dead.
    fn settle<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match poll {
            Poll::Ready(Err(error)) if hung_up(&error) => {
                self.cut = Some(error);
                self.read_alert(cx)
            }
            poll => self.note(poll),
        }
    }

    fn read_alert<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                // Only for its note: what is returned is the write's failure.
                let _ = self.note(Poll::Ready(read));
                let cut = self.cut.take();
                return self.note(Poll::Ready(Err(
                    cut.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
                )));
            }
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted)
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // HTTP/2 always reads, also while it waits: so this wakes it.
        if self.distrust.as_mut().poll(cx).is_ready() {
            self.distrust = std::future::pending().boxed();
            self.lost_trust = true;
        }
        if self.lost_trust {
            let why = "the peer's certificate is not trusted any more: it needs a new one";
            self.trouble.set(why.to_owned());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        let poll = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.note(poll)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut.is_some() {
            return self.read_alert(cx);
        }
        let poll = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.settle(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cut.is_some() {
            return self.read_alert(cx);
        }
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.settle(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_some() {
            return self.read_alert(cx);
        }
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.settle(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
