//! Answers that no proof goes with: several actors' peers are asked, as of one height, and their answers compared.

use crate::client::LedgerClient;
use crate::error::ClientError;
use crate::wire;
use bytes::Bytes;
use e2l_ledger::Digest;
use futures::future::join_all;
use std::time::Duration;

/// How often, and how far apart, the peers are asked until they answer as of one height.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// What enough actors' peers answer alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The answer.
    pub output: Bytes,
    /// As of which height.
    pub height: u64,
    /// Time of that block, nanoseconds since the Unix epoch.
    pub time_nano: i64,
    /// Digest of its header.
    pub header: Digest,
    /// Whose peers say so.
    pub actors: Vec<String>,
}

/// What one actor's peer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The actor.
    pub actor: String,
    /// The answer, or the refusal's words.
    pub answer: Result<wire::QueryReply, String>,
}

/// Why there is no answer that enough peers give.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AgreementError {
    /// They answer as of one height and do not say the same: one of them at least is wrong.
    #[error("the peers of {} do not agree", names(.0))]
    Differ(Vec<Said>),
    /// Fewer answered than must agree.
    #[error("{} of {required} peers that must agree answer: {why}", .answered.len())]
    TooFew {
        /// How many must agree.
        required: usize,
        /// Actors whose peers answer.
        answered: Vec<String>,
        /// Why the others do not.
        why: String,
    },
    /// They answer as of different heights, again and again.
    #[error("the peers answer as of different heights: {}", heights(.0))]
    Apart(Vec<Said>),
    /// All refuse, in the same words.
    #[error(transparent)]
    Refused(ClientError),
}

fn names(said: &[Said]) -> String {
    let names: Vec<&str> = said.iter().map(|said| said.actor.as_str()).collect();
    names.join(" and ")
}

fn heights(said: &[Said]) -> String {
    let heights = said.iter().map(|said| match &said.answer {
        Ok(reply) => format!("{} {}", said.actor, reply.height),
        Err(_) => format!("{} none", said.actor),
    });
    heights.collect::<Vec<_>>().join(", ")
}

/// What came of asking once.
enum Round {
    Settled(Result<Agreed, AgreementError>),
    /// As of this height all of them can answer.
    Apart(u64, Vec<Said>),
}

