//! The comparison of claims and statements.

use super::{Life, SwarmClaim, SwarmTask, TaskStatement};
use std::collections::BTreeMap;
use std::fmt;

/// A container that was there for so long before and after a whole statement was in it, if it is a task; nanoseconds.
const MARGIN: i64 = 30_000_000_000;

/// What is known of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmVerdict {
    /// Managers say the same.
    Confirmed,
    /// A manager says otherwise.
    Contradicted,
    /// No manager has said anything of it.
    Unconfirmed,
}

impl SwarmVerdict {
    /// The word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Contradicted => "contradicted",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl fmt::Display for SwarmVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A verdict and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: SwarmVerdict,
    /// Who says what, for people.
    pub why: String,
}

/// Compares a claim with all statements about the service that it names. `life` is needed only where no statement names the
/// task: it tells whether one should have.
pub fn judge(claim: &SwarmClaim, life: Option<Life>, statements: &[TaskStatement]) -> Judgement {
    let own: Vec<&TaskStatement> = statements
        .iter()
        .filter(|said| said.actor == claim.actor)
        .collect();
    let found = |verdict, why| Judgement { verdict, why };
    let mut confirmed = None;
    for (said, task) in own
        .iter()
        .flat_map(|said| said.tasks.iter().map(move |task| (*said, task)))
    {
        match denial(claim, task) {
            Some(why) => return found(SwarmVerdict::Contradicted, format!("{}: {why}", name(said))),
            None if task.id == claim.task => confirmed = confirmed.or(Some(name(said))),
            None => {}
        }
    }
    if let Some(by) = confirmed {
        return found(SwarmVerdict::Confirmed, format!("{by} says the same"));
    }
    if let Some(by) = life.and_then(|life| left_out(life, &own)) {
        let why = format!("{by}: the service has no task {}", claim.task);
        return found(SwarmVerdict::Contradicted, why);
    }
    let who = format!("no manager's collector of {} has named", claim.actor);
    let what = match own.is_empty() {
        true => format!("a task of service {}", claim.service),
        false => format!("task {}", claim.task),
    };
    found(SwarmVerdict::Unconfirmed, format!("{who} {what}"))
}

/// What a manager's task says against a claim.
fn denial(claim: &SwarmClaim, task: &SwarmTask) -> Option<String> {
    if task.id != claim.task {
        let is_other = task.container == claim.container;
        return is_other.then(|| format!("this is the container of task {}", task.id));
    }
    if task.container != claim.container {
        return Some(format!("task {} has container {}", task.id, task.container));
    }
    let elsewhere = claim.node.as_ref().is_some_and(|node| *node != task.node);
    elsewhere.then(|| format!("task {} is on node {}", task.id, task.node))
}

/// Who named every task of the service while the container was there. What comes late tells of another time than its block's.
fn left_out(life: Life, statements: &[&TaskStatement]) -> Option<String> {
    let mut parts: BTreeMap<(&str, i64), u64> = BTreeMap::new();
    for said in statements.iter().filter(|said| said.is_whole) {
        let punctual = said.block_time_nano.abs_diff(said.time_nano) < MARGIN.unsigned_abs();
        if !punctual || !life.spans(said.block_time_nano, MARGIN) {
            continue;
        }
        let count = parts.entry((&said.collector, said.time_nano)).or_default();
        *count += 1;
        if *count >= said.parts {
            return Some(name(said));
        }
    }
    None
}

