//! How a peer comes to stop.

use tokio::sync::watch;

/// Whoever keeps a peer running learns here that it must end, and whoever works for ever that it ends now.
#[derive(Debug, Default)]
pub struct Stopping {
    reason: watch::Sender<Option<String>>,
    begun: watch::Sender<bool>,
}

impl Stopping {
    /// The peer must stop, and says this.
    pub fn demand(&self, why: String) {
        self.reason.send_replace(Some(why));
    }

    /// Becomes a reason when this peer must stop.
    pub fn reason(&self) -> watch::Receiver<Option<String>> {
        self.reason.subscribe()
    }

    /// Ends what would go on for ever: the peer is to stop.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Becomes true when this peer is about to stop.
    pub fn begun(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }
}
