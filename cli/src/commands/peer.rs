//! `e2l peer`: what a peer knows of itself and of the others, and which peers the network has.

use crate::commands::proposal::{Lifetime, propose};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table, Terminal, stamp};
use crate::session::Session;
use crate::unix_now_nano;
use e2l_client::{ClientError, PeerAddress, wire};
use e2l_ledger::governance::{Change, NewActor};
use e2l_ledger::{PeerPlace, Role};
use futures::future::join_all;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to ask of peers.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum PeerCommand {
    /// Heights, leader, roots and alarms, as a peer sees them
    ///
    /// With --all every actor's peer is asked, and their headers are compared: exit code 1 if two peers
    /// contradict each other, 2 if one does not answer.
    Status {
        /// Ask every actor's peer, not only one
        #[arg(long)]
        all: bool,
    },
    /// Propose that an actor joins, with its peer: the file is what `e2l network join` made there
    Join {
        /// The new actor's actor.json
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Propose that an actor leaves, with its peer and all its certificates
    ///
    /// All the others must approve, or as many of them as the lifecycle policy demands, and never fewer than a majority of
    /// all. Its own approval is not needed.
    Remove {
        /// The actor
        #[arg(value_name = "ACTOR")]
        leaving: String,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Replace the actor's own peer by a new one with an empty disk; needs no other actor's approval
    ///
    /// For a disk that is lost together with what its peer has promised. Issue the new peer's certificate under another
    /// name, and revoke the old one.
    Replace {
        /// Name in the new peer's certificate
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Where it listens, host:port
        #[arg(long, value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        life: Lifetime,
    },
    /// Say that the actor's own peer is found elsewhere; needs no other actor's approval
    Move {
        /// Where it listens now, host:port
        #[arg(value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        life: Lifetime,
    },
}

impl PeerCommand {
    /// The role in which it is run.
    pub fn role(&self) -> Role {
        match self {
            Self::Status { .. } => Role::Client,
            _ => Role::Admin,
        }
    }
}

/// A peer's own word, as JSON has it. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    network: String,
    network_hash: String,
    actor: String,
    peer: String,
    address: String,
    version: String,
    raft_role: String,
    raft_term: u64,
    leader: Option<String>,
    applied_height: u64,
    final_height: u64,
    sealed_height: u64,
    header: String,
    state_root: String,
    time_nano: i64,
    transactions: u64,
    pool_envelopes: u64,
    pool_bytes: u64,
    /// Height that the background check looked at last.
    scrubbed_height: u64,
    /// When it last came to the end and found no damage; null for never since the peer's start.
    scrub_pass_nano: Option<i64>,
    alarms: Vec<String>,
    peers: Vec<OtherView>,
}

#[derive(Debug, Clone, Serialize)]
struct OtherView {
    actor: String,
    address: String,
    reachable: bool,
    acknowledged_height: u64,
    endorsed_height: u64,
    last_heard_nano: i64,
}

impl StatusView {
    /// What `status` says, asked at `address`.
    pub fn new(status: wire::StatusReply, address: &str) -> Self {
        let peers = status.peers.into_iter().map(|other| OtherView {
            actor: other.actor,
            address: other.address,
            reachable: other.reachable,
            acknowledged_height: other.acknowledged_height,
            endorsed_height: other.endorsed_height,
            last_heard_nano: other.last_heard_nano,
        });
        Self {
            network: status.network,
            network_hash: hex::encode(&status.network_hash),
            actor: status.actor,
            peer: status.peer,
            address: address.to_owned(),
            version: status.version,
            raft_role: status.raft_role,
            raft_term: status.raft_term,
            leader: Some(status.leader).filter(|leader| !leader.is_empty()),
            applied_height: status.applied_height,
            final_height: status.final_height,
            sealed_height: status.sealed_height,
            header: hex::encode(&status.header),
            state_root: hex::encode(&status.state_root),
            time_nano: status.time_nano,
            transactions: status.transactions,
            pool_envelopes: status.pool_envelopes,
            pool_bytes: status.pool_bytes,
            scrubbed_height: status.scrubbed_height,
            scrub_pass_nano: Some(status.scrub_pass_nano).filter(|nano| *nano != 0),
            alarms: status.alarms,
            peers: peers.collect(),
        }
    }
}

const FIELDS: [&str; 22] = [
    "network",
    "network_hash",
    "actor",
    "peer",
    "address",
    "version",
    "raft_role",
    "raft_term",
    "leader",
    "applied_height",
    "final_height",
    "sealed_height",
    "header",
    "state_root",
    "time_nano",
    "transactions",
    "pool_envelopes",
    "pool_bytes",
    "scrubbed_height",
    "scrub_pass_nano",
    "alarms",
    "peers",
];

/// Runs the command.
///
/// # Errors
/// A peer does not answer, or two contradict each other.
pub async fn run(session: &Session, command: &PeerCommand) -> CliResult<()> {
    match command {
        PeerCommand::Status { all: false } => one(session).await,
        PeerCommand::Status { all: true } => every(session).await,
        PeerCommand::Join { file, life } => {
            let actor = new_actor(file)?;
            propose(session, vec![Change::AddActor(actor)], Vec::new(), life).await
        }
        PeerCommand::Remove { leaving, life } => {
            let change = Change::RemoveActor(leaving.clone());
            propose(session, vec![change], Vec::new(), life).await
        }
        PeerCommand::Replace { name, address, life } => {
            let peer = PeerPlace {
                name: name.clone(),
                address: address.clone(),
            };
            let actor = own_actor(session);
            propose(
                session,
                vec![Change::ReplacePeer { actor, peer }],
                Vec::new(),
                life,
            )
            .await
        }
        PeerCommand::Move { address, life } => {
            let (actor, address) = (own_actor(session), address.clone());
            propose(
                session,
                vec![Change::MovePeer { actor, address }],
                Vec::new(),
                life,
            )
            .await
        }
    }
}

fn own_actor(session: &Session) -> String {
    session.signer().certificate().member().actor.clone()
}

fn new_actor(path: &Path) -> CliResult<NewActor> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file("read", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(
            format!("{} does not say who is to join: {error}", path.display()),
            "name the actor.json that `e2l network join` made on the new actor's machine",
        )
    })
}

