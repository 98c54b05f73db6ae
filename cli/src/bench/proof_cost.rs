//! What it costs that nobody needs to be believed: signatures on every block, and reads that are verified.

use crate::bench::proc::ProcSample;
use crate::bench::stage::Stage;
use crate::error::CliResult;
use e2l_client::wire;
use e2l_ledger::{Digest, Signer};
use futures::StreamExt;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Events that are read back, from the first on.
const READ: u64 = 20_000;
/// Signatures that are timed.
const SIGNATURES: u32 = 500;

/// Costs of signatures and of verified reads.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ProofCost {
    /// Signatures under the blocks, of all peers together.
    pub signatures: u64,
    /// Checks of these signatures, of all peers together.
    pub signature_checks: u64,
    /// One signature, microseconds.
    pub signature_us: f64,
    /// One check, microseconds.
    pub signature_check_us: f64,
    /// All signatures and checks, CPU microseconds per event: part of the peers' CPU.
    pub endorsement_us_per_event: f64,
    /// Reading the ledger, verified.
    pub verified: ReadCost,
    /// Reading the same without verification.
    pub unverified: ReadCost,
}

/// Reading events back.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ReadCost {
    /// Events that were read.
    pub events: u64,
    /// Events read per second.
    pub events_per_second: f64,
    /// CPU of the reader, microseconds per event.
    pub reader_us_per_event: f64,
    /// CPU of the peers meanwhile, microseconds per event.
    pub peers_us_per_event: f64,
}

/// Measures on the ledgers of a load of `events` in `blocks`.
///
/// # Errors
/// The ledger cannot be read back.
pub async fn proof_cost(stage: &Stage, events: u64, blocks: u64) -> CliResult<ProofCost> {
    let (signature_us, signature_check_us) = time_signatures(stage.session.signer());
    let peers = stage.peers.len() as u64;
    // Each peer acknowledges and endorses, the leader has proposed; each checks what the others signed.
    let signatures = blocks * (2 * peers + 1);
    let signature_checks = blocks * (peers - 1) * (2 * peers + 1);
    let all = signatures as f64 * signature_us + signature_checks as f64 * signature_check_us;
    Ok(ProofCost {
        signatures,
        signature_checks,
        signature_us,
        signature_check_us,
        endorsement_us_per_event: all / events.max(1) as f64,
        verified: read(stage, true).await?,
        unverified: read(stage, false).await?,
    })
}

fn time_signatures(signer: &dyn Signer) -> (f64, f64) {
    let digest = Digest::ZERO;
    let signature = signer.sign(&digest);
    let each = |what: &dyn Fn()| {
        let began = Instant::now();
        for _ in 0..SIGNATURES {
            what();
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(SIGNATURES)
    };
    let sign = each(&|| {
        black_box(signer.sign(black_box(&digest)));
    });
    let check = each(&|| {
        let _ = black_box(signature.verify(black_box(&digest), signer.certificate()));
    });
    (sign, check)
}

async fn read(stage: &Stage, verify: bool) -> CliResult<ReadCost> {
    let request = wire::EventsRequest {
        from_height: 1,
        limit: READ,
        ..wire::EventsRequest::default()
    };
    let (began, reader, peers) = (Instant::now(), reader_cpu(), peers_cpu(stage));
    let mut replies = stage.session.events(request, verify).await?;
    let mut events = 0;
    while let Some(reply) = replies.next().await {
        events += reply?.events.len() as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    let per_event = |used: Duration| used.as_secs_f64() * 1e6 / events.max(1) as f64;
    Ok(ReadCost {
        events,
        events_per_second: events as f64 / seconds,
        reader_us_per_event: per_event(reader_cpu().saturating_sub(reader)),
        peers_us_per_event: per_event(peers_cpu(stage).saturating_sub(peers)),
    })
}

fn reader_cpu() -> Duration {
    ProcSample::read(std::process::id()).unwrap_or_default().cpu
}

fn peers_cpu(stage: &Stage) -> Duration {
    let of = |pid| ProcSample::read(pid).unwrap_or_default().cpu;
    stage.peers.iter().map(|peer| of(peer.daemon.pid())).sum()
}
