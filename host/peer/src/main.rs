//! `e2l-peer`: the daemon that an actor runs.

use anyhow::Result;
use clap::Parser;
use e2l_peer::{Peer, PeerOptions, wait_until_closed};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How long work under way may take when the peer stops, and after that the databases to close.
const GRACE: Duration = Duration::from_secs(5);

/// Orders, executes, endorses and serves the ledger for one actor.
#[derive(Parser)]
#[command(name = "e2l-peer", version)]
struct Arguments {
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "E2L_PEER_CONFIG")]
    config: PathBuf,
    /// Stop when standard input closes, so that no peer outlives the program that started it.
    #[arg(long)]
    exit_with_parent: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = PeerOptions::load(&arguments.config)?;
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(&options.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(run(&options, arguments.exit_with_parent));
    runtime.shutdown_timeout(GRACE);
    if !wait_until_closed(GRACE) {
        tracing::warn!("the databases are still in use at the end; nothing that was acknowledged is lost");
    }
    served
}

async fn run(options: &PeerOptions, exit_with_parent: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let peer = Peer::start(options).await?;
    tracing::info!(address = peer.address(), "listening");
    writeln!(std::io::stdout(), "ready {}", peer.address())?;
    std::io::stdout().flush()?;
    peer.serve(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parent_gone(), if exit_with_parent => {}
        }
        tracing::info!("stopping");
    })
    .await
}

/// Returns when standard input is closed, as it is when the parent ends, however it ends.
async fn parent_gone() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(input.read(&mut buffer).await, Ok(read) if read > 0) {}
}
