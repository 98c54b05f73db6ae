//! Tells another peer this peer's votes and evidence, hears its votes, and compares the two chains: one task per link.

use crate::evidence::MAX_PASSED_ON;
use crate::links::{Announcements, Link};
use crate::node::Node;
use crate::standpoint::{compare_standpoint, height_to_compare, standpoint};
use crate::votes_in::take_votes;
use e2l_client::wire::{AnnounceReply, AnnounceRequest};
use e2l_store::StoreError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;

/// How often a peer says that it is there when it has nothing to say. Well below the time after which a
/// silent peer is suspected.
const IDLE: Duration = Duration::from_millis(300);
/// How long a peer that does not answer is left alone. Short: when a partition heals, the two must compare their chains
/// before either makes more final.
const RETRY: Duration = Duration::from_millis(150);
/// How often chains are compared while the other's votes have not shown that they are the same.
const COMPARE: Duration = Duration::from_millis(250);

/// What one peer has been told, and when its chain was compared.
#[derive(Default)]
struct Told {
    votes: u64,
    evidence: usize,
    /// Height that it has executed, by its own word.
    applied: u64,
    compared: Option<Instant>,
}

/// Runs until the process ends.
pub async fn announce(node: Arc<Node>, link: Arc<Link>) {
    let mut newest = node.votes.watch();
    let mut told = Told::default();
    let mut line = None;
    let mut connection = link.connection();
    loop {
        // The line of an old certificate ends when that expires.
        if connection.has_changed().unwrap_or(false) {
            connection.mark_unchanged();
            line = None;
        }
        let news = node.votes.since(told.votes);
        let evidence = node.evidence.after(told.evidence, MAX_PASSED_ON);
        let passed_on = evidence.len();
        let mut request = AnnounceRequest {
            votes: news.votes,
            certificate: news.certificate,
            applied_height: node.newest().header.height,
            final_height: node.finalized().map_or(0, |finalized| finalized.at.header.height),
            evidence,
            ..AnnounceRequest::default()
        };
        if told.compared.is_none_or(|at| at.elapsed() >= COMPARE) {
            told.compared = Some(Instant::now());
            ask_to_compare(&node, &link, &told, &mut request);
        }
        match say(&mut line, &link, request).await {
            Ok(reply) => {
                told.votes = news.last;
                told.evidence += passed_on;
                told.applied = reply.applied_height;
                hear(&node, &link, &reply);
                // New votes go out at once, together with all that came up meanwhile.
                if node.votes.since(told.votes).votes.is_empty() {
                    let _ = tokio::time::timeout(IDLE, newest.changed()).await;
                }
            }
            Err(status) => {
                tracing::debug!(peer = %link.actor, status = %status.message(), "no link");
                node.on_link(&link.actor, false);
                told.compared = None;
                line = None;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn say(
    line: &mut Option<Announcements>,
    link: &Link,
    request: AnnounceRequest,
) -> Result<AnnounceReply, Status> {
    let line = match line {
        Some(line) => line,
        None => line.insert(link.announcements().await?),
    };
    line.announce(request).await
}

fn ask_to_compare(node: &Node, link: &Link, told: &Told, request: &mut AnnounceRequest) {
    request.compare_height = height_to_compare(node, &link.actor);
    if request.compare_height > 0 {
        request.standpoint = standpoint(node, told.applied).unwrap_or_else(|error| {
            tracing::warn!(%error, "this peer cannot say how it stands");
            None
        });
    }
}

/// What it says comes first: with the link up it counts as one that is heard.
fn hear(node: &Node, link: &Link, reply: &AnnounceReply) {
    let compared: Result<(), StoreError> = match &reply.standpoint {
        Some(theirs) => compare_standpoint(node, &link.actor, theirs),
        None => Ok(()),
    };
    if let Err(error) = compared {
        tracing::warn!(peer = %link.actor, %error, "its chain cannot be compared with this peer's");
    }
    if let Err(why) = take_votes(node, &link.actor, &reply.certificate, &reply.votes) {
        tracing::warn!(peer = %link.actor, %why, "votes in an answer are not acceptable");
    }
    node.on_link(&link.actor, true);
}
