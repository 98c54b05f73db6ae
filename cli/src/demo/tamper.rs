//! `e2l demo tamper ACTOR`: the thesis's own test, told step by step while the demo runs in another terminal.

use crate::daemon::sibling;
use crate::demo::start::settings;
use crate::error::{CliError, CliResult};
use crate::network_dir::NetworkDir;
use crate::output::{Style, Terminal};
use crate::session::Session;
use crate::settings::{DEMO_DIR, Global};
use e2l_client::wire::IncidentsRequest;
use e2l_client::{ClientError, LedgerClient, Verifier, wire};
use e2l_event::Event;
use e2l_ledger::{Canonical, Digest, Envelope, Role, ValidationCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const EVERY: Duration = Duration::from_millis(20);
/// Newest blocks left alone: the peer rests on them, and restores its whole ledger if they are damaged.
const LEFT_ALONE: u64 = 2;
/// Blocks looked at for an event to falsify.
const LOOKED_AT: u64 = 200;
/// What an event is turned into: as long, and something else.
const LIES: [(&str, &str); 8] = [
    ("start", "pause"),
    ("create", "rename"),
    ("die", "oom"),
    ("stop", "kill"),
    ("kill", "stop"),
    ("destroy", "unpause"),
    ("pause", "start"),
    ("update", "remove"),
];

/// Whose ledger copy.
#[derive(Debug, Clone, clap::Args)]
pub struct TamperArgs {
    /// Actor whose database is edited
    #[arg(value_name = "ACTOR")]
    pub actor: String,
    /// Directory of the running demo
    #[arg(long, value_name = "DIR", default_value = DEMO_DIR)]
    pub dir: PathBuf,
}

/// An event to be falsified.
struct Target {
    id: Digest,
    height: u64,
    index: u32,
    event: Event,
    lie: &'static str,
    /// Canonical bytes of its block, as a majority endorsed it.
    block: Vec<u8>,
}

/// What the peer says of the block when it is back.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// That it does not show it, and why.
    Refusal(String),
    /// The true block: it was mended by then.
    Truth,
    /// Something else.
    Lie,
}

/// Runs the command.
///
/// # Errors
/// The demo does not run, has no event yet, or a step does not happen in time.
pub async fn run(args: &TamperArgs, global: &Global) -> CliResult<()> {
    let network = NetworkDir::open(&args.dir)?;
    let actor = network.actor(Some(&args.actor))?.to_owned();
    let session = Session::open(settings(&network, global)?, Role::Client)?;
    let verifier = session.verifier()?;
    let victim = only(&session, &actor)?;
    let story = Story::new(&actor);

    let target = find_target(&verifier).await?;
    story.before(&target);
    let known = victim.incidents(IncidentsRequest::default()).await?;
    let since = known.incidents.last().map_or(0, |incident| incident.found_nano);
    edit(&network, &actor, &target).await?;
    story.edited(&target);
    story.others(&verifier, &network, &actor, &target).await?;
    let answer = first_answer(&verifier, &actor, &target).await?;
    story.answered(&answer);
    if answer == Answer::Lie {
        return Err(CliError::refused(
            format!("{actor}'s peer has shown the changed record"),
            "report this as a defect; keep the demo's directory",
        ));
    }
    let incident = repaired(&victim, since, target.height).await?;
    story.repaired(&incident);
    story.after(&verifier, &actor, &target).await
}

fn only(session: &Session, actor: &str) -> CliResult<LedgerClient> {
    let client = session.client().only(actor);
    client.ok_or_else(|| CliError::usage(format!("actor `{actor}` has no peer"), "name one that has"))
}

/// The newest event that the peer does not rest on and that another word can replace.
async fn find_target(verifier: &Verifier) -> CliResult<Target> {
    let status = verifier.client().status().await.map_err(not_running)?;
    let newest = status.final_height.saturating_sub(LEFT_ALONE);
    for height in (newest.saturating_sub(LOOKED_AT).max(1)..=newest).rev() {
        let (block, _) = verifier.block(height).await?;
        for outcome in block.outcomes().filter(|outcome| !outcome.refused) {
            let Envelope::Batch(batch) = outcome.envelope else {
                continue;
            };
            let calls = batch.calls.iter().zip(outcome.results).zip(outcome.first..);
            for ((call, result), index) in calls {
                let Ok(event) = Event::decode(&call.argument) else {
                    continue;
                };
                let lie = LIES.iter().find(|(action, _)| *action == event.action);
                if let (Some((_, lie)), ValidationCode::Valid) = (lie, result.code) {
                    return Ok(Target {
                        id: result.id,
                        height,
                        index: u32::try_from(index).unwrap_or(u32::MAX),
                        event,
                        lie,
                        block: block.encode(),
                    });
                }
            }
        }
    }
    Err(CliError::usage(
        "the ledger has no event yet that can be falsified",
        "start or stop a container, or run the demo with --source synthetic, and try again",
    ))
}