async fn one(session: &Session) -> CliResult<()> {
    let status = session.status().await?;
    let known = session.client().peers().find(|peer| peer.actor == status.actor);
    let address = known.map(|peer| peer.address.clone()).unwrap_or_default();
    let view = StatusView::new(status, &address);
    if session.format() == Format::Table {
        return print_people(&view);
    }
    let listing = Listing {
        columns: &FIELDS,
        items: &[view],
        table: Table::new([]),
    };
    listing.print_one(session.format())
}

fn print_people(view: &StatusView) -> CliResult<()> {
    let terminal = Terminal::stdout();
    let mut out = std::io::stdout().lock();
    let leader = view.leader.as_deref().unwrap_or("none");
    let lines = [
        (
            "peer",
            format!(
                "{}/{} at {}, release {}",
                view.actor, view.peer, view.address, view.version
            ),
        ),
        (
            "network",
            format!("{}, genesis {}", view.network, view.network_hash),
        ),
        (
            "raft",
            format!("{} in term {}, leader: {leader}", view.raft_role, view.raft_term),
        ),
        (
            "height",
            format!(
                "{} final, {} sealed, {} applied",
                view.final_height, view.sealed_height, view.applied_height
            ),
        ),
        ("time", format!("{} UTC", stamp(view.time_nano))),
        ("transactions", view.transactions.to_string()),
        (
            "header",
            format!("{} at height {}", view.header, view.applied_height),
        ),
        ("state root", view.state_root.clone()),
        (
            "pool",
            format!("{} envelopes, {} bytes", view.pool_envelopes, view.pool_bytes),
        ),
        ("checked", scrubbed(view)),
    ];
    for (name, value) in lines {
        writeln!(
            out,
            "{} {value}",
            terminal.paint(Style::Bold, &format!("{name:<13}"))
        )?;
    }
    for alarm in &view.alarms {
        writeln!(
            out,
            "{} {alarm}",
            terminal.paint(Style::Bad, &format!("{:<13}", "ALARM"))
        )?;
    }
    writeln!(out)?;
    out.write_all(others(view, unix_now_nano()).render(terminal).as_bytes())?;
    Ok(())
}

/// How far the peer's check of its own records is.
fn scrubbed(view: &StatusView) -> String {
    let pass = match view.scrub_pass_nano {
        Some(nano) => format!("all of it, without a finding, at {} UTC", stamp(nano)),
        None => "not all of it yet since the peer's start".to_owned(),
    };
    format!("up to height {} now; {pass}", view.scrubbed_height)
}

