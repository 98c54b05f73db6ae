//! `e2l audit`: whole ledgers, checked block by block and compared.

use crate::error::{CliError, CliResult, Exit};
use crate::output::{Cell, Column, Listing, Style, Table};
use crate::session::Session;
use e2l_client::{ClientError, LedgerClient};
use e2l_ledger::proof::{Anchor, Auditor, FinalHeaderProof};
use e2l_ledger::{Block, Canonical, Digest};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
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
    finding: Option<Finding>,
}

/// Why an audit did not come to the end.
enum Finding {
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
    let verifier = session.verifier()?;
    let anchor = verifier.anchor();
    let mut all = Vec::new();
    for actor in actors(session, &args.of)? {
        let client = session
            .client()
            .only(&actor)
            .ok_or_else(|| CliError::usage(format!("actor `{actor}` has no peer"), "name one that has"))?;
        all.push(audit(session, anchor, actor, &client).await);
    }
    let differs = first_difference(&all);
    print(session, &all)?;
    if let Some(difference) = differs {
        return Err(CliError::refused(
            difference,
            "both are endorsed by a majority: `e2l evidence` at both peers names who signed both",
        ));
    }
    verdict(session, &all)
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

async fn audit(session: &Session, anchor: &Anchor, actor: String, client: &LedgerClient) -> Audited {
    let mut audited = Audited {
        actor,
        height: 0,
        transactions: 0,
        refused: 0,
        sealed: 0,
        headers: Vec::new(),
        finding: None,
    };
    let mut auditor = Auditor::new(anchor, session.genesis_header());
    audited.finding = walk(&mut auditor, client, &mut audited).await.err();
    audited.height = auditor.height();
    audited.transactions = auditor.transactions();
    audited.refused = auditor.refused();
    audited.sealed = auditor.sealed();
    audited
}

async fn walk(
    auditor: &mut Auditor<'_>,
    client: &LedgerClient,
    audited: &mut Audited,
) -> Result<(), Finding> {
    let unreachable = |error: ClientError| Finding::Unreachable(error.to_string());
    let tip = client.status().await.map_err(unreachable)?.final_height;
    let blocks = futures::stream::iter(1..=tip).map(|height| client.block(height));
    let mut blocks = std::pin::pin!(blocks.buffered(AT_ONCE));
    let mut progress = Progress::new(&audited.actor, tip);
    while let Some(reply) = blocks.next().await {
        let reply = reply.map_err(unreachable)?;
        let fail = |why: String| Finding::False(format!("block {}: {why}", auditor.height() + 1));
        let block = Block::decode(&reply.block).map_err(|error| fail(error.to_string()))?;
        let proof = FinalHeaderProof::decode(&reply.finality).map_err(|error| fail(error.to_string()))?;
        auditor
            .check(&block, &proof)
            .map_err(|error| Finding::False(error.to_string()))?;
        audited.headers.push(block.header.digest());
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

fn verdict(session: &Session, all: &[Audited]) -> CliResult<()> {
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
            let which = if all.len() > 1 { "all agree" } else { "valid" };
            session.note(&format!(
                "{which} up to height {low}; the newest is {high}; not executed again"
            ));
            Ok(())
        }
        Some((exit, why)) if exit == Exit::Refused as u8 => Err(CliError::refused(why, next)),
        Some((_, why)) => Err(CliError::usage(why, "start that peer, and audit again")),
    }
}
