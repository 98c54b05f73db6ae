//! The hostile contracts again and again, on two hosts in this process, of which one has all processors for itself and the
//! other shares them with busy threads and with other sessions of its engine: every block is the same byte for byte, its
//! outcomes, fuel and state root with it.
//!
//! `E2L_HOSTILE_CALLS` (default 1000) sets how often each is called, `E2L_SEED` their order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "../../runtime/tests/common/crafted.rs"]
#[allow(dead_code)]
mod crafted;
#[path = "determinism/load.rs"]
mod load;
#[path = "../../runtime/tests/common/state.rs"]
#[allow(dead_code)]
mod state;

use common::members::Members;
use common::peer::{Orderer, Peer, Shelf, outcomes};
use common::{call, count, deep, hostile};
use crafted::Contract;
use e2l_execution::{Executor, SignatureCache};
use e2l_ledger::{
    Block, Call, Canonical, ChaincodeDefinition, Digest, Domain, Limits, SignedProposal, ValidationCode,
};
use e2l_runtime::Runtime;
use load::Load;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wasm_encoder::{BlockType, HeapType, Instruction, MemArg};

/// Lower than what networks have, or thousands of loops and memory bombs would take minutes. A recursion must still come
/// to the end of its stack with it.
const FUEL: u64 = 6_000_000;
const MEMORY: u64 = 4 << 20;
/// Calls in a block.
const BLOCK: usize = 200;

/// Each of the hostile calls, with the code that it gets.
fn kinds() -> Vec<(Call, ValidationCode)> {
    vec![
        (hostile("loop", ""), ValidationCode::OutOfFuel),
        (hostile("bomb", ""), ValidationCode::OutOfMemory),
        (hostile("grow", "60000"), ValidationCode::OutOfMemory),
        (hostile("recurse", "10000000"), ValidationCode::StackOverflow),
        (hostile("nan", ""), ValidationCode::Valid),
        (call("tables", "grow", b""), ValidationCode::Valid),
        (call("tables", "grow", b"forever"), ValidationCode::OutOfMemory),
        (hostile("oversized", "65537"), ValidationCode::OutputTooLarge),
        (hostile("oversized", "2000000"), ValidationCode::OutputTooLarge),
        (hostile("panic", ""), ValidationCode::Trapped),
        (count(), ValidationCode::Valid),
    ]
}

/// A contract that grows its table by 1,000 elements and returns how many it had; without end if there is an argument. No
/// compiler of Rust makes such a one.
fn growing_tables() -> Vec<u8> {
    let grow = [
        Instruction::RefNull(HeapType::FUNC),
        Instruction::I32Const(1000),
        Instruction::TableGrow(0),
    ];
    let (before, length) = (
        256,
        MemArg {
            offset: 0,
            align: 2,
            memory_index: 0,
        },
    );
    // The context and the function's name come first.
    let argument_length = 13;
    let mut call = vec![
        Instruction::LocalGet(argument_length),
        Instruction::If(BlockType::Empty),
        Instruction::Loop(BlockType::Empty),
    ];
    call.extend(grow.clone());
    call.extend([
        Instruction::Drop,
        Instruction::Br(0),
        Instruction::End,
        Instruction::End,
    ]);
    call.push(Instruction::I32Const(before));
    call.extend(grow);
    call.push(Instruction::I32Store(length));
    let accepted = [0, before, 4].map(i32::to_le_bytes).concat();
    Contract {
        data: vec![(128, accepted)],
        table: Some(10),
        call,
        ..Contract::default()
    }
    .component()
}

/// The network's members, and what their peers have on the shelf.
fn network(tables: &[u8]) -> Members {
    let mut members = Members::new(Limits {
        fuel_per_call: FUEL,
        contract_memory_bytes: MEMORY,
        ..Limits::default()
    });
    members.genesis.config.chaincodes.push(ChaincodeDefinition {
        name: "tables".into(),
        version: "1.0.0".into(),
        digest: Domain::Chaincode.hash(tables),
    });
    let chaincodes = &mut members.genesis.config.chaincodes;
    chaincodes.sort_by(|one, other| one.name.cmp(&other.name));
    members.genesis.config.check().unwrap();
    members
}