fn others(view: &StatusView, now_nano: i64) -> Table {
    let mut table = Table::new([
        Column::new("OTHER PEER"),
        Column::new("ADDRESS"),
        Column::new("REACHABLE"),
        Column::new("ACKNOWLEDGED").right(),
        Column::new("ENDORSED").right(),
        Column::new("LAST HEARD").right(),
    ]);
    for other in &view.peers {
        let (word, style) = if other.reachable {
            ("yes", Style::Good)
        } else {
            ("no", Style::Bad)
        };
        table.push(vec![
            (&other.actor).into(),
            (&other.address).into(),
            Cell::new(word, style),
            other.acknowledged_height.to_string().into(),
            other.endorsed_height.to_string().into(),
            ago(other.last_heard_nano, now_nano).into(),
        ]);
    }
    table
}

fn ago(nano: i64, now_nano: i64) -> String {
    if nano <= 0 {
        return "never".to_owned();
    }
    let seconds = now_nano.saturating_sub(nano).max(0) / 1_000_000_000;
    match seconds {
        0..=119 => format!("{seconds} s ago"),
        120..=7199 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

/// One row of `--all`: what a peer says, or why it says nothing.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Status(Box<StatusView>),
    Silent {
        actor: String,
        address: String,
        error: String,
    },
}

async fn every(session: &Session) -> CliResult<()> {
    let peers: Vec<PeerAddress> = session.client().peers().cloned().collect();
    let answers = join_all(peers.iter().map(|peer| ask(session, peer))).await;
    let listing = Listing {
        columns: &FIELDS,
        table: overview(&answers),
        items: &answers,
    };
    listing.print(session.format())?;
    judge(&answers, session)
}

async fn ask(session: &Session, peer: &PeerAddress) -> Answer {
    let status = match session.client().only(&peer.actor) {
        Some(client) => client.status().await,
        None => Err(ClientError::NoPeer {
            tried: 0,
            attempts: format!("{} has no peer", peer.actor),
        }),
    };
    match status {
        Ok(status) => Answer::Status(Box::new(StatusView::new(status, &peer.address))),
        Err(error) => Answer::Silent {
            actor: peer.actor.clone(),
            address: peer.address.clone(),
            error: error.to_string(),
        },
    }
}

fn overview(answers: &[Answer]) -> Table {
    let mut table = Table::new([
        Column::new("PEER"),
        Column::new("ADDRESS").optional(1),
        Column::new("RAFT"),
        Column::new("TERM").right(),
        Column::new("FINAL").right(),
        Column::new("SEALED").right(),
        Column::new("APPLIED").right().optional(2),
        Column::new("TRANSACTIONS").right(),
        Column::new("STATE ROOT").shrink(8),
        Column::new("ALARMS").right(),
    ]);
    for answer in answers {
        table.push(match answer {
            Answer::Status(view) => {
                let leads = view.raft_role == "leader";
                let alarmed = if view.alarms.is_empty() {
                    Style::Plain
                } else {
                    Style::Bad
                };
                vec![
                    Cell::new(&view.actor, Style::Bold),
                    (&view.address).into(),
                    Cell::new(&view.raft_role, if leads { Style::Good } else { Style::Plain }),
                    view.raft_term.to_string().into(),
                    view.final_height.to_string().into(),
                    view.sealed_height.to_string().into(),
                    view.applied_height.to_string().into(),
                    view.transactions.to_string().into(),
                    view.state_root.get(..16).unwrap_or(&view.state_root).into(),
                    Cell::new(view.alarms.len().to_string(), alarmed),
                ]
            }
            Answer::Silent { actor, address, .. } => vec![
                Cell::new(actor, Style::Bold),
                address.into(),
                Cell::new("no answer", Style::Bad),
            ],
        });
    }
    table
}

/// Peers at the same final height must have the same header.
fn judge(answers: &[Answer], session: &Session) -> CliResult<()> {
    let mut by_height: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
    let mut silent = Vec::new();
    for answer in answers {
        match answer {
            Answer::Silent { actor, error, .. } => silent.push(format!("{actor}: {error}")),
            Answer::Status(view) => {
                for alarm in &view.alarms {
                    session.note(&format!("{}: {alarm}", view.actor));
                }
                // The header is that of the applied height: only where that is final may it be held against others.
                if view.applied_height != view.final_height {
                    continue;
                }
                let (actor, header) = *by_height
                    .entry(view.final_height)
                    .or_insert((view.actor.as_str(), view.header.as_str()));
                if header != view.header {
                    return Err(CliError::refused(
                        format!(
                            "{actor} and {} have different headers at height {}: {header} and {}",
                            view.actor, view.final_height, view.header
                        ),
                        "stop both peers and keep their directories: one of the two ledgers was altered",
                    ));
                }
            }
        }
    }
    if silent.is_empty() {
        return Ok(());
    }
    Err(CliError::usage(
        silent.join("\n       "),
        "start what does not answer, and see its log; the others go on while a majority answers",
    ))
}