fn not_running(error: ClientError) -> CliError {
    CliError::usage(
        format!("the demo does not answer: {error}"),
        "start it in another terminal with `e2l demo`",
    )
}

/// Stops the actor's peer, edits its database and leaves it to the demo to start it again.
async fn edit(network: &NetworkDir, actor: &str, target: &Target) -> CliResult<()> {
    let home = network.actor_dir(actor).join("peer");
    let pid = pid_of(&home.join("peer.toml"))?;
    kill(pid, Signal::SIGTERM).map_err(|error| {
        CliError::usage(
            format!("the peer (pid {pid}) cannot be stopped: {error}"),
            "run this as the demo's user",
        )
    })?;
    let mut intruder = Command::new(sibling("e2l-intruder")?);
    intruder
        .arg("--data-dir")
        .arg(home.join("data"))
        .args(["--height", &target.height.to_string()])
        .args(["--index", &target.index.to_string()])
        .args(["--from", &needle(&target.event.action, &target.event.actor_id)])
        .args(["--to", &needle(target.lie, &target.event.actor_id)]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let done = intruder
            .output()
            .map_err(|error| CliError::usage(error, "build all programs"))?;
        if done.status.success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            return Err(CliError::refused(said, "see the peer's log; nothing was changed"));
        }
        // Until the peer has closed its database.
        tokio::time::sleep(EVERY).await;
    }
}

/// Process id of the peer with this configuration.
fn pid_of(config: &Path) -> CliResult<Pid> {
    let config = config
        .canonicalize()
        .map_err(|error| CliError::file("find", config, &error))?;
    let processes =
        std::fs::read_dir("/proc").map_err(|error| CliError::file("read", Path::new("/proc"), &error))?;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = arguments.next().unwrap_or_default();
        // A relative path starts at the process's own directory.
        let directory = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
        let is_it = |argument: std::borrow::Cow<'_, str>| {
            directory
                .join(argument.as_ref())
                .canonicalize()
                .is_ok_and(|path| path == config)
        };
        if program.ends_with("e2l-peer") && arguments.any(is_it) {
            return Ok(Pid::from_raw(pid));
        }
    }
    Err(CliError::usage(
        "the actor's peer does not run",
        "start the demo in another terminal with `e2l demo`",
    ))
}

