//! Messages that a malicious leader makes up, or sends again.

use super::stage::{HONEST, Stage};
use e2l_client::wire::{AnnounceRequest, StatusReply};
use e2l_consensus::{MessageKind, forge};
use e2l_tests::{PATIENCE, announce};
use std::time::Duration;

/// A pointer for nothing keeps a peer waiting at most so long.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_replayed_messages_change_nothing() {
    let mut stage = Stage::set("majority").await;
    let mut story = stage.liar.beginning.clone();
    for _ in 0..3 {
        let batch = stage.batch(0);
        let payload = stage.liar.continue_story(&mut story, batch);
        stage.liar.propose(payload, None);
    }
    let stands = |all: &[StatusReply; 2]| all.iter().all(|one| one.sealed_height == 3);
    stage.until("all have endorsed", PATIENCE, stands).await;
    let before = stage.outcome().await;
    let newest = stage.header(0, 3).await.0;

    let (me, term) = (stage.liar.raft_id, stage.liar.term());
    for (actor, other_actor) in [(HONEST[0], HONEST[1]), (HONEST[1], HONEST[0])] {
        let (target, other) = (stage.liar.raft_id_of(actor), stage.liar.raft_id_of(other_actor));
        let vote = |term, candidate| forge::vote_request(term, candidate).unwrap();
        let placed = |index, height, header| {
            let voters = stage.liar.voters.clone();
            forge::pointer((term, me), index, voters, (height, header)).unwrap()
        };
        let pointer = |height, header| placed(1000, height, header);
        use MessageKind::{AppendEntries, Snapshot, Vote};
        let cases = [
            // Another's id, and another's candidacy.
            (
                other,
                Vote,
                vote(term + 1, other),
                "the certificate is that of node",
            ),
            (
                target,
                Vote,
                vote(term + 1, target),
                "the certificate is that of node",
            ),
            (me, Vote, vote(term + 1, other), "speaks for node"),
            (
                me,
                AppendEntries,
                forge::heartbeat(term + 1, other).unwrap(),
                "speaks for node",
            ),
            // The end of all terms.
            (me, Vote, vote(u64::MAX, me), "is too far ahead of term"),
            (
                me,
                AppendEntries,
                forge::heartbeat(u64::MAX - 1, me).unwrap(),
                "is too far ahead of term",
            ),
            // Pointers to what nobody has, and to another block than the one that is final.
            (
                me,
                Snapshot,
                pointer(1_000_000, [9; 32]),
                "no peer proves that it is final",
            ),
            (
                me,
                Snapshot,
                pointer(4, [9; 32]),
                "no peer proves that it is final",
            ),
            (me, Snapshot, pointer(2, [9; 32]), "the pointer names"),
            // Pointers to what is final, at places in the log that nobody has reached.
            (
                me,
                Snapshot,
                placed(1000, 3, newest),
                "the others' logs end at entry",
            ),
            (
                me,
                Snapshot,
                placed(u64::MAX, 3, newest),
                "the others' logs end at entry",
            ),
        ];
        for (sender, kind, body, says) in cases {
            let answer = stage.liar.send(actor, sender, kind, body);
            let answer = tokio::time::timeout(ANSWERS_WITHIN, answer).await.unwrap();
            let status = answer.expect_err(says);
            assert!(
                status.message().contains(says),
                "{kind:?}: `{}` does not say `{says}`",
                status.message()
            );
        }
        // Another's votes, as if they were this peer's.
        let votes: AnnounceRequest = stage.liar.heard_from(other_actor).unwrap();
        let refused = announce(&mut stage.liar.stub(actor), votes).await.unwrap_err();
        assert!(
            refused.message().contains("not by a voting peer of developer"),
            "{refused}"
        );
        // Everything once more, in order and the other way round: whatever is answered, nothing comes of it.
        let sent = stage.liar.sent_to(actor);
        assert!(sent.len() > 3);
        for (kind, body) in sent.iter().chain(sent.iter().rev()) {
            let _ = stage.liar.send(actor, me, *kind, body.clone()).await;
        }
    }
    assert_eq!(stage.outcome().await, before);
    stage.nobody_is_convicted();
    stage.the_honest_live();
    stage.the_honest_go_on(0).await;
}
