//! Follows the configuration: links to the peers that vote, who is in the Raft group, and whether this peer still is.

use crate::announcer::announce;
use crate::chain_thread::ChainThread;
use crate::inquiry::inquire;
use crate::join::{fetch_new, no_peer_since, observe};
use crate::links::{Link, Links};
use crate::node::Node;
use crate::take_part::take_part;
use e2l_consensus::RaftNode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// How often a leader looks whether the group has the voters that were decided on.
const TICK: Duration = Duration::from_millis(250);
/// How long a peer that was removed goes on telling the others what it has signed before.
const LINGER: Duration = Duration::from_secs(5);
/// How long it waits to hear that they are final.
const FAREWELL: Duration = Duration::from_secs(30);
/// How long a peer knows no leader before it asks the others for what became final without it.
const LEADERLESS: Duration = Duration::from_secs(2);

/// The tasks that one link has.
struct Company {
    link: Arc<Link>,
    tasks: [AbortHandle; 2],
}

impl Company {
    fn begin(node: &Arc<Node>, link: Arc<Link>) -> Self {
        let announcing = tokio::spawn(announce(node.clone(), link.clone()));
        let inquiring = tokio::spawn(inquire(node.clone(), link.clone()));
        Self {
            link,
            tasks: [announcing.abort_handle(), inquiring.abort_handle()],
        }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Talks to the peers that vote, whoever they are. Runs until the process ends.
pub async fn keep_company(node: Arc<Node>, links: Arc<Links>) {
    let mut config = node.configs.watch_next();
    let mut finalized = node.watch_finalized();
    let mut company: BTreeMap<u64, Company> = BTreeMap::new();
    loop {
        config.mark_unchanged();
        finalized.mark_unchanged();
        let changing = node.deciding().len() > 1;
        if let Err(error) = links.follow_configuration() {
            node.alarms.raise(format!(
                "a peer of the configuration has no usable address: {error}"
            ));
        }
        let wanted = links.all();
        let talks_to = |link: &Arc<Link>| wanted.iter().any(|wanted| Arc::ptr_eq(wanted, link));
        company.retain(|_, known| {
            let stays = talks_to(&known.link);
            if !stays {
                node.on_link(&known.link.actor, false);
            }
            stays
        });
        for link in &wanted {
            company
                .entry(link.peer.raft_id)
                .or_insert_with(|| Company::begin(&node, link.clone()));
        }
        let changed = async {
            tokio::select! {
                changed = config.changed() => changed,
                changed = finalized.changed(), if changing => changed,
            }
        };
        if changed.await.is_err() {
            return;
        }
    }
}

/// As long as this peer leads it brings in the voters that were decided on. Runs until the process ends.
pub async fn bring_in_voters(node: Arc<Node>, raft: Arc<RaftNode>) {
    let mut leadership = raft.leadership();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = leadership.changed() => if changed.is_err() {
                return;
            },
        }
        if !leadership.borrow_and_update().is_leader() || !node.me.votes_under(&node.config()) {
            continue;
        }
        match raft.bring_in_voters().await {
            Ok(true) => tracing::info!("the Raft group has the voters that the actors have decided on"),
            Ok(false) => {}
            Err(error) => tracing::info!(%error, "the Raft group's voters are not changed yet"),
        }
    }
}

/// Votes while the configuration says so, and observes otherwise. Runs until the process ends.
///
/// # Errors
/// The log or the ledger cannot be read or written.
pub async fn serve_in_role(
    node: Arc<Node>,
    raft: Arc<RaftNode>,
    links: Arc<Links>,
    chain: ChainThread,
    rejoining: bool,
) -> anyhow::Result<()> {
    let mut config = node.configs.watch_next();
    loop {
        observe(&node, &links, &chain).await?;
        let taking_part = take_part(node.clone(), raft.clone(), links.clone(), rejoining);
        let unseated = config.wait_for(|config| !node.me.votes_under(config));
        tokio::select! {
            taken = async {
                taking_part.await?;
                std::future::pending::<anyhow::Result<()>>().await
            } => return taken,
            changed = unseated => if changed.is_err() {
                return Ok(());
            },
        }
        tracing::warn!("this peer does not vote any more");
        raft.resign();
    }
}

/// Stops a peer that is its actor's no more when what it has signed before is final.
pub async fn leave_when_removed(node: Arc<Node>) {
    let mut config = node.configs.watch_next();
    let removed = config.wait_for(|config| node.me.raft_id_in(config) != node.me.raft_id());
    if removed.await.is_err() {
        return;
    }
    let from = node.anchor.newest_from();
    let before = node.anchor.config_at(from.saturating_sub(1));
    if node.me.votes_under(&before) {
        let mut finalized = node.watch_finalized();
        let reached = finalized.wait_for(|at| {
            at.as_ref()
                .is_some_and(|at| at.at.header.height.saturating_add(1) >= from)
        });
        // The others need not tell it: to them it is a stranger.
        let _ = tokio::time::timeout(FAREWELL, reached).await;
        tokio::time::sleep(LINGER).await;
    }
    node.stopping.demand(no_peer_since(&node, from));
}

/// A peer that votes and finds no leader may have missed who does by now: it asks the others for what is final. Runs until
/// the process ends.
pub async fn keep_up(node: Arc<Node>, raft: Arc<RaftNode>, links: Arc<Links>, chain: ChainThread) {
    let leadership = raft.leadership();
    let mut heard = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if leadership.borrow().leader.is_some() || !node.me.votes_under(&node.config()) {
            heard = Instant::now();
        }
        if heard.elapsed() < LEADERLESS {
            continue;
        }
        heard = Instant::now();
        if let Err(error) = fetch_new(&node, &links, &chain).await {
            tracing::error!(%error, "what became final without this peer cannot be executed");
            return;
        }
    }
}
