//! Says in plain words what happens to the peers.

use crate::demo::fleet::{Fleet, FleetEvent};
use crate::demo::watch::Sight;
use crate::output::{Style, Terminal};
use std::collections::BTreeMap;
use std::time::Instant;

/// Knows what was said last.
pub struct Narrator {
    terminal: Terminal,
    leader: Option<String>,
    /// The leader whose peer died, until it starts again.
    lost: Option<String>,
    leaderless_since: Option<Instant>,
    /// Actors whose peers started again, and the height that they have to reach.
    returning: BTreeMap<String, u64>,
}

impl Narrator {
    /// Begins with a leader.
    pub fn new(terminal: Terminal, leader: Option<String>) -> Self {
        Self {
            terminal,
            leader,
            lost: None,
            leaderless_since: None,
            returning: BTreeMap::new(),
        }
    }

    /// What there is to say about a process.
    pub fn process(&mut self, event: &FleetEvent, fleet: &Fleet) -> String {
        match event {
            FleetEvent::Died {
                slot,
                pid,
                how,
                restart_in,
            } => {
                let slot = &fleet.slots()[*slot];
                let next = match restart_in {
                    Some(after) => format!("It starts again in {} s.", after.as_secs()),
                    None => "It died at once three times and is left alone: see its log.".to_owned(),
                };
                let led = slot.is_peer && self.leader.as_deref() == Some(slot.actor.as_str());
                let role = if led { ", the leader," } else { "" };
                let others = self.others_go_on(slot.is_peer, fleet);
                if led {
                    self.lost = self.leader.take();
                    self.leaderless_since = Some(Instant::now());
                }
                self.say(
                    Style::Bad,
                    &format!("{}{role} {how} (pid {pid}). {others}{next}", slot.name()),
                )
            }
            FleetEvent::Restarted { slot } => {
                let slot = &fleet.slots()[*slot];
                if slot.is_peer {
                    self.lost = self.lost.take().filter(|lost| *lost != slot.actor);
                    self.returning.insert(slot.actor.clone(), u64::MAX);
                }
                let pid = slot.pid().unwrap_or_default();
                self.say(Style::Warn, &format!("{} starts again (pid {pid}).", slot.name()))
            }
            FleetEvent::Failed { slot, why } => self.say(
                Style::Bad,
                &format!("{} cannot start again: {why}", fleet.slots()[*slot].name()),
            ),
        }
    }

    fn others_go_on(&self, is_peer: bool, fleet: &Fleet) -> String {
        if !is_peer {
            return "Events wait in the engine and in its spool. ".to_owned();
        }
        let (mut all, mut running) = (0, 0);
        for slot in fleet.slots().iter().filter(|slot| slot.is_peer) {
            all += 1;
            running += usize::from(slot.pid().is_some());
        }
        if running > all / 2 {
            return format!("{running} of {all} peers go on. ");
        }
        format!("Only {running} of {all} peers run: nothing becomes final until a majority is back. ")
    }

    /// What there is to say about a look at the peers.
    pub fn sight(&mut self, sight: &Sight) -> Vec<String> {
        let mut said = Vec::new();
        self.leadership(sight, &mut said);
        let newest = sight.final_height();
        let mut caught_up = Vec::new();
        for (actor, target) in &mut self.returning {
            let Some(status) = sight.peers.get(actor) else {
                continue;
            };
            if *target == u64::MAX {
                *target = newest;
            }
            if status.final_height >= *target {
                caught_up.push((actor.clone(), status.final_height));
            }
        }
        for (actor, height) in caught_up {
            self.returning.remove(&actor);
            said.push(self.say(
                Style::Good,
                &format!("{actor}'s peer is back and has the whole ledger, up to height {height}."),
            ));
        }
        said
    }

    fn leadership(&mut self, sight: &Sight, said: &mut Vec<String>) {
        // What was asked just before its death may still name the dead one.
        let Some(leader) = sight
            .leader()
            .filter(|leader| self.lost.as_deref() != Some(*leader))
        else {
            self.leaderless_since.get_or_insert_with(Instant::now);
            return;
        };
        let since = self.leaderless_since.take();
        if self.leader.as_deref() == Some(leader) {
            return;
        }
        let after = since.map_or_else(String::new, |since| {
            format!(
                ", {:.1} s after the last leader was lost",
                since.elapsed().as_secs_f32()
            )
        });
        said.push(self.say(Style::Good, &format!("{leader}'s peer leads now{after}.")));
        self.leader = Some(leader.to_owned());
    }

    fn say(&self, style: Style, text: &str) -> String {
        format!("{} {text}", self.terminal.paint(style, "●"))
    }
}
