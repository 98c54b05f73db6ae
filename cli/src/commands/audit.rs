//! `e2l audit`: whole ledgers, checked block by block and compared.

use crate::checkpoint_file;
use crate::commands::audit_export::Export;
use crate::commands::audit_offline::{LedgerFiles, Offline, Replayer};
use crate::error::{CliError, CliResult, Exit};
use crate::output::{Cell, Column, Listing, Style, Table};
use crate::session::Session;
use e2l_client::{Checkpoint, ClientError, LedgerClient, VerifyError, learn_changes};
use e2l_ledger::proof::{Anchor, Auditor, FinalHeaderProof};
use e2l_ledger::{Block, Canonical, Digest};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Blocks fetched at once.
const AT_ONCE: usize = 8;
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(200);

/// Whose ledgers.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    /// Audit only these actors' peers; may be repeated [default: every voting actor's]
    #[arg(long = "of", value_name = "ACTOR")]
    pub of: Vec<String>,
    /// Audit the files of a stopped peer instead: its `data_dir`. They are not changed
    #[arg(long, value_name = "DIR", conflicts_with = "of")]
    pub data_dir: Option<PathBuf>,
    /// Execute every transaction again, and compare each result and state root
    #[arg(long)]
    pub replay: bool,
    /// Components of the chaincodes, each `<digest>.wasm`, for --replay and --export [default: those of the actor's peer]
    #[arg(long, value_name = "DIR")]
    pub chaincode_dir: Option<PathBuf>,
    /// Write the genesis, and every block that holds with its proof, into this new directory, for a verifier of your own
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// What came of one actor's ledger.
struct Audited {
    actor: String,
    height: u64,
    transactions: u64,
    refused: u64,
    sealed: u64,
    /// Digests of the headers, block 1 first.
    headers: Vec<Digest>,
    /// That the newest block is final.
    newest: Option<FinalHeaderProof>,
    finding: Option<Finding>,
}

/// Why an audit did not come to the end.
pub(super) enum Finding {
    /// The ledger is not true.
    False(String),
    /// The peer does not answer.
    Unreachable(String),
}

const FIELDS: [&str; 7] = [
    "actor",
    "height",
    "transactions",
    "refused",
    "sealed",
    "valid",
    "finding",
];

/// Runs the command.
///
/// # Errors
/// Exit 1 when a ledger is false or two differ, 2 when a peer does not answer.
pub async fn run(session: &Session, args: &AuditArgs) -> CliResult<()> {
    let anchor = session.anchor();
    let known = session
        .checkpoint()
        .map(|path| checkpoint_file::read(path, anchor));
    let known = known.transpose()?.flatten();
    let mut all = Vec::new();
    let offline = Offline::new(session, args.chaincode_dir.as_deref())?;
    let export = export(session, args)?;
    if let Some(data_dir) = &args.data_dir {
        let replayer = args.replay.then(|| offline.replayer()).transpose()?;
        let ledger = offline.ledger(data_dir)?;
        let mut audited = Audited::of(data_dir.display().to_string());
        let mut auditor = Auditor::new(anchor, session.genesis_header());
        audited.finding = read(
            &mut auditor,
            (ledger, anchor),
            Passing(replayer, export),
            &mut audited,
        )
        .err();
        audited.take(&auditor);
        audited.contains(known);
        all.push(audited);
        print(session, &all)?;
        verdict(session, &all, args.replay)?;
        return move_checkpoint(session, anchor, &all);
    }
    for actor in actors(session, &args.of)? {
        let client = session
            .client()
            .only(&actor)
            .ok_or_else(|| CliError::usage(format!("actor `{actor}` has no peer"), "name one that has"))?;
        let replayer = args.replay.then(|| offline.replayer()).transpose()?;
        let mut audited = Audited::of(actor);
        let mut auditor = Auditor::new(anchor, session.genesis_header());
        let passing = Passing(replayer, export.clone());
        let walked = walk(&mut auditor, (&client, anchor), passing, &mut audited).await;
        audited.finding = walked.err();
        audited.take(&auditor);
        audited.contains(known);
        all.push(audited);
    }
    let differs = first_difference(&all);
    print(session, &all)?;
    if let Some(difference) = differs {
        return Err(CliError::refused(
            difference,
            "both are endorsed by a majority: `e2l evidence` at both peers names who signed both",
        ));
    }
    verdict(session, &all, args.replay)?;
    move_checkpoint(session, anchor, &all)
}

