//! Case number such of a seed: always the same bytes.

use crate::binary::Binary;
use crate::common::crafted::{Contract, holding, with};
use crate::common::{built, component};
use crate::mutation::mutant;
use arbitrary::{Arbitrary, Unstructured};
use fastrand::Rng;
use std::fmt;
use wasm_encoder::{InstanceSection, ModuleArg, RawSection};
use wasm_smith::{Component, Config, Module};

/// Where a case comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The events contract, mutated.
    Events,
    /// The hostile contract, mutated.
    Hostile,
    /// The smallest contract, mutated.
    Smallest,
    /// A generated module within a component.
    Module,
    /// A generated module that is a part of the smallest contract, and is instantiated with it.
    Part,
    /// A generated module that uses what is switched off.
    Foreign,
    /// A generated component.
    Component,
}

impl Origin {
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::Hostile,
        Self::Smallest,
        Self::Module,
        Self::Part,
        Self::Foreign,
        Self::Component,
    ];
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What cases are made from.
pub struct Cases {
    seed: u64,
    events: Binary,
    hostile: Binary,
    smallest: Vec<u8>,
}

impl Cases {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            events: Binary::read(&built("chaincode/eventdb-v2")),
            hostile: Binary::read(component()),
            smallest: Contract::default().component(),
        }
    }

    /// A case's origin and bytes.
    pub fn case(&self, number: u64) -> (Origin, Vec<u8>) {
        let random = &mut Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        match random.u8(..20) {
            0..5 => (Origin::Events, mutant(&self.events, &self.hostile, random)),
            5..9 => (Origin::Hostile, mutant(&self.hostile, &self.events, random)),
            9..11 => {
                let smallest = Binary::read(&self.smallest);
                (Origin::Smallest, mutant(&smallest, &self.hostile, random))
            }
            11..14 => (Origin::Module, in_component(&module(random, own))),
            14..17 => (Origin::Part, self.part(&module(random, own))),
            17..19 => (Origin::Foreign, in_component(&module(random, foreign))),
            _ => (Origin::Component, generated_component(random)),
        }
    }

    fn part(&self, module: &[u8]) -> Vec<u8> {
        let mut instances = InstanceSection::new();
        // The contract's own module is the first.
        instances.instantiate(1, [] as [(&str, ModuleArg); 0]);
        with(&with(&self.smallest, &raw(module)), &instances)
    }
}

fn raw(module: &[u8]) -> RawSection<'_> {
    RawSection { id: 1, data: module }
}

fn in_component(module: &[u8]) -> Vec<u8> {
    with(&holding(&[]), &raw(module))
}

/// Bytes that a generator makes its choices from; most of them few, some very many.
fn choices(random: &mut Rng) -> Vec<u8> {
    let length = 1 << random.u8(6..17);
    let mut bytes = vec![0; random.usize(length / 2..length)];
    random.fill(&mut bytes);
    bytes
}

fn module(random: &mut Rng, configure: fn(&mut Config)) -> Vec<u8> {
    let choices = choices(random);
    let mut choices = Unstructured::new(&choices);
    let mut config = Config::arbitrary(&mut choices).unwrap();
    config.max_funcs = 1 << random.u8(2..10);
    config.max_instructions = 1 << random.u8(4..13);
    configure(&mut config);
    Module::new(config, &mut choices).map_or_else(|_| Vec::new(), |module| module.to_bytes())
}

/// What the engine profile allows, and no import: nothing would fit.
fn own(config: &mut Config) {
    config.max_imports = 0;
    config.max_memories = 1;
    config.max_memory32_bytes = 16 << 16;
    config.max_table_elements = 10_000;
    config.available_imports = None;
    for off in [
        &mut config.custom_page_sizes_enabled,
        &mut config.exceptions_enabled,
        &mut config.gc_enabled,
        &mut config.memory64_enabled,
        &mut config.shared_everything_threads_enabled,
        &mut config.tail_call_enabled,
        &mut config.threads_enabled,
        &mut config.wide_arithmetic_enabled,
    ] {
        *off = false;
    }
}

fn foreign(config: &mut Config) {
    config.max_memories = 3;
    for on in [
        &mut config.exceptions_enabled,
        &mut config.gc_enabled,
        &mut config.memory64_enabled,
        &mut config.tail_call_enabled,
        &mut config.threads_enabled,
    ] {
        *on = true;
    }
}

fn generated_component(random: &mut Rng) -> Vec<u8> {
    let choices = choices(random);
    let mut choices = Unstructured::new(&choices);
    let config = Config::arbitrary(&mut choices).unwrap();
    Component::new(config, &mut choices).map_or_else(|_| Vec::new(), |component| component.to_bytes())
}
