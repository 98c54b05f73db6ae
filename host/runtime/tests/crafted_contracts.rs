//! Contracts that were admitted and still lie: about themselves, their results, or what they need to start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::crafted::{Contract, memory, memory_module, with};
use common::{Block, LIMITS, deep, failure, output};
use e2l_runtime::{Admitted, CallLimits, Failure, Outcome, Runtime, RuntimeError, StaticLimits};
use wasm_encoder::{BlockType, InstanceSection, Instruction, ModuleArg, ModuleSection};

fn admit(component: &[u8]) -> Admitted {
    let admitted = Runtime::new().unwrap().admit(component, &StaticLimits::default());
    admitted.unwrap_or_else(|error| panic!("{error}"))
}

/// Both calls of a block end in the same way.
fn fails(contract: &Admitted, expected: Failure, limits: CallLimits) -> String {
    let mut block = Block::new(contract, limits);
    let first = block.invoke("any", "thing");
    assert_eq!(failure(&first), expected, "{first:?}");
    assert_eq!(block.invoke("any", "thing"), first);
    match first {
        Outcome::Failed { detail, .. } => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_plain_one_works() {
    deep(|| {
        let contract = admit(&Contract::default().component());
        assert_eq!(output(Block::new(&contract, LIMITS).invoke("any", "thing")), "");
        assert_eq!(contract.describe().unwrap().name, "");
    });
}

#[test]
fn one_that_never_starts_fails_every_call_and_no_peer() {
    deep(|| {
        let endless = [
            Instruction::Loop(BlockType::Empty),
            Instruction::Br(0),
            Instruction::End,
        ];
        for (start, kind) in [
            (endless.as_slice(), Failure::OutOfFuel),
            (&[Instruction::Unreachable], Failure::Trapped),
            (&[Instruction::Call(4)], Failure::StackOverflow),
        ] {
            let start = start.to_vec();
            let contract = admit(
                &Contract {
                    start,
                    ..Contract::default()
                }
                .component(),
            );
            fails(&contract, kind, LIMITS);
            let error = contract.describe().unwrap_err();
            assert!(matches!(error, RuntimeError::Describe(_)), "{error}");
        }
    });
}

#[test]
fn data_outside_its_memory_fails_every_call_and_no_peer() {
    deep(|| {
        let data = vec![(1 << 20, vec![1])];
        fails(
            &admit(
                &Contract {
                    data,
                    ..Contract::default()
                }
                .component(),
            ),
            Failure::Trapped,
            LIMITS,
        );
    });
}

#[test]
fn memory_at_the_start_counts() {
    deep(|| {
        let pages = |pages| {
            admit(
                &Contract {
                    pages,
                    ..Contract::default()
                }
                .component(),
            )
        };
        let within = CallLimits {
            memory_bytes: 20 << 16,
            ..LIMITS
        };
        assert_eq!(output(Block::new(&pages(20), within).invoke("any", "thing")), "");
        fails(&pages(21), Failure::OutOfMemory, within);
        fails(&pages(65_536), Failure::OutOfMemory, LIMITS);
    });
}

#[test]
fn all_memories_of_a_contract_count_together() {
    deep(|| {
        let contract = Contract {
            pages: 10,
            ..Contract::default()
        }
        .component();
        // The contract's own module is the first; the added one is instantiated twice.
        let mut instances = InstanceSection::new();
        for _ in 0..2 {
            instances.instantiate(1, [] as [(&str, ModuleArg); 0]);
        }
        let more = with(&contract, &ModuleSection(&memory_module(memory(5))));
        let contract = admit(&with(&more, &instances));
        let pages = |pages: usize| CallLimits {
            memory_bytes: pages << 16,
            ..LIMITS
        };
        assert_eq!(
            output(Block::new(&contract, pages(20)).invoke("any", "thing")),
            ""
        );
        fails(&contract, Failure::OutOfMemory, pages(19));
    });
}

#[test]
fn a_result_that_is_none_is_a_failure_of_the_contract() {
    deep(|| {
        let pair = |tag: u32, address: u32, length: u32| {
            [tag, address, length]
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        for (what, bytes) in [
            ("a rejection that is not UTF-8", pair(1, 256, 2)),
            ("bytes outside the memory", pair(0, 65_000, 2_000)),
            ("more bytes than a memory can have", pair(0, 65_000, u32::MAX)),
            ("neither answer nor rejection", pair(7, 0, 0)),
        ] {
            let data = vec![(128, bytes), (256, vec![0xff, 0xfe])];
            let contract = admit(
                &Contract {
                    data,
                    ..Contract::default()
                }
                .component(),
            );
            let detail = fails(&contract, Failure::Trapped, LIMITS);
            assert!(detail.contains("rules of its interface"), "{what}: {detail}");
        }
        // Results must be aligned, and lie in memory.
        for result in [129, 65_535, -4] {
            let contract = admit(
                &Contract {
                    result,
                    ..Contract::default()
                }
                .component(),
            );
            fails(&contract, Failure::Trapped, LIMITS);
        }
    });
}

/// A contract that describes `count` functions, whose names and summaries are the same `length` bytes of memory.
fn describing(count: u32, length: u32) -> Admitted {
    let word = |value: u32| value.to_le_bytes();
    let list = 65_536u32;
    let text = [word(4096), word(length)].concat();
    let function = [text.as_slice(), &[0, 0, 0, 0], &text].concat();
    let description = [[0; 16].as_slice(), &word(list), &word(count)].concat();
    let contract = Contract {
        pages: 3,
        data: vec![(64, description), (list as i32, function.repeat(count as usize))],
        ..Contract::default()
    };
    admit(&contract.component())
}

#[test]
fn a_description_is_bounded_however_often_it_says_the_same() {
    deep(|| {
        let small = describing(20, 1000).describe().unwrap();
        assert_eq!(
            (small.functions.len(), small.functions[19].summary.len()),
            (20, 1000)
        );
        // 240 KB and 240 MB, from less than 200 KB of memory.
        for count in [2, 2_000] {
            let error = describing(count, 60_000).describe().unwrap_err();
            assert!(matches!(error, RuntimeError::Describe(_)), "{error}");
        }
    });
}
