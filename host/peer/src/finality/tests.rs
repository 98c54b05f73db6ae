//! Who is waited for, what stops finality, and what is remembered.

use super::*;
use e2l_ledger::{Acknowledgement, Endorsement, Policy};

fn proposal(height: u64) -> Digest {
    Digest([height as u8; 32])
}

fn header(height: u64) -> Digest {
    Digest([100 + height as u8; 32])
}

fn acknowledged(height: u64, proposal: Digest) -> Vote {
    Vote::Acknowledgement(Acknowledgement {
        network: Digest::ZERO,
        height,
        proposal,
    })
}

fn endorsed(height: u64, header: Digest) -> Vote {
    Vote::Endorsement(Endorsement {
        network: Digest::ZERO,
        height,
        header,
    })
}

/// `me` of three, with links to both others, who have acknowledged the genesis.
fn three(policy: Policy) -> Finality {
    let voters = ["me", "one", "two"].map(str::to_owned);
    let mut finality = Finality::new(Era::new(0, policy, voters.into_iter()), "me", 0);
    finality.executed(0, proposal(0), header(0));
    finality.endorsed(0);
    for actor in ["one", "two"] {
        finality.linked(actor, true);
    }
    finality.advance(Instant::now());
    finality
}

fn execute(finality: &mut Finality, heights: std::ops::RangeInclusive<u64>) {
    for height in heights {
        finality.executed(height, proposal(height), header(height));
        finality.endorsed(height);
    }
}

#[test]
fn a_majority_of_endorsements_and_everybodys_acknowledgement_make_a_height_final() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=2);
    assert_eq!(finality.advance(now), 0, "nobody else has spoken");
    finality.voted("one", &endorsed(1, header(1)), None);
    assert_eq!(
        finality.advance(now),
        0,
        "the third has a link and has not acknowledged"
    );
    finality.voted("two", &acknowledged(2, proposal(2)), None);
    assert_eq!(finality.advance(now), 1);
    assert_eq!(finality.endorsed_by(1), ["me", "one"]);
    // An endorsement covers all below.
    finality.voted("two", &endorsed(2, header(2)), None);
    finality.voted("one", &acknowledged(2, proposal(2)), None);
    assert_eq!(finality.advance(now), 2);
    assert_eq!(finality.sealed_height(), 1);
    finality.voted("one", &endorsed(2, header(2)), None);
    finality.advance(now);
    assert_eq!(finality.sealed_height(), 2);
}

#[test]
fn votes_that_come_before_the_own_result_count_after_it() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    for actor in ["one", "two"] {
        finality.voted(actor, &endorsed(1, header(1)), None);
    }
    assert_eq!(finality.advance(now), 0, "this peer has not executed it");
    execute(&mut finality, 1..=1);
    assert_eq!(finality.advance(now), 1);
}

#[test]
fn who_has_no_link_is_not_waited_for() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=1);
    finality.voted("one", &endorsed(1, header(1)), None);
    finality.linked("two", false);
    assert_eq!(finality.advance(now), 1);
}

#[test]
fn who_is_silent_is_waited_for_a_second_and_then_not_before_it_has_caught_up() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=1);
    finality.voted("one", &endorsed(1, header(1)), None);
    assert_eq!(finality.advance(now), 0);
    assert_eq!(finality.advance(now + SUSPECT_AFTER / 2), 0);
    assert_eq!(finality.advance(now + SUSPECT_AFTER), 1);
    // The next height does not wait for it again.
    execute(&mut finality, 2..=2);
    finality.voted("one", &endorsed(2, header(2)), None);
    assert_eq!(finality.advance(now + SUSPECT_AFTER), 2);
    // It has caught up: it is waited for again.
    finality.voted("two", &acknowledged(2, proposal(2)), None);
    finality.advance(now + SUSPECT_AFTER);
    execute(&mut finality, 3..=3);
    finality.voted("one", &endorsed(3, header(3)), None);
    assert_eq!(finality.advance(now + SUSPECT_AFTER), 2);
}

#[test]
fn two_stories_about_what_was_ordered_stop_finality() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=1);
    finality.voted("one", &endorsed(1, header(1)), None);
    finality.voted("two", &acknowledged(1, proposal(9)), None);
    assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 0);
    assert_eq!(finality.advance(now + 4 * SUSPECT_AFTER), 0);
    let found = &finality.divergences()[0];
    assert_eq!(
        (found.actor.as_str(), found.height, found.what),
        ("two", 1, Disputed::Proposal)
    );
}

