//! The network in front of a peer, which somebody owns and can cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to an address, until it is cut. Dropping it ends it.
pub struct NetworkBetween {
    pub address: String,
    cut: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl NetworkBetween {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, is_cut) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, target.clone(), is_cut.clone()));
            }
        });
        Self {
            address,
            cut,
            accepting,
        }
    }

    /// Cuts what is connected and lets nothing through, or lets it through again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

impl Drop for NetworkBetween {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut from: TcpStream, target: String, mut is_cut: watch::Receiver<bool>) {
    let passing = async {
        // A peer that does not listen yet is as good as a cut.
        if let Ok(mut to) = TcpStream::connect(target).await {
            let _ = copy_bidirectional(&mut from, &mut to).await;
        }
    };
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|cut| *cut) => {}
        () = passing => {}
    }
}