/// Where the ledger is written to, if it is: one ledger, or the files of two would be mixed.
fn export(session: &Session, args: &AuditArgs) -> CliResult<Option<Export>> {
    let Some(directory) = &args.export else {
        return Ok(None);
    };
    if args.data_dir.is_none() && args.of.len() != 1 {
        return Err(CliError::usage(
            "an export is of one ledger",
            "name its actor with --of ACTOR, or a stopped peer's files with --data-dir",
        ));
    }
    let components = args.chaincode_dir.clone().or_else(|| session.chaincode_dir());
    Export::begin(directory, session.genesis_file(), components.as_deref()).map(Some)
}

/// What else a block that holds goes through.
struct Passing(Option<Replayer>, Option<Export>);

impl Passing {
    /// Checks one block and passes it on.
    fn take(
        &mut self,
        auditor: &mut Auditor<'_>,
        audited: &mut Audited,
        encoded: &[u8],
        proof: &[u8],
    ) -> Result<(), Finding> {
        let height = auditor.height() + 1;
        let fail = |why: String| Finding::False(format!("block {height}: {why}"));
        let block = Block::decode(encoded).map_err(|error| fail(error.to_string()))?;
        let decoded = FinalHeaderProof::decode(proof).map_err(|error| fail(error.to_string()))?;
        auditor
            .check(&block, &decoded)
            .map_err(|error| Finding::False(error.to_string()))?;
        if let Some(replayer) = &mut self.0 {
            replayer.execute(encoded)?;
        }
        if let Some(export) = &self.1 {
            export.write(height, encoded, proof)?;
        }
        audited.headers.push(block.header.digest());
        audited.newest = Some(decoded);
        Ok(())
    }
}

/// The newest block that was audited is the next checkpoint, if the user keeps one.
fn move_checkpoint(session: &Session, anchor: &Anchor, all: &[Audited]) -> CliResult<()> {
    let newest = all.iter().filter_map(|audited| audited.newest.as_ref());
    let newest = newest.max_by_key(|proof| proof.header.height);
    let (Some(path), Some(proof)) = (session.checkpoint(), newest) else {
        return Ok(());
    };
    checkpoint_file::write(path, anchor, proof)?;
    session.note(&format!(
        "the checkpoint {} is at height {}",
        path.display(),
        proof.header.height
    ));
    Ok(())
}

fn actors(session: &Session, named: &[String]) -> CliResult<Vec<String>> {
    let voters: Vec<String> = session
        .config()
        .voters()
        .map(|(actor, _)| actor.name.clone())
        .collect();
    match named.iter().find(|actor| !voters.contains(actor)) {
        Some(unknown) => Err(CliError::usage(
            format!("`{unknown}` is not a voting actor with a peer"),
            format!("name some of: {}", voters.join(", ")),
        )),
        None if named.is_empty() => Ok(voters),
        None => Ok(named.to_vec()),
    }
}

impl Audited {
    fn of(actor: String) -> Self {
        Self {
            actor,
            height: 0,
            transactions: 0,
            refused: 0,
            sealed: 0,
            headers: Vec::new(),
            newest: None,
            finding: None,
        }
    }

    fn take(&mut self, auditor: &Auditor<'_>) {
        self.height = auditor.height();
        self.transactions = auditor.transactions();
        self.refused = auditor.refused();
        self.sealed = auditor.sealed();
    }

    /// Notes if the ledger is not the one of the last checkpoint, or ends before it.
    fn contains(&mut self, checkpoint: Option<Checkpoint>) {
        let (Some(Checkpoint { height, header }), None) = (checkpoint, &self.finding) else {
            return;
        };
        let at = usize::try_from(height.saturating_sub(1)).ok();
        self.finding = match at.and_then(|at| self.headers.get(at)) {
            Some(found) if *found == header => return,
            Some(found) => Some(Finding::False(format!(
                "at height {height} it has block {}, the last checkpoint is {}",
                found.short(),
                header.short()
            ))),
            None => Some(Finding::False(format!(
                "it ends at height {}, the last checkpoint is at {height}",
                self.height
            ))),
        };
    }
}

async fn walk(
    auditor: &mut Auditor<'_>,
    (client, anchor): (&LedgerClient, &Anchor),
    mut passing: Passing,
    audited: &mut Audited,
) -> Result<(), Finding> {
    let unreachable = |error: ClientError| Finding::Unreachable(error.to_string());
    let tip = client.status().await.map_err(unreachable)?.final_height;
    learn_changes(client, anchor).await.map_err(|error| match error {
        VerifyError::Client(error) => unreachable(error),
        error => Finding::False(error.to_string()),
    })?;
    let blocks = futures::stream::iter(1..=tip).map(|height| client.block(height));
    let mut blocks = std::pin::pin!(blocks.buffered(AT_ONCE));
    let mut progress = Progress::new(&audited.actor, tip);
    while let Some(reply) = blocks.next().await {
        let reply = reply.map_err(unreachable)?;
        passing.take(auditor, audited, &reply.block, &reply.finality)?;
        progress.show(auditor.height());
    }
    Ok(())
}