#[test]
fn one_other_result_does_not_stop_finality_and_a_majority_of_them_does() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=1);
    finality.voted("two", &acknowledged(1, proposal(1)), None);
    finality.voted("two", &endorsed(1, header(9)), None);
    finality.voted("one", &endorsed(1, header(1)), None);
    assert_eq!(finality.advance(now), 1);
    assert_eq!(
        finality.endorsed_by(1),
        ["me", "one"],
        "the other result is no endorsement"
    );
    assert_eq!(finality.outvoted(), None);

    execute(&mut finality, 2..=2);
    for actor in ["one", "two"] {
        finality.voted(actor, &acknowledged(2, proposal(2)), None);
        finality.voted(actor, &endorsed(2, header(9)), None);
    }
    assert_eq!(
        finality.advance(now),
        1,
        "this peer's own result is the wrong one"
    );
    assert_eq!(finality.outvoted(), Some(2));
}

#[test]
fn the_policy_of_all_waits_for_all() {
    let (mut finality, now) = (three(Policy::All), Instant::now());
    execute(&mut finality, 1..=1);
    finality.voted("one", &endorsed(1, header(1)), None);
    finality.linked("two", false);
    assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 0);
    finality.voted("two", &endorsed(1, header(1)), None);
    assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 1);
}

#[test]
fn a_liar_fills_no_memory() {
    let mut finality = three(Policy::Majority);
    execute(&mut finality, 1..=1);
    for lie in 0..200 {
        finality.voted("two", &endorsed(1, Digest([lie; 32])), None);
    }
    assert_eq!(finality.divergences().len(), DIVERGENCES);
    assert_eq!(finality.divergences()[0].other, Digest([192; 32]), "the newest");
    assert_eq!(finality.news().len(), DIVERGENCES);
    assert_eq!(finality.news(), [], "nobody is told twice");
    for height in 0..5000 {
        finality.voted("one", &endorsed(1000 + height, Digest::ZERO), None);
    }
    assert!(finality.witnesses["one"].endorsed_ahead.len() <= AHEAD);
}

#[test]
fn past_divergences_hide_no_dispute_and_no_later_one() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=20);
    for height in 1..=12 {
        finality.voted("two", &endorsed(height, header(99)), None);
    }
    assert!(
        finality.divergences().iter().any(|found| found.height == 12),
        "later ones are seen"
    );
    finality.voted("one", &endorsed(13, header(13)), None);
    finality.voted("two", &acknowledged(13, proposal(13)), None);
    assert_eq!(finality.advance(now), 13, "one other result stops nothing");
    finality.voted("two", &acknowledged(14, proposal(99)), None);
    finality.voted("one", &endorsed(14, header(14)), None);
    assert_eq!(finality.advance(now), 13, "another proposal does");
}

#[test]
fn what_this_peer_has_only_executed_is_no_endorsement_of_its_own() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    finality.executed(1, proposal(1), header(1));
    finality.voted("one", &endorsed(1, header(1)), None);
    finality.voted("two", &acknowledged(1, proposal(1)), None);
    assert_eq!(finality.advance(now), 0, "one of three is no majority");
    assert_eq!(finality.endorsed_by(1), ["one"]);
    finality.endorsed(1);
    assert_eq!(finality.advance(now), 1);
    assert_eq!(finality.endorsed_by(1), ["me", "one"]);
}

#[test]
fn votes_about_what_is_forgotten_are_compared_too() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    let last = AHEAD as u64 + 200;
    execute_far(&mut finality, last);
    for actor in ["one", "two"] {
        finality.voted(actor, &endorsed(last, far(last)), None);
    }
    assert_eq!(finality.advance(now), last);
    assert!(finality.has_forgotten(3) && !finality.has_forgotten(last + 1));
    let own = Own {
        proposal: far(3),
        header: far(3),
    };
    finality.voted("two", &acknowledged(3, far(3)), Some(own));
    assert_eq!(finality.disputes().count(), 0);
    finality.voted("two", &acknowledged(3, far(4)), Some(own));
    assert_eq!(finality.disputes().next().unwrap().height, 3);
    assert!(finality.has_forgotten(3), "it is not remembered again");
}

fn far(height: u64) -> Digest {
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&height.to_be_bytes());
    Digest(digest)
}

fn execute_far(finality: &mut Finality, last: u64) {
    for height in 1..=last {
        finality.executed(height, far(height), far(height));
        finality.endorsed(height);
    }
}

