//! Votes told to a peer in one message.

use e2l_client::wire::peering_client::PeeringClient;
use e2l_client::wire::{AnnounceReply, AnnounceRequest};
use futures::stream;
use tonic::Status;
use tonic::transport::Channel;

/// Tells a peer votes, once, and returns its answer.
///
/// # Errors
/// It refuses them.
pub async fn announce(
    stub: &mut PeeringClient<Channel>,
    request: AnnounceRequest,
) -> Result<AnnounceReply, Status> {
    let mut answers = stub.announce(stream::iter([request])).await?.into_inner();
    let answer = answers.message().await?;
    answer.ok_or_else(|| Status::unavailable("it ended the stream without an answer"))
}
