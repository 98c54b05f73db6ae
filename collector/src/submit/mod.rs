//! Brings signed batches to the ledger: in order, several at a time, again until they are final.
//!
//! Whenever anything goes wrong the stream is given up and everything unfinal is sent on a new one, oldest
//! first, byte for byte: the ledger stores nothing twice.

mod error;
mod given_up;
mod head;
mod peers;
mod proving;
mod standing;

pub use error::SubmitError;
pub use head::newest_head;

use crate::clock::{Ahead, now_nano};
use crate::recording::CurrentCode;
use crate::spool::Prepared;
use crate::stats::SharedStats;
use e2l_client::wire::refusal::Reason;
use e2l_client::{ClientError, LedgerClient, Outcome, SubmitStream, VerifyError, refusal_remedy, wire};
use e2l_identity::{CurrentIdentity, Identity};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{SenderHead, Signer, ValidationCode};
use peers::{Peers, is_final};
use proving::{Owing, Proving};
use standing::Refusal;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// A stream on which nothing is answered for so long is given up, though it looks alive.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a certificate that holds no more is kept to, before the peers are asked again.
const NEW_IDENTITY: Duration = Duration::from_secs(10);
/// Rest of a peer that does not prove what it has called final.
const DISTRUST: Duration = Duration::from_secs(60);

struct Unfinal {
    batch: Prepared,
    /// A peer has called it final.
    settled: bool,
    /// One has done so at some time: it is in the statistics.
    recorded: bool,
}

impl Unfinal {
    fn new(batch: Prepared) -> Self {
        Self {
            batch,
            settled: false,
            recorded: false,
        }
    }
}

/// How far the ledger has the batches, all before the named one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A peer has called this batch final: the next may be sent.
    Settled(u64),
    /// It is proven: it need not be kept.
    Proven(u64),
    /// A block's time shows how far its leader's clock is ahead.
    Clock(Ahead),
    /// Nothing of what waits will ever be taken: this is the last batch of its incarnation, and it is proven.
    GivenUp(SenderHead),
}

/// How a stream ended.
enum Ended {
    /// Everything is final and no more comes.
    Done,
    /// Go on at the next peer.
    NextPeer(String, Option<Duration>),
    /// Go on at the same peer after a pause.
    SamePeer(Duration),
    /// See where the ledger stands before going on.
    Gap(String),
    /// See what code the actors have approved before going on.
    OtherCode(String),
    /// This peer will never take it; the others may.
    Refused(Refusal),
    /// It does not prove what it has called final.
    Unproven(String),
    /// The preferred peer may be back.
    Return,
    /// This collector has a new certificate.
    NewIdentity,
}

/// See the module.
pub struct Submitter {
    peers: Peers,
    batches: mpsc::UnboundedReceiver<Prepared>,
    progress: mpsc::UnboundedSender<Progress>,
    unfinal: VecDeque<Unfinal>,
    proving: Proving,
    /// The peer that has called final what is not proven.
    word_of: Option<usize>,
    identity: watch::Receiver<Arc<Identity>>,
    /// The one that the connections show.
    shown: Arc<Identity>,
    anchor: Arc<Anchor>,
    window: usize,
    stats: SharedStats,
    streams: u64,
    code: Arc<CurrentCode>,
    /// The last incarnation that is given up; 0 for none.
    given_up: u64,
}

impl Submitter {
    /// Sends what comes from `batches`, at most `window` at a time, in the name of `identity`, and tells `progress`
    /// how far it is.
    pub fn new(
        client: &LedgerClient,
        (anchor, identity): (Arc<Anchor>, &CurrentIdentity),
        window: usize,
        batches: mpsc::UnboundedReceiver<Prepared>,
        progress: mpsc::UnboundedSender<Progress>,
        (stats, code): (SharedStats, Arc<CurrentCode>),
    ) -> Self {
        Self {
            peers: Peers::new(client),
            batches,
            progress,
            unfinal: VecDeque::new(),
            proving: Proving::new(identity.member().clone(), Arc::clone(&anchor), window * 8),
            word_of: None,
            identity: identity.watch(),
            shown: identity.get(),
            anchor,
            window,
            stats,
            streams: 0,
            code,
            given_up: 0,
        }
    }

