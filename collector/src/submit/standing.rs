//! What the peers think of what is to be submitted.

use e2l_client::ClientError;
use e2l_client::wire::refusal::Reason;
use std::fmt;

/// Why a peer refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It knows another batch of this number.
    Conflict(String),
    /// Anything else.
    Other(String),
}

impl Refusal {
    /// Of an error that is final.
    pub fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused {
                reason: Reason::Conflict,
                ..
            } => Self::Conflict(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Conflict(why) | Self::Other(why)) = self;
        f.write_str(why)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Standing {
    /// Not asked since somebody accepted something, or it would take the batch later.
    #[default]
    Open,
    /// It could not be reached, or does not serve.
    Away,
    Refuses(Refusal),
}

/// Where each peer stands since one last accepted something.
#[derive(Debug)]
pub struct Standings(Vec<(String, Standing)>);

impl Standings {
    /// Of these actors' peers.
    pub fn new(actors: impl Iterator<Item = String>) -> Self {
        Self(actors.map(|actor| (actor, Standing::Open)).collect())
    }

    /// One refuses.
    pub fn refuses(&mut self, index: usize, refusal: Refusal) {
        self.0[index].1 = Standing::Refuses(refusal);
    }

    /// One cannot be reached.
    pub fn is_away(&mut self, index: usize) {
        self.0[index].1 = Standing::Away;
    }

    /// One can be reached, and does not refuse.
    pub fn does_not_refuse(&mut self, index: usize) {
        self.0[index].1 = Standing::Open;
    }

    /// One accepted something: whoever refused it was wrong.
    pub fn accepted(&mut self) {
        self.0
            .iter_mut()
            .for_each(|(_, standing)| *standing = Standing::Open);
    }

    /// The refusals, if they are those of a majority and every other peer is away. While fewer refuse, those
    /// that are away may still take it.
    pub fn all_refuse(&self) -> Option<Vec<(&str, &Refusal)>> {
        let open = self.0.iter().any(|(_, standing)| *standing == Standing::Open);
        let refusals: Vec<_> = self
            .0
            .iter()
            .filter_map(|(actor, standing)| match standing {
                Standing::Refuses(refusal) => Some((actor.as_str(), refusal)),
                Standing::Open | Standing::Away => None,
            })
            .collect();
        (!open && refusals.len() * 2 > self.0.len()).then_some(refusals)
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Standings};

    fn three() -> Standings {
        Standings::new(["provider", "developer", "user"].map(str::to_owned).into_iter())
    }

    fn no() -> Refusal {
        Refusal::Other("no".to_owned())
    }

    #[test]
    fn one_that_refuses_decides_nothing_even_when_the_others_are_away() {
        let mut standings = three();
        standings.refuses(0, no());
        assert_eq!(standings.all_refuse(), None);
        standings.is_away(1);
        standings.is_away(2);
        assert_eq!(standings.all_refuse(), None);
    }

    #[test]
    fn a_majority_decides_once_the_rest_was_asked() {
        let mut standings = three();
        standings.refuses(0, no());
        standings.refuses(2, no());
        assert_eq!(standings.all_refuse(), None, "the second was not asked");
        standings.does_not_refuse(1);
        assert_eq!(standings.all_refuse(), None, "the second would take it");
        standings.is_away(1);
        let refusals = standings.all_refuse().unwrap();
        assert_eq!(refusals, [("provider", &no()), ("user", &no())]);
    }

    #[test]
    fn whoever_accepts_refutes_the_others() {
        let mut standings = three();
        (0..3).for_each(|index| standings.refuses(index, no()));
        assert_eq!(standings.all_refuse().unwrap().len(), 3);
        standings.accepted();
        assert_eq!(standings.all_refuse(), None);
    }
}