#[test]
fn a_header_of_another_proposal_is_another_chain() {
    let mut finality = three(Policy::Majority);
    execute(&mut finality, 1..=1);
    let own = Own {
        proposal: proposal(1),
        header: header(1),
    };
    finality.stands_on("two", 1, proposal(1), &own);
    assert_eq!(finality.disputes().count(), 0);
    finality.stands_on("two", 1, proposal(2), &own);
    assert_eq!(finality.disputes().count(), 1);
    finality.stands_on("nobody", 1, proposal(2), &own);
    assert_eq!(finality.disputes().count(), 1);
}

#[test]
fn an_accepted_dispute_stops_nothing_until_the_actor_is_back_and_diverges_anew() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    execute(&mut finality, 1..=3);
    finality.linked("two", false);
    finality.voted("two", &acknowledged(2, proposal(9)), None);
    finality.voted("one", &endorsed(2, header(2)), None);
    assert_eq!(finality.advance(now), 0);
    finality.accept("two", 2);
    assert_eq!(finality.advance(now), 2);
    finality.voted("two", &acknowledged(3, proposal(9)), None);
    finality.voted("one", &endorsed(3, header(3)), None);
    assert_eq!(finality.advance(now), 3, "it is still on its other chain");
    // It has restored its ledger, and is watched again.
    execute(&mut finality, 4..=5);
    finality.voted("two", &acknowledged(4, proposal(4)), None);
    assert_eq!(finality.accepted().count(), 0);
    finality.voted("one", &endorsed(5, header(5)), None);
    finality.voted("two", &acknowledged(5, proposal(9)), None);
    assert_eq!(finality.advance(now + 2 * SUSPECT_AFTER), 3);
}

/// Voters from a height on.
fn era(from: u64, policy: Policy, voters: &[&str]) -> Era {
    Era::new(from, policy, voters.iter().map(|actor| (*actor).to_owned()))
}

#[test]
fn each_height_is_decided_by_those_who_vote_about_it() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    finality.begin(era(3, Policy::Majority, &["four", "me", "one", "two"]));
    finality.linked("four", true);
    execute(&mut finality, 1..=4);
    for actor in ["one", "two", "four"] {
        finality.voted(actor, &acknowledged(4, proposal(4)), None);
    }
    finality.voted("one", &endorsed(4, header(4)), None);
    assert_eq!(finality.advance(now), 2, "two of three, and two of four");
    assert_eq!((finality.voters(2), finality.voters(3)), (3, 4));
    finality.voted("four", &endorsed(3, header(3)), None);
    assert_eq!(finality.advance(now), 3);
    assert_eq!(finality.endorsed_by(2), ["me", "one"], "four had no say");
    assert_eq!(finality.endorsed_by(3), ["four", "me", "one"]);
    finality.voted("two", &endorsed(4, header(4)), None);
    assert_eq!(finality.advance(now), 4);
    assert!(finality.is_sealed(3) && !finality.is_sealed(4));
    assert_eq!(finality.sealed_height(), 3);
}

#[test]
fn who_has_left_is_not_waited_for_and_does_not_count() {
    let (mut finality, now) = (three(Policy::All), Instant::now());
    finality.begin(era(2, Policy::All, &["me", "one"]));
    execute(&mut finality, 1..=3);
    finality.voted("one", &endorsed(3, header(3)), None);
    assert_eq!(finality.advance(now), 0, "two votes about height 1");
    finality.voted("two", &endorsed(2, header(2)), None);
    assert_eq!(finality.advance(now), 0, "it has no vote about height 2");
    finality.voted("two", &endorsed(1, header(1)), None);
    assert_eq!(finality.advance(now), 3);
    assert!(finality.is_sealed(1) && finality.is_sealed(3));
    assert_eq!(finality.endorsed_by(3), ["me", "one"]);
}

#[test]
fn heights_that_one_has_missed_who_left_are_never_sealed() {
    let (mut finality, now) = (three(Policy::Majority), Instant::now());
    finality.begin(era(3, Policy::Majority, &["me", "one"]));
    execute(&mut finality, 1..=4);
    finality.voted("two", &endorsed(1, header(1)), None);
    finality.voted("one", &endorsed(4, header(4)), None);
    // It does not acknowledge height 2 either: it is waited for once, and then no more.
    assert_eq!((finality.advance(now), finality.advance(now)), (1, 1));
    assert_eq!(finality.advance(now + SUSPECT_AFTER), 4);
    assert_eq!(finality.sealed_height(), 4);
    assert!(finality.is_sealed(1) && !finality.is_sealed(2) && finality.is_sealed(3));
}
