//! What another peer tells of its votes, and the answers: one stream as long as the link holds.

use super::access::{Action, permit};
use crate::evidence::receive;
use crate::node::Node;
use crate::standpoint::{compare_standpoint, standpoint};
use crate::votes_in::take_votes;
use e2l_client::wire::{AnnounceReply, AnnounceRequest};
use e2l_identity::LogLimit;
use e2l_ledger::Certificate;
use e2l_store::StoreError;
use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};
use std::sync::Arc;
use tonic::{Status, Streaming};

/// One peer's announcements.
pub(super) struct Announcements {
    pub(super) node: Arc<Node>,
    pub(super) log: Arc<LogLimit>,
    /// Of the peer that speaks.
    pub(super) certificate: Certificate,
}

impl Announcements {
    /// Answers each message, until the other side ends, this peer stops, or something is not acceptable.
    pub(super) fn answers(
        self,
        requests: Streaming<AnnounceRequest>,
    ) -> BoxStream<'static, Result<AnnounceReply, Status>> {
        let stopping = self.node.stopping.begun();
        try_unfold(
            (self, requests, stopping),
            |(heard, mut requests, mut stopping)| async move {
                let request = tokio::select! {
                    request = requests.message() => request?,
                    _ = stopping.wait_for(|stopping| *stopping) => None,
                };
                let Some(request) = request else { return Ok(None) };
                let reply = heard.answer(&request)?;
                Ok(Some((reply, (heard, requests, stopping))))
            },
        )
        .boxed()
    }

    fn answer(&self, announced: &AnnounceRequest) -> Result<AnnounceReply, Status> {
        let node = &self.node;
        // It was checked when the stream began, and may have expired since.
        permit(node, &self.certificate, Action::Peer)?;
        let actor = &self.certificate.member().actor;
        take_votes(node, actor, &announced.certificate, &announced.votes).map_err(|error| {
            if let Some(suppressed) = self.log.admit("votes") {
                tracing::warn!(peer = %actor, %error, suppressed, "votes are not acceptable");
            }
            Status::invalid_argument(error.to_string())
        })?;
        let unreadable = |error: StoreError| Status::unavailable(error.to_string());
        if let Some(theirs) = &announced.standpoint {
            compare_standpoint(node, actor, theirs).map_err(unreadable)?;
        }
        receive(node, &announced.evidence).map_err(unreadable)?;
        let mut reply = AnnounceReply {
            standpoint: standpoint(node, announced.compare_height).map_err(unreadable)?,
            applied_height: node.newest().header.height,
            final_height: node.with_finality(|finality| finality.final_height()),
            ..AnnounceReply::default()
        };
        // This peer's own announcements tell its votes; here it repeats the newest to one that may lack them.
        let told = node.heard_peers.get(actor).is_some_and(|heard| heard.linked);
        if announced.votes.is_empty() || announced.compare_height > 0 || !told {
            let newest = node.votes.newest();
            reply.votes = newest.votes;
            reply.certificate = newest.certificate;
        }
        Ok(reply)
    }
}
