//! `e2l-peer`: the daemon that an actor runs.

use anyhow::Result;
use clap::Parser;
use e2l_peer::offline::{read_ledger, replay};
use e2l_peer::{Decisions, Peer, PeerOptions, wait_until_closed};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Many small objects are made on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long work under way may take when the peer stops, and after that the databases to close.
const GRACE: Duration = Duration::from_secs(5);
/// Stack of a tool's thread, bytes: what contracts need at least.
const TOOL_STACK: usize = e2l_runtime::REQUIRED_STACK_BYTES;

/// Orders, executes, endorses and serves the ledger for one actor.
#[derive(Parser)]
#[command(name = "e2l-peer", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    tool: Option<Tool>,
    /// Configuration file.
    #[arg(
        long,
        value_name = "FILE",
        env = "E2L_PEER_CONFIG",
        default_value = "peer.toml"
    )]
    config: PathBuf,
    /// Stop when standard input closes, so that no peer outlives the program that started it.
    #[arg(long)]
    exit_with_parent: bool,
    /// Give up the Raft log, which is damaged or was lost, and rejoin: follow without voting until every other
    /// voting peer has answered and all that was committed is here again. The old log is kept aside.
    #[arg(long)]
    rejoin: bool,
    /// Finality has stopped because another actor's peer is on another chain since this height or below, and the actors
    /// have decided that this peer's chain goes on. Recorded as an incident.
    #[arg(long, value_name = "HEIGHT")]
    accept_dispute: Option<u64>,
}

/// What `e2l audit` has done in a process of its own.
#[derive(clap::Subcommand)]
enum Tool {
    /// Write the blocks of a stopped peer's ledger to standard output
    #[command(hide = true)]
    ReadLedger {
        #[arg(long)]
        data_dir: PathBuf,
        #[arg(long)]
        genesis: PathBuf,
    },
    /// Execute blocks from standard input again
    #[command(hide = true)]
    Replay {
        #[arg(long)]
        genesis: PathBuf,
        #[arg(long)]
        chaincode_dir: PathBuf,
    },
}

impl Tool {
    fn run(self) -> Result<()> {
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        match self {
            Self::ReadLedger { data_dir, genesis } => Ok(read_ledger(&data_dir, &genesis, &mut output)?),
            Self::Replay {
                genesis,
                chaincode_dir,
            } => Ok(replay(
                &genesis,
                &chaincode_dir,
                &mut std::io::stdin().lock(),
                &mut output,
            )?),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(tool) = arguments.tool {
        // Contracts need a deep stack.
        let thread = std::thread::Builder::new()
            .stack_size(TOOL_STACK)
            .spawn(|| tool.run())?;
        let done = thread.join().map_err(|_| anyhow::anyhow!("the tool panicked"))?;
        wait_until_closed(GRACE);
        return done;
    }
    let options = PeerOptions::load(&arguments.config)?;
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(&options.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name_fn(thread_names())
        .enable_all()
        .build()?;
    let decisions = Decisions {
        rejoin: arguments.rejoin,
        accept_dispute: arguments.accept_dispute,
    };
    let served = runtime.block_on(run(&options, arguments.exit_with_parent, decisions));
    runtime.shutdown_timeout(GRACE);
    if !wait_until_closed(GRACE) {
        tracing::warn!("the databases are still in use at the end; nothing that was acknowledged is lost");
    }
    served
}

/// Names of the runtime's threads, by which their CPU can be told apart. The workers, one per core, are started first.
fn thread_names() -> impl Fn() -> String + Send + Sync + 'static {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let started = AtomicUsize::new(0);
    move || match started.fetch_add(1, Ordering::Relaxed) {
        worker if worker < workers => format!("serve-{worker}"),
        _ => "blocking".to_owned(),
    }
}

async fn run(options: &PeerOptions, exit_with_parent: bool, decisions: Decisions) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let peer = Peer::start(options, decisions).await?;
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