/// A peer with this engine.
fn host(members: &Members, tables: &[u8], runtime: Arc<Runtime>) -> Peer {
    let mut peer = Peer::new(members);
    let mut shelf = Shelf::full();
    shelf.0.insert(Domain::Chaincode.hash(tables), tables.to_vec());
    let signatures = Arc::new(SignatureCache::default());
    peer.executor = Executor::new(&peer.store, runtime, Arc::new(shelf), signatures).unwrap();
    peer
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is not what a peer computes"
)]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// How a call ended.
type End = (ValidationCode, u64, String);

#[derive(Default)]
struct Seen {
    times: u64,
    ends: BTreeSet<(u64, String)>,
}

fn note(seen: &mut [Seen], order: &[usize], block: &Block) {
    let fuels = block.results.iter().map(|result| result.fuel);
    let ends = outcomes(block).into_iter().zip(fuels);
    let ends = ends.map(|((code, output), fuel)| -> End { (code, fuel, output) });
    for (kind, (code, fuel, output)) in order.iter().zip(ends) {
        assert_eq!(code, kinds()[*kind].1, "{:?}: {output}", kinds()[*kind].0);
        seen[*kind].times += 1;
        seen[*kind].ends.insert((fuel, output));
    }
}

#[test]
fn hostile_calls_end_alike_on_an_idle_and_on_a_loaded_host() {
    let (times, seed) = (setting("E2L_HOSTILE_CALLS", 1000), setting("E2L_SEED", 1));
    deep(|| {
        let tables = growing_tables();
        let members = network(&tables);
        let mut orderer = Orderer::new(&members);
        let kinds = kinds();
        let mut order: Vec<usize> = (0..kinds.len())
            .flat_map(|kind| vec![kind; times as usize])
            .collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);

        let mut idle = host(&members, &tables, Arc::new(Runtime::new().unwrap()));
        let mut seen: Vec<Seen> = kinds.iter().map(|_| Seen::default()).collect();
        let mut executed: Vec<(SignedProposal, Vec<u8>, Digest)> = Vec::new();
        for part in order.chunks(BLOCK) {
            let calls = part.iter().map(|kind| kinds[*kind].0.clone()).collect();
            let batch = orderer.batch(calls);
            let proposal = orderer.propose(&idle, vec![batch]);
            let block = idle.apply(&proposal);
            note(&mut seen, part, &block);
            executed.push((proposal, block.encode(), block.header.state_root));
        }

        let runtime = Arc::new(Runtime::new().unwrap());
        let mut loaded = host(&members, &tables, runtime.clone());
        let load = Load::on(&runtime);
        for (proposal, block, state_root) in &executed {
            let again = loaded.apply(proposal);
            assert_eq!(again.header.state_root, *state_root);
            assert!(
                again.encode() == *block,
                "another block at height {}",
                again.header.height
            );
        }
        let beside = load.stop();
        assert!(beside > 0, "no other session ran beside the loaded host");

        let mut fuels = BTreeMap::new();
        for ((call, code), seen) in kinds.iter().zip(&seen) {
            assert_eq!(seen.times, times);
            // What ends a call ends it each time at the same place. What is accepted may depend on the calls before.
            let name = format!("{} {}", call.function, String::from_utf8_lossy(&call.argument));
            assert!(
                *code == ValidationCode::Valid || seen.ends.len() == 1,
                "{name}: {:?}",
                seen.ends
            );
            fuels.insert(name, seen.ends.iter().map(|(fuel, _)| *fuel).max());
        }
        println!(
            "seed {seed}: {} kinds of calls, {times} times each, in {} blocks; {beside} calls of other sessions beside",
            kinds.len(),
            executed.len()
        );
        println!("most fuel: {fuels:?}");
    });
}
