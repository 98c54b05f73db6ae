//! What was found damaged, on its way to the repairer.

use crate::repair::Damage;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Reports that wait at most.
const MOST: usize = 64;

/// Anyone reports; one repairer takes the reports.
pub struct DamageReports {
    sender: mpsc::Sender<Damage>,
    receiver: Mutex<Option<mpsc::Receiver<Damage>>>,
}

impl Default for DamageReports {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MOST);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl DamageReports {
    /// Reports damage, for the repairer. When too much is reported at once some is found again later.
    pub fn report(&self, damage: Damage) {
        if let Err(error) = self.sender.try_send(damage) {
            tracing::warn!(%error, "damage was found and cannot be repaired now");
        }
    }

    /// The reports, for the one repairer; `None` when they were taken before.
    pub fn take(&self) -> Option<mpsc::Receiver<Damage>> {
        self.receiver.lock().take()
    }
}