/// How action and object of an event stand in its record: each behind its length.
fn needle(action: &str, id: &str) -> String {
    let mut bytes = Vec::new();
    for text in [action, id] {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the actor's peer answers first when it is back, its word taken for it.
async fn first_answer(verifier: &Verifier, actor: &str, target: &Target) -> CliResult<Answer> {
    let reader = verifier
        .only(actor)
        .ok_or_else(|| CliError::usage(format!("actor `{actor}` has no peer"), "name one that has"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match judge(reader.client().block(target.height).await, &target.block) {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            // It is on its way up.
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
}

/// Compares an answer with the true block.
fn judge(reply: Result<wire::GetBlockReply, ClientError>, truth: &[u8]) -> Result<Answer, ClientError> {
    match reply {
        Ok(reply) if reply.block == truth => Ok(Answer::Truth),
        Ok(_) => Ok(Answer::Lie),
        Err(ClientError::Damaged { why, .. }) => Ok(Answer::Refusal(why)),
        Err(error) => Err(error),
    }
}

/// The incident about a block that was found after a moment, once it is repaired.
async fn repaired(victim: &LedgerClient, since: i64, height: u64) -> CliResult<wire::Incident> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let incidents = victim
            .incidents(IncidentsRequest::default())
            .await
            .map(|reply| reply.incidents)
            .unwrap_or_default();
        let found = incidents.into_iter().find(|incident| {
            let is_about = (incident.height..=incident.last_height).contains(&height);
            incident.found_nano > since && is_about && !incident.repaired_from.is_empty()
        });
        match found {
            Some(incident) => return Ok(incident),
            None if Instant::now() > deadline => {
                return Err(CliError::refused(
                    "the damage is not repaired yet",
                    "look at `e2l incidents` and at the peer's log",
                ));
            }
            None => tokio::time::sleep(EVERY).await,
        }
    }
}

/// What is told of an answer.
fn words(answer: &Answer) -> (Style, [String; 2]) {
    match answer {
        Answer::Refusal(why) => (
            Style::Warn,
            [
                format!("it refuses to show it: {why}"),
                "the changed record was not shown".to_owned(),
            ],
        ),
        Answer::Truth => (
            Style::Warn,
            [
                "it shows the true block, byte for byte: its background check was faster, and has mended it"
                    .to_owned(),
                "the changed record was not shown".to_owned(),
            ],
        ),
        Answer::Lie => (
            Style::Bad,
            [
                "it shows ANOTHER block than the one that a majority endorsed".to_owned(),
                "without verification (--no-verify) this would have been believed".to_owned(),
            ],
        ),
    }
}

/// Tells it.
struct Story {
    actor: String,
    terminal: Terminal,
}

impl Story {
    fn new(actor: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            terminal: Terminal::stdout(),
        }
    }

    fn step(&self, number: u8, style: Style, title: &str, lines: &[String]) {
        println!("{}", self.terminal.paint(style, &format!("{number}. {title}")));
        for line in lines {
            println!("   {line}");
        }
        println!();
    }

    fn before(&self, target: &Target) {
        let title = "The truth, as all three actors have it";
        let what = sentence(&target.event.action, &target.event.actor_id);
        let place = format!("height {}, transaction {}", target.height, target.id.short());
        self.step(1, Style::Good, title, &[what, place]);
    }

    fn edited(&self, target: &Target) {
        let title = format!("Somebody edits {}'s database", self.actor);
        let lines = [
            "its peer is stopped, one record is changed, its checksum is made anew, as an intruder would:"
                .to_owned(),
            sentence(target.lie, &target.event.actor_id),
            "the demo starts the peer again in about 10 s".to_owned(),
        ];
        self.step(2, Style::Bad, &title, &lines);
    }

    async fn others(
        &self,
        verifier: &Verifier,
        network: &NetworkDir,
        actor: &str,
        target: &Target,
    ) -> CliResult<()> {
        let mut lines = Vec::new();
        for other in network.actors().iter().filter(|other| *other != actor) {
            if let Some(reader) = verifier.only(other) {
                let (_, proven) = reader.receipt(&target.id).await?;
                let said = proven.call.and_then(|call| Event::decode(&call.argument).ok());
                let action = said.map_or_else(String::new, |event| event.action);
                let endorsers = proven.block.endorsed_by.join(", ");
                lines.push(format!(
                    "{other}: `{action}`, signed by its collector, endorsed by {endorsers}"
                ));
            }
        }
        self.step(3, Style::Good, "Meanwhile the others answer, with proof", &lines);
        Ok(())
    }

    fn answered(&self, answer: &Answer) {
        let title = format!("{}'s peer is back, and is asked for that block", self.actor);
        let (style, lines) = words(answer);
        self.step(4, style, &title, &lines);
    }

    fn repaired(&self, incident: &wire::Incident) {
        let took = incident.repaired_nano.saturating_sub(incident.found_nano) / 1_000_000;
        let lines = [
            format!("what    {}", incident.what),
            format!("why     {}", incident.why),
            format!(
                "found   by a {}, {} records kept aside as evidence",
                incident.found_by, incident.quarantined
            ),
            format!(
                "mended  {took} ms later, with the true block from {}'s peer",
                incident.repaired_from
            ),
        ];
        self.step(
            5,
            Style::Good,
            "The incident, as `e2l incidents` lists it",
            &lines,
        );
    }

    async fn after(&self, verifier: &Verifier, actor: &str, target: &Target) -> CliResult<()> {
        let reader = verifier.only(actor);
        let reader = reader.ok_or_else(|| CliError::usage("the actor has no peer", "name one that has"))?;
        let (_, proven) = reader.receipt(&target.id).await?;
        let event = proven.call.and_then(|call| Event::decode(&call.argument).ok());
        if event.as_ref() != Some(&target.event) {
            return Err(CliError::refused(
                "it shows something else",
                "report this as a defect",
            ));
        }
        let title = format!("{}'s peer tells the truth again, with proof", self.actor);
        self.step(
            6,
            Style::Good,
            &title,
            &[sentence(&target.event.action, &target.event.actor_id)],
        );
        Ok(())
    }
}

fn sentence(action: &str, id: &str) -> String {
    let short: String = id.chars().take(12).collect();
    format!("the event of container {short} says `{action}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(block: &'static [u8]) -> Result<wire::GetBlockReply, ClientError> {
        Ok(wire::GetBlockReply {
            block: block.into(),
            ..wire::GetBlockReply::default()
        })
    }

    #[test]
    fn what_is_told_is_what_was_shown() {
        assert_eq!(judge(shown(b"start"), b"start").unwrap(), Answer::Truth);
        assert_eq!(judge(shown(b"pause"), b"start").unwrap(), Answer::Lie);
        let told = words(&Answer::Lie).1.concat();
        assert!(told.contains("ANOTHER block"), "{told}");
        assert!(
            !told.contains("not shown"),
            "a lie that was shown is told: {told}"
        );
    }
}