    /// Runs until `batches` is closed and everything is final.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn run(mut self) -> Result<(), SubmitError> {
        loop {
            if self.is_idle() && !self.next_batch().await {
                return Ok(());
            }
            let Some((peer, free)) = self.peers.choose() else {
                return Ok(());
            };
            sleep_until(free).await;
            match self.stream(peer).await {
                Ended::Done => return Ok(()),
                Ended::Return | Ended::NewIdentity => {}
                Ended::SamePeer(pause) => {
                    self.peers.is_busy(peer);
                    sleep(pause).await;
                }
                Ended::NextPeer(why, least) => {
                    tracing::warn!(peer = self.peers.actor(peer), %why, "going on at another peer");
                    self.peers.failed(peer, least);
                }
                Ended::Gap(why) => self.resolve_gap(peer, &why).await,
                Ended::OtherCode(why) => self.resolve_code(peer, &why).await,
                Ended::Refused(refusal) => self.refused_by(peer, refusal),
                Ended::Unproven(why) => self.distrust(peer, &why),
            }
            if let Err(error) = self.check_standing() {
                self.wait_for_identity(error).await?;
            }
        }
    }

    /// With a certificate that holds no more there is only a new one to wait for. Events go on into the spool.
    async fn wait_for_identity(&mut self, refused: SubmitError) -> Result<(), SubmitError> {
        let checked = self.shown.certificate().check(&self.anchor.newest(), now_nano());
        let Err(why) = checked else {
            return Err(refused);
        };
        tracing::error!(
            alarm = true, %why,
            "this collector's certificate holds no more: nothing is submitted until it has a new one"
        );
        // It may hold in a configuration that is learned meanwhile.
        let _ = tokio::time::timeout(NEW_IDENTITY, self.identity.changed()).await;
        self.peers.begin_anew();
        Ok(())
    }

    /// Shows and signs with the certificate that is in use now.
    fn show_newest_identity(&mut self) {
        let newest = self.identity.borrow_and_update().clone();
        if newest.certificate().digest() != self.shown.certificate().digest() {
            self.shown = newest;
            self.peers.renew();
            self.peers.begin_anew();
        }
    }

    fn sign(batch: &mut Prepared, signer: &Identity) {
        if let Err(error) = batch.sign_with(signer) {
            tracing::error!(%error, batch = batch.sequence, "a batch cannot be signed again: this is a defect");
        }
    }

    fn refused_by(&mut self, peer: usize, refusal: Refusal) {
        tracing::error!(
            alarm = true, peer = self.peers.actor(peer), why = %refusal,
            "a peer refuses for good: asking the others"
        );
        self.peers.refuses(peer, refusal);
    }

    /// Everything that was sent is proven.
    fn is_idle(&self) -> bool {
        self.unfinal.is_empty() && self.proving.is_empty()
    }

    /// What it has called final may be known to nobody: all of it is sent again to another.
    fn distrust(&mut self, peer: usize, why: &str) {
        tracing::error!(
            alarm = true, peer = self.peers.actor(peer), %why,
            "a peer does not prove what it has called final: sending it again to another"
        );
        self.take_back();
        self.peers.failed(peer, Some(DISTRUST));
    }

    /// Nothing is taken on one peer's word when another is asked.
    fn take_back(&mut self) {
        for unfinal in &mut self.unfinal {
            unfinal.settled = false;
        }
        for batch in self.proving.take_back().into_iter().rev() {
            self.unfinal.push_front(Unfinal {
                batch,
                settled: false,
                recorded: true,
            });
        }
    }

    fn proven(&mut self, peer: usize, last: u64) {
        self.peers.worked(peer);
        // Nobody listens only when the collector stops.
        let _ = self.progress.send(Progress::Proven(last));
    }

    /// Stops when no peer is left that might take what is to be submitted.
    fn check_standing(&self) -> Result<(), SubmitError> {
        let Some(refusals) = self.peers.all_refuse() else {
            return Ok(());
        };
        let conflict = refusals
            .iter()
            .all(|(_, refusal)| matches!(refusal, Refusal::Conflict(_)));
        let refusals: Vec<String> = refusals
            .iter()
            .map(|(actor, refusal)| format!("{actor}: {refusal}"))
            .collect();
        let refusals = refusals.join("; ");
        Err(if conflict {
            SubmitError::Conflict { refusals }
        } else {
            SubmitError::Refused { refusals }
        })
    }

    async fn next_batch(&mut self) -> bool {
        loop {
            match self.batches.recv().await {
                Some(batch) if batch.incarnation <= self.given_up => {}
                Some(batch) => {
                    self.unfinal.push_back(Unfinal::new(batch));
                    return true;
                }
                None => return false,
            }
        }
    }

    async fn stream(&mut self, peer: usize) -> Ended {
        if self.word_of.replace(peer) != Some(peer) {
            self.take_back();
        }
        self.proving.begin();
        self.show_newest_identity();
        for unfinal in &mut self.unfinal {
            Self::sign(&mut unfinal.batch, &self.shown);
        }
        // Room for all that is sent before the first answer is taken.
        let depth = self.window.max(self.unfinal.len()) * 2 + 2;
        let opened = self.peers.client(peer).submit_stream(depth).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Self::failed(error),
        };
        self.streams += 1;
        let reconnects = self.streams - 1;
        self.stats.change(|stats| stats.reconnects = reconnects);
        tracing::info!(
            peer = self.peers.actor(peer),
            unfinal = self.unfinal.len(),
            "submitting"
        );
        for unfinal in self.unfinal.iter().filter(|unfinal| !unfinal.settled) {
            if let Err(error) = send(&stream, &unfinal.batch, &self.stats).await {
                return Self::failed(error);
            }
        }
        let back = self.peers.return_at(peer);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                reply = stream.recv() => {
                    heard = Instant::now();
                    match reply {
                        Ok(Some((sequence, Outcome::Final(done)))) => self.settle(sequence, &done),
                        Ok(Some((sequence, Outcome::Refusal(refusal)))) => {
                            if let Some(ended) = self.refused(sequence, &refusal) {
                                return ended;
                            }
                        }
                        Ok(None) => return Ended::NextPeer("it ended the stream".to_owned(), None),
                        Err(error) => return Self::failed(error),
                    }
                }
                proven = self.proving.next(self.peers.client(peer)) => match proven {
                    Ok(last) => self.proven(peer, last),
                    Err(Owing::Lie(why)) => return Ended::Unproven(why),
                    Err(Owing::Unable(why)) => return Ended::NextPeer(why, None),
                },
                batch = self.batches.recv(), if self.unfinal.len() < self.window && !self.proving.is_full() => match batch {
                    Some(batch) if batch.incarnation <= self.given_up => {}
                    Some(mut batch) => {
                        Self::sign(&mut batch, &self.shown);
                        if self.unfinal.is_empty() {
                            heard = Instant::now();
                        }
                        let sent = send(&stream, &batch, &self.stats).await;
                        self.unfinal.push_back(Unfinal::new(batch));
                        if let Err(error) = sent {
                            return Self::failed(error);
                        }
                    }
                    None if self.is_idle() => return Ended::Done,
                    // What is under way is still to be answered; without this the closed channel would spin.
                    None => return self.finish(stream, peer).await,
                },
                () = sleep_until(heard + SILENCE), if !self.unfinal.is_empty() => {
                    let why = format!("no answer for {} s", SILENCE.as_secs());
                    return Ended::NextPeer(why, None);
                }
                () = until(back) => return Ended::Return,
                Ok(()) = self.identity.changed() => return Ended::NewIdentity,
            }
        }
    }

    /// Waits for the last answers; no more batches come.
    async fn finish(&mut self, mut stream: SubmitStream, peer: usize) -> Ended {
        while !self.is_idle() {
            let answer = tokio::select! {
                answer = tokio::time::timeout(SILENCE, stream.recv()), if !self.unfinal.is_empty() => answer,
                proven = self.proving.next(self.peers.client(peer)) => match proven {
                    Ok(last) => {
                        self.proven(peer, last);
                        continue;
                    }
                    Err(Owing::Lie(why)) => return Ended::Unproven(why),
                    Err(Owing::Unable(why)) => return Ended::NextPeer(why, None),
                },
            };
            match answer {
                Ok(Ok(Some((sequence, Outcome::Final(done))))) => self.settle(sequence, &done),
                Ok(Ok(Some((sequence, Outcome::Refusal(refusal))))) => {
                    if let Some(ended) = self.refused(sequence, &refusal) {
                        return ended;
                    }
                }
                Ok(Ok(None)) => return Ended::NextPeer("it ended the stream".to_owned(), None),
                Ok(Err(error)) => return Self::failed(error),
                Err(_) => return Ended::NextPeer("it does not answer".to_owned(), None),
            }
        }
        Ended::Done
    }

    fn failed(error: ClientError) -> Ended {
        if is_final(&error) {
            return Ended::Refused(Refusal::of(&error));
        }
        Ended::NextPeer(error.to_string(), error.retry_after())
    }

    /// A peer calls a batch final; tells how far the prefix reaches.
    fn settle(&mut self, sequence: u64, done: &wire::Final) {
        let Some(unfinal) = self
            .unfinal
            .iter_mut()
            .find(|unfinal| unfinal.batch.sequence == sequence)
        else {
            return;
        };
        if std::mem::replace(&mut unfinal.settled, true) {
            return;
        }
        if !std::mem::replace(&mut unfinal.recorded, true) {
            record(&unfinal.batch, done, &self.stats);
            // The block was made after the batch, and before this answer.
            if done.block_time_nano > 0 {
                let ahead =
                    Ahead::shown_between(done.block_time_nano, unfinal.batch.created_nano, now_nano());
                let _ = self.progress.send(Progress::Clock(ahead));
            }
        }
        while let Some(first) = self.unfinal.pop_front_if(|first| first.settled) {
            let _ = self.progress.send(Progress::Settled(first.batch.sequence));
            self.proving.push(first.batch);
        }
    }

    fn refused(&self, sequence: u64, refusal: &wire::Refusal) -> Option<Ended> {
        let unfinal = self
            .unfinal
            .iter()
            .find(|unfinal| unfinal.batch.sequence == sequence)?;
        if unfinal.settled {
            return None;
        }
        let reason = refusal.reason();
        self.stats
            .change(|stats| *stats.refusals.entry(reason.as_str_name().to_owned()).or_default() += 1);
        let pause = Duration::from_millis(refusal.retry_after_ms);
        let why = format!("batch {sequence}: {} ({})", refusal.message, reason.as_str_name());
        Some(match reason {
            Reason::Busy => Ended::SamePeer(pause.max(Duration::from_millis(20))),
            Reason::SequenceGap | Reason::Duplicate => Ended::Gap(why),
            Reason::Unavailable | Reason::Unspecified => Ended::NextPeer(why, Some(pause)),
            Reason::OtherCode => Ended::OtherCode(why),
            Reason::Conflict => Ended::Refused(Refusal::Conflict(why)),
            // The connection was made with the new one, or the batch was ordered with the old one.
            Reason::Unauthentic if self.identity.has_changed().unwrap_or(false) => Ended::NewIdentity,
            Reason::Unauthentic | Reason::Forbidden | Reason::Malformed | Reason::WrongNetwork => {
                let remedy = refusal_remedy(reason);
                Ended::Refused(Refusal::Other(format!("{why}; {remedy}")))
            }
        })
    }

    /// Finds out why a batch does not follow: this peer is behind, or others' batches have our numbers.
    async fn resolve_gap(&mut self, peer: usize, why: &str) {
        tracing::warn!(peer = self.peers.actor(peer), %why, "asking where this collector stands on the ledger");
        let verifier = self.proving.verifier(self.peers.client(peer));
        let head = match verifier.sender_head(self.proving.sender()).await {
            Ok(head) => head,
            Err(VerifyError::Client(error)) if is_final(&error) => {
                return self.refused_by(peer, Refusal::of(&error));
            }
            Err(error) => {
                tracing::warn!(peer = self.peers.actor(peer), %error, "it does not say");
                return self.peers.failed(peer, None);
            }
        };
        let batches: Vec<&Prepared> = self.unfinal.iter().map(|unfinal| &unfinal.batch).collect();
        match head::contradiction(&head, &batches) {
            Some(why) => self.refused_by(peer, Refusal::Conflict(why)),
            // It is behind, or its queue has lost what came before: another may know more, and it will itself.
            None => self.peers.is_behind(peer),
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn send(stream: &SubmitStream, batch: &Prepared, stats: &SharedStats) -> Result<(), ClientError> {
    stats.change(|stats| {
        if stats.first_sent_nano == 0 {
            stats.first_sent_nano = now_nano();
        }
    });
    stream.send_packed(batch.sequence, batch.packed.clone()).await
}

fn record(batch: &Prepared, done: &wire::Final, stats: &SharedStats) {
    let now = now_nano();
    for (index, code) in done
        .codes
        .iter()
        .enumerate()
        .filter(|(_, code)| **code != ValidationCode::Valid as u8)
    {
        if *code == ValidationCode::Witness as u8 {
            stats.change(|stats| stats.witnessed += 1);
            continue;
        }
        let code = code_name(*code);
        tracing::error!(
            alarm = true, height = done.height, batch = batch.sequence, index, %code,
            "an event is on the ledger and was not executed: see `e2l events --any-code`"
        );
        stats.change(|stats| *stats.refused_codes.entry(code).or_default() += 1);
    }
    stats.change(|stats| stats.batch_is_final(&batch.since_nano, now));
}

fn code_name(code: u8) -> String {
    let known = ValidationCode::ALL.iter().find(|known| **known as u8 == code);
    known.map_or_else(|| format!("CODE_{code}"), |known| known.as_str().to_owned())
}
