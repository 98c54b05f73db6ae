//! A peer whose result is not that of the others: here the others agree on a wrong one, which looks the same to it.

use super::malicious_peer::ACTOR;
use super::stage::{HONEST, Stage};
use e2l_client::wire::GetBlockReply;
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{
    Block, Canonical, Digest, Endorsement, Envelope, Header, Limits, PackedProposal, Role, SignedProposal,
    SignedVote, Signer, TransactionResult, ValidationCode, Vote,
};
use e2l_tests::{PATIENCE, eventually};

/// The block of a proposal as nobody computes it: its transactions are rejected.
fn rejecting(stage: &Stage, proposal: SignedProposal, genesis: &Header) -> Block {
    let Envelope::Batch(batch) = &*proposal.envelopes[0] else {
        panic!("a batch");
    };
    let results: Vec<TransactionResult> = (0..batch.header.count)
        .map(|index| TransactionResult {
            id: batch.header.transaction_id(index),
            code: ValidationCode::ContractRejected,
            fuel: 1,
            output: b"no".to_vec(),
        })
        .collect();
    let header = Header {
        network: stage.members.digest(),
        height: 1,
        previous: genesis.digest(),
        proposal: proposal.header.digest(),
        data_root: proposal.header.envelopes_root,
        envelopes: proposal.header.envelopes,
        results_root: TransactionResult::root(&results),
        transactions: batch.header.count,
        state_root: Digest([7; 32]),
        config_root: genesis.config_root,
        next_config_root: genesis.config_root,
        time_nano: proposal.header.time_nano,
    };
    Block {
        header,
        proposal,
        results,
    }
}

async fn victim_executes(stage: &Stage, height: u64) {
    eventually("the victim has executed it", PATIENCE, || async {
        let status = stage.status(1).await;
        anyhow::ensure!(status.applied_height == height, "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outvoted_peer_names_the_first_transaction_and_endorses_nothing_more() {
    let mut stage = Stage::set("majority").await;
    let (absent, victim) = (HONEST[0], HONEST[1]);
    stage.network.stop_peer(absent);
    stage.liar.sign_no_votes();
    let mut story = stage.liar.beginning.clone();
    let batch = stage.batch(0);
    let payload = stage.liar.continue_story(&mut story, batch);
    stage.liar.propose(payload.clone(), None);
    victim_executes(&stage, 1).await;

    let genesis = stage.genesis_header();
    let block = rejecting(
        &stage,
        PackedProposal::inspect(&payload, &Limits::default(), |_| None)
            .unwrap()
            .proposal,
        &genesis,
    );
    let tx_id = block.results[0].id;
    let header = block.header.clone();
    let signers = [ACTOR, absent].map(|actor| stage.members.identity(actor, Role::Peer, "peer").unwrap());
    let endorsements: Vec<SignedVote> = signers
        .iter()
        .map(|signer| {
            let vote = Vote::Endorsement(Endorsement {
                network: header.network,
                height: 1,
                header: header.digest(),
            });
            SignedVote::sign(vote, &**signer)
        })
        .collect();
    let finality = FinalHeaderProof {
        header,
        descendants: Vec::new(),
        endorsements: endorsements.clone(),
        certificates: signers
            .iter()
            .map(|one| one.certificate().der().to_vec())
            .collect(),
    };
    stage.liar.show_blocks(vec![GetBlockReply {
        block: block.encode().into(),
        finality: finality.encode().into(),
        ..GetBlockReply::default()
    }]);
    stage.liar.announce(victim, &signers[0], &endorsements[0]).await;
    stage.liar.announce(victim, &signers[1], &endorsements[1]).await;

    let expected = format!("the first transaction that differs is {tx_id} at index 0: here VALID");
    eventually("the victim says what differs", PATIENCE, || async {
        let alarms = stage.status(1).await.alarms;
        anyhow::ensure!(alarms.iter().any(|alarm| alarm.contains(&expected)), "{alarms:?}");
        Ok(())
    })
    .await
    .unwrap();

    let batch = stage.batch(0);
    let payload = stage.liar.continue_story(&mut story, batch);
    stage.liar.propose(payload, None);
    victim_executes(&stage, 2).await;
    let heard = eventually("the victim acknowledges the next", PATIENCE, || async {
        let heard = stage
            .liar
            .heard_from(victim)
            .ok_or_else(|| anyhow::anyhow!("nothing"))?;
        let votes: Vec<Vote> = heard
            .votes
            .iter()
            .map(|vote| SignedVote::decode(vote).unwrap().vote)
            .collect();
        let newest = votes
            .iter()
            .any(|vote| matches!(vote, Vote::Acknowledgement(_)) && vote.height() == 2);
        anyhow::ensure!(newest, "{votes:?}");
        Ok(votes)
    })
    .await
    .unwrap();
    let endorses = |vote: &Vote| matches!(vote, Vote::Endorsement(_)) && vote.height() > 1;
    assert!(!heard.iter().any(endorses), "{heard:?}");
    assert_eq!(stage.status(1).await.final_height, 0);
}