fn name(said: &TaskStatement) -> String {
    format!("{}/{}", said.actor, said.collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn claim(container: &str, task: &str) -> SwarmClaim {
        SwarmClaim {
            container: container.to_owned(),
            actor: "provider".to_owned(),
            task: task.to_owned(),
            service: "s1".to_owned(),
            node: Some("n1".to_owned()),
        }
    }

    fn said(actor: &str, second: i64, tasks: &[&str]) -> TaskStatement {
        TaskStatement {
            actor: actor.to_owned(),
            collector: "c1".to_owned(),
            time_nano: second * SECOND,
            block_time_nano: second * SECOND + 5,
            is_whole: true,
            parts: 1,
            tasks: tasks.iter().filter_map(|text| SwarmTask::parse(text)).collect(),
        }
    }

    fn verdict(claim: &SwarmClaim, life: Option<Life>, statements: &[TaskStatement]) -> SwarmVerdict {
        judge(claim, life, statements).verdict
    }

    #[test]
    fn a_task_is_what_the_manager_says() {
        use SwarmVerdict::{Confirmed, Contradicted, Unconfirmed};
        let manager = [said("provider", 100, &["t1@n1@1@c1", "t2@n2@2@c2"])];
        assert_eq!(verdict(&claim("c1", "t1"), None, &manager), Confirmed);
        let forged = judge(&claim("evil", "t1"), None, &manager);
        assert_eq!(forged.verdict, Contradicted);
        assert_eq!(forged.why, "provider/c1: task t1 has container c1");
        assert_eq!(
            verdict(&claim("c2", "t2"), None, &manager),
            Contradicted,
            "on another node"
        );
        assert_eq!(
            verdict(&claim("c1", "t9"), None, &manager),
            Contradicted,
            "another task's"
        );
        assert_eq!(verdict(&claim("c9", "t9"), None, &manager), Unconfirmed);
        assert_eq!(verdict(&claim("c1", "t1"), None, &[]), Unconfirmed);
    }

    #[test]
    fn one_manager_that_denies_outweighs_those_that_confirm_and_another_actor_says_nothing() {
        let both = [
            said("provider", 100, &["t1@n1@1@c1"]),
            said("provider", 101, &["t1@n1@1@other"]),
        ];
        assert_eq!(
            verdict(&claim("c1", "t1"), None, &both),
            SwarmVerdict::Contradicted
        );
        let foreign = [said("developer", 100, &["t1@n1@1@other"])];
        assert_eq!(
            verdict(&claim("c1", "t1"), None, &foreign),
            SwarmVerdict::Unconfirmed
        );
        let foreign = [said("developer", 100, &["t1@n1@1@c1"])];
        assert_eq!(
            verdict(&claim("c1", "t1"), None, &foreign),
            SwarmVerdict::Unconfirmed
        );
    }

    #[test]
    fn a_task_that_nobody_names_is_denied_if_it_was_there_when_all_were_named() {
        use SwarmVerdict::{Contradicted, Unconfirmed};
        let invented = claim("evil", "t9");
        let life = |from: i64, to: Option<i64>| {
            let start = ("start", from * SECOND, from * SECOND);
            Life::of(
                [Some(start), to.map(|to| ("die", to * SECOND, to * SECOND))]
                    .into_iter()
                    .flatten(),
            )
        };
        let manager = [said("provider", 100, &["t1@n1@1@c1"])];
        assert_eq!(verdict(&invented, life(10, None), &manager), Contradicted);
        assert_eq!(verdict(&invented, life(10, Some(500)), &manager), Contradicted);
        assert_eq!(
            verdict(&invented, life(10, Some(110)), &manager),
            Unconfirmed,
            "it may have gone"
        );
        assert_eq!(
            verdict(&invented, life(90, None), &manager),
            Unconfirmed,
            "it may be too new"
        );
        let mut late = manager.clone();
        late[0].time_nano = SECOND;
        assert_eq!(
            verdict(&invented, life(10, None), &late),
            Unconfirmed,
            "it tells of another time"
        );
        let mut half = manager.clone();
        half[0].parts = 2;
        assert_eq!(
            verdict(&invented, life(10, None), &half),
            Unconfirmed,
            "it may be in the other part"
        );
        let mut changes = manager;
        changes[0].is_whole = false;
        assert_eq!(verdict(&invented, life(10, None), &changes), Unconfirmed);
    }

    #[test]
    fn of_two_clocks_the_shorter_life_is_taken() {
        let late_end = [("start", 10, 12), ("die", 20, 500), ("destroy", 600, 600)];
        assert_eq!(Life::of(late_end), Life::of([("start", 12, 12), ("die", 20, 20)]));
        assert_eq!(Life::of([]), None);
    }
}