impl LedgerClient {
    /// Calls a query function at `required` actors' peers, in the client's order of preference, and at others where
    /// these do not answer. Its result is what all of them say, byte for byte, as of one height. That is agreement, no
    /// proof: these peers together can lie.
    ///
    /// # Errors
    /// See [`AgreementError`].
    pub async fn query_agreed(
        &self,
        required: usize,
        chaincode: &str,
        function: &str,
        argument: Bytes,
    ) -> Result<Agreed, AgreementError> {
        let mut request = wire::QueryRequest {
            chaincode: chaincode.to_owned(),
            function: function.to_owned(),
            argument,
            at_height: 0,
        };
        let mut tries = 1;
        loop {
            match self.ask_enough(required, &request).await {
                Round::Settled(settled) => return settled,
                Round::Apart(_, said) if tries >= TRIES => return Err(AgreementError::Apart(said)),
                Round::Apart(height, _) => request.at_height = height,
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask_enough(&self, required: usize, request: &wire::QueryRequest) -> Round {
        let mut left: Vec<String> = self.peers().map(|peer| peer.actor.clone()).collect();
        let (mut said, mut refused, mut silent) = (Vec::new(), None, Vec::new());
        while said.len() < required && !left.is_empty() {
            let missing = required - said.len();
            let rest = left.split_off(missing.min(left.len()));
            let asked = std::mem::replace(&mut left, rest);
            let answers = join_all(asked.iter().map(|actor| self.ask(actor, request))).await;
            for (actor, answer) in asked.into_iter().zip(answers) {
                match answer {
                    Ok(reply) => said.push(Said {
                        actor,
                        answer: Ok(reply),
                    }),
                    Err(error) => match refusal(&error) {
                        Some(words) => {
                            let answer = Err(words.to_owned());
                            said.push(Said { actor, answer });
                            refused = Some(error);
                        }
                        None => silent.push(format!("{actor}: {error}")),
                    },
                }
            }
        }
        if said.len() >= required {
            return compare(said, refused);
        }
        Round::Settled(Err(AgreementError::TooFew {
            required,
            answered: said.into_iter().map(|said| said.actor).collect(),
            why: silent.join("; "),
        }))
    }

    async fn ask(&self, actor: &str, request: &wire::QueryRequest) -> Result<wire::QueryReply, ClientError> {
        let client = self.only(actor).ok_or_else(|| ClientError::NoPeer {
            tried: 0,
            attempts: format!("{actor} has no peer"),
        })?;
        client.query_with(request.clone()).await
    }
}

/// What a peer says when the question is at fault: an answer like any other.
fn refusal(error: &ClientError) -> Option<&str> {
    match error {
        ClientError::Invalid { message, .. }
        | ClientError::NotFound { message, .. }
        | ClientError::Denied { message, .. } => Some(message),
        _ => None,
    }
}

fn compare(said: Vec<Said>, refused: Option<ClientError>) -> Round {
    let heights: Vec<u64> = said
        .iter()
        .filter_map(|said| said.answer.as_ref().ok().map(|reply| reply.height))
        .collect();
    let lowest = heights.iter().min().copied();
    if let Some(lowest) = lowest
        && heights.iter().any(|height| *height != lowest)
    {
        return Round::Apart(lowest, said);
    }
    let alike = said.windows(2).all(|pair| pair[0].answer == pair[1].answer);
    match (said.first().map(|first| first.answer.clone()), refused) {
        (Some(Ok(reply)), None) if alike => Round::Settled(Ok(Agreed {
            header: <[u8; 32]>::try_from(reply.header.as_ref()).map_or(Digest::ZERO, Digest),
            output: reply.output,
            height: reply.height,
            time_nano: reply.time_nano,
            actors: said.into_iter().map(|said| said.actor).collect(),
        })),
        (_, Some(error)) if alike => Round::Settled(Err(AgreementError::Refused(error))),
        _ => Round::Settled(Err(AgreementError::Differ(said))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(actor: &str, height: u64, output: &'static str) -> Said {
        let reply = wire::QueryReply {
            output: output.as_bytes().into(),
            height,
            time_nano: 1,
            header: vec![height as u8; 32].into(),
        };
        Said {
            actor: actor.to_owned(),
            answer: Ok(reply),
        }
    }

    #[test]
    fn only_the_same_answer_as_of_one_block_is_agreed() {
        let agreed = compare(vec![said("a", 5, "yes"), said("b", 5, "yes")], None);
        let Round::Settled(Ok(agreed)) = agreed else {
            panic!("they agree")
        };
        assert_eq!((agreed.height, agreed.actors.len()), (5, 2));

        let mut forked = said("b", 5, "yes");
        if let Ok(reply) = &mut forked.answer {
            reply.header = vec![9; 32].into();
        }
        for other in [said("b", 5, "no"), forked] {
            let differ = compare(vec![said("a", 5, "yes"), other], None);
            assert!(matches!(differ, Round::Settled(Err(AgreementError::Differ(_)))));
        }
        let apart = compare(vec![said("a", 7, "yes"), said("b", 5, "no")], None);
        assert!(
            matches!(apart, Round::Apart(5, _)),
            "asked again as of the lower height"
        );
    }

    #[test]
    fn a_refusal_counts_when_all_refuse_alike() {
        let refuse = |actor: &str, words: &str| Said {
            actor: actor.to_owned(),
            answer: Err(words.to_owned()),
        };
        let error = ClientError::Invalid {
            address: "b:1".to_owned(),
            message: "no".to_owned(),
        };
        let all = compare(vec![refuse("a", "no"), refuse("b", "no")], Some(error.clone()));
        assert!(matches!(all, Round::Settled(Err(AgreementError::Refused(_)))));
        for one in [said("a", 5, "yes"), refuse("a", "never")] {
            let differ = compare(vec![one, refuse("b", "no")], Some(error.clone()));
            assert!(matches!(differ, Round::Settled(Err(AgreementError::Differ(_)))));
        }
    }
}