/// Audits the ledger of a directory.
fn read(
    auditor: &mut Auditor<'_>,
    (mut ledger, anchor): (LedgerFiles, &Anchor),
    mut passing: Passing,
    audited: &mut Audited,
) -> Result<(), Finding> {
    let mut progress = Progress::new("files", 0);
    while let Some((encoded, proof)) = ledger.next(&mut progress.tip, anchor)? {
        passing.take(auditor, audited, &encoded, &proof)?;
        progress.show(auditor.height());
    }
    Ok(())
}

/// One line on a terminal's standard error.
struct Progress {
    actor: String,
    tip: u64,
    shown: Instant,
    on: bool,
}

impl Progress {
    fn new(actor: &str, tip: u64) -> Self {
        Self {
            actor: actor.to_owned(),
            tip,
            shown: Instant::now(),
            on: std::io::IsTerminal::is_terminal(&std::io::stderr()),
        }
    }

    fn show(&mut self, height: u64) {
        if !self.on || (self.shown.elapsed() < PROGRESS && height < self.tip) {
            return;
        }
        self.shown = Instant::now();
        let filled = usize::try_from(height * 30 / self.tip.max(1)).unwrap_or(30);
        let end = if height == self.tip { "\r\x1b[K" } else { "" };
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(
            std::io::stderr(),
            "\r{:<12} [{:<30}] block {height} of {}{end}",
            self.actor,
            "#".repeat(filled),
            self.tip
        );
    }
}

/// The first height at which two ledgers differ, in words.
fn first_difference(all: &[Audited]) -> Option<String> {
    let first = all.first()?;
    for other in &all[1..] {
        let both = first.headers.iter().zip(&other.headers);
        if let Some((height, (a, b))) = (1..).zip(both).find(|(_, (a, b))| a != b) {
            return Some(format!(
                "at height {height} {} has block {} and {} has block {}",
                first.actor,
                a.short(),
                other.actor,
                b.short()
            ));
        }
    }
    None
}

fn print(session: &Session, all: &[Audited]) -> CliResult<()> {
    let mut table = Table::new([
        Column::new("LEDGER OF"),
        Column::new("BLOCKS").right(),
        Column::new("TRANSACTIONS").right(),
        Column::new("REFUSED").right(),
        Column::new("SEALED").right(),
        Column::new("RESULT").shrink(20),
    ]);
    let mut items: Vec<Value> = Vec::new();
    for audited in all {
        let (result, style, finding) = match &audited.finding {
            None => ("valid".to_owned(), Style::Good, None),
            Some(Finding::False(why)) => (format!("FALSE: {why}"), Style::Bad, Some(why)),
            Some(Finding::Unreachable(why)) => (format!("not audited: {why}"), Style::Bad, Some(why)),
        };
        table.push(vec![
            Cell::from(audited.actor.clone()),
            Cell::from(audited.height.to_string()),
            Cell::from(audited.transactions.to_string()),
            Cell::from(audited.refused.to_string()),
            Cell::from(audited.sealed.to_string()),
            Cell::new(result, style),
        ]);
        items.push(json!({
            "actor": audited.actor,
            "height": audited.height,
            "transactions": audited.transactions,
            "refused": audited.refused,
            "sealed": audited.sealed,
            "valid": audited.finding.is_none(),
            "finding": finding,
        }));
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &items,
        table,
    };
    listing.print(session.format())
}

fn verdict(session: &Session, all: &[Audited], replayed: bool) -> CliResult<()> {
    let mut findings: BTreeMap<u8, String> = BTreeMap::new();
    for audited in all {
        let (exit, why) = match &audited.finding {
            None => continue,
            Some(Finding::False(why)) => (Exit::Refused as u8, why),
            Some(Finding::Unreachable(why)) => (Exit::Usage as u8, why),
        };
        findings
            .entry(exit)
            .or_insert_with(|| format!("the ledger of {}: {why}", audited.actor));
    }
    let next = "see `e2l incidents` and `e2l peer status` of that actor, and compare with another's";
    match findings.pop_first() {
        None => {
            let tips = all.iter().map(|audited| audited.height);
            let (low, high) = (tips.clone().min().unwrap_or(0), tips.max().unwrap_or(0));
            let executed = if replayed {
                "every transaction executed again, with the same results"
            } else {
                "not executed again (--replay does)"
            };
            let which = if all.len() > 1 { "all agree" } else { "valid" };
            session.note(&format!(
                "{which} up to height {low}; the newest is {high}; {executed}"
            ));
            Ok(())
        }
        Some((exit, why)) if exit == Exit::Refused as u8 => Err(CliError::refused(why, next)),
        Some((_, why)) => Err(CliError::usage(why, "start that peer, and audit again")),
    }
}
