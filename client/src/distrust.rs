//! Whether the certificate at the other end of an open connection has lost its trust.

use e2l_identity::Trust;
use e2l_ledger::{Certificate, NetworkConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at a configuration that tells nobody when it changes.
const LOOK: Duration = Duration::from_secs(1);

/// It is revoked, or no authority of its actor vouches for it. That it expires is seen at each call.
fn is_distrusted(certificate: &Certificate, config: &NetworkConfig) -> bool {
    config.revoked.contains(&certificate.digest()) || certificate.check_issued(config).is_err()
}

/// Waits until a caller's certificate is not trusted any more.
pub(crate) async fn caller_distrusted(
    certificate: Certificate,
    mut config: watch::Receiver<Arc<NetworkConfig>>,
) {
    loop {
        let now = config.borrow_and_update().clone();
        if is_distrusted(&certificate, &now) {
            tracing::warn!(caller = %certificate.member(), "a connection is closed: its certificate is not trusted any more");
            return;
        }
        if config.changed().await.is_err() {
            // The server stops, and closes it.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until the certificate of whoever was called is not trusted any more.
pub(crate) async fn callee_distrusted(certificate: Certificate, trust: Arc<dyn Trust>) {
    let mut known = None;
    loop {
        let now = trust.config();
        // The same configuration says the same.
        if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &now)) {
            if is_distrusted(&certificate, &now) {
                tracing::warn!(peer = %certificate.member(), "a connection is closed: the peer's certificate is not trusted any more");
                return;
            }
            known = Some(now);
        }
        sleep(LOOK).await;
    }
}
