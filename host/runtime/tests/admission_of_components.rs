//! What is not a contract is refused before it runs, and the reason names what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::crafted::{Contract, context_parameters, functions_module, holding, memory, memory_module, with};
use common::{Block, LIMITS, component, deep, output};
use e2l_runtime::{AdmissionError, Admitted, Runtime, StaticLimits, check_contract};
use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentBuilder, ComponentExportKind, ComponentTypeRef, ConstExpr,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, InstanceSection,
    InstanceType, Instruction, MemoryType, Module, ModuleSection, NestedComponentSection, RefType,
    TableSection, TableType, TypeSection, ValType,
};

/// What is said before compiling, and when it is compiled, is the same.
fn admitted(bytes: &[u8], limits: &StaticLimits) -> Result<Admitted, AdmissionError> {
    let admitted = Runtime::new().unwrap().admit(bytes, limits);
    let checked = check_contract(bytes, limits);
    match (&checked, &admitted) {
        (Err(AdmissionError::World(_)), Err(AdmissionError::World(_))) | (Ok(()), Ok(_)) => {}
        (Err(checked), Err(admitted)) => assert_eq!(checked.to_string(), admitted.to_string()),
        _ => panic!("{checked:?}, and {:?}", admitted.map(|_| ())),
    }
    admitted
}

fn admit(bytes: &[u8], limits: &StaticLimits) -> Result<(), AdmissionError> {
    admitted(bytes, limits).map(|_| ())
}

fn refused(bytes: &[u8]) -> AdmissionError {
    admit(bytes, &StaticLimits::default()).unwrap_err()
}

/// A component that imports an instance with one function.
fn importing(interface: &str, function: &str) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let mut instance = InstanceType::new();
    instance
        .ty()
        .function()
        .params([] as [(&str, ValTypeless); 0])
        .result(None);
    instance.export(function, ComponentTypeRef::Func(0));
    let ty = component.type_instance(None, &instance);
    component.import(interface, ComponentTypeRef::Instance(ty));
    component.finish()
}
type ValTypeless = wasm_encoder::PrimitiveValType;

#[test]
fn a_foreign_import_is_named() {
    for interface in [
        "wasi:cli/environment@0.2.3",
        "wasi:clocks/wall-clock@0.2.3",
        "acme:secrets/keys",
        "event2ledger:ledger/files@1.0.0",
        // The right name in a version that is not this one.
        "event2ledger:ledger/state@1.1.0",
        "event2ledger:ledger/state",
    ] {
        let error = refused(&importing(interface, "read"));
        assert!(
            matches!(&error, AdmissionError::ForeignImport(name) if name == interface),
            "{error}"
        );
        assert!(error.to_string().contains(interface), "{error}");
    }
    // A function of the component's own, not of an interface.
    let mut component = ComponentBuilder::default();
    let (ty, mut function) = component.type_function(None);
    function.params([] as [(&str, ValTypeless); 0]).result(None);
    component.import("backdoor", ComponentTypeRef::Func(ty));
    let error = refused(&component.finish());
    assert!(
        matches!(&error, AdmissionError::ForeignImport(name) if name == "backdoor"),
        "{error}"
    );
}

#[test]
fn a_function_that_an_allowed_interface_does_not_have_is_refused() {
    let error = refused(&importing("event2ledger:ledger/state@1.0.0", "steal"));
    assert!(
        matches!(&error, AdmissionError::World(why) if why.contains("steal")),
        "{error}"
    );
    // One that it has, of another type.
    let error = refused(&importing("event2ledger:ledger/state@1.0.0", "get"));
    assert!(
        matches!(&error, AdmissionError::World(why) if why.contains("get")),
        "{error}"
    );
}

#[test]
fn what_is_not_a_component_is_refused() {
    let error = refused(&functions_module(1, &[], &[]).finish());
    assert!(
        matches!(&error, AdmissionError::NotAComponent(why) if why == "it is a core module"),
        "{error}"
    );
    assert!(error.to_string().contains("e2l chaincode build"), "{error}");
    for bytes in [b"".as_slice(), b"\0asm", b"this is no WebAssembly", &[0xff; 4096]] {
        let error = refused(bytes);
        assert!(
            matches!(error, AdmissionError::NotAComponent(_)),
            "{bytes:?}: {error}"
        );
    }
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = component();
    for part in 1..40 {
        let cut = &whole[..whole.len() * part / 40];
        let error = refused(cut);
        assert!(
            matches!(
                error,
                AdmissionError::NotAComponent(_) | AdmissionError::Invalid(_)
            ),
            "{part} of 40: {error}"
        );
    }
}

#[test]
fn damage_anywhere_is_refused_or_harmless() {
    // Where a byte is only data the component stays a contract; what matters is that nothing crashes.
    let mut refusals = 0;
    for part in 0..24 {
        let mut damaged = component().to_vec();
        let place = damaged.len() * part / 24;
        damaged[place] ^= 0x55;
        refusals += usize::from(admit(&damaged, &StaticLimits::default()).is_err());
    }
    assert!(refusals > 5, "{refusals}");
}

/// A component that exports functions of these names without parameters or result.
fn exporting(names: &[&str]) -> Vec<u8> {
    let (mut types, mut functions, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    functions.function(0);
    let mut body = Function::new([]);
    body.instruction(&Instruction::End);
    code.function(&body);
    let mut exports = ExportSection::new();
    exports.export("f", ExportKind::Func, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&exports)
        .section(&code);

    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, &module);
    let instance = component.core_instantiate(None, module, []);
    let core = component.core_alias_export(None, instance, "f", ExportKind::Func);
    let (ty, mut encoder) = component.type_function(None);
    encoder.params([] as [(&str, ValTypeless); 0]).result(None);
    for name in names {
        let function = component.lift_func(None, core, ty, []);
        component.export(*name, ComponentExportKind::Func, function, None);
    }
    component.finish()
}

#[test]
fn another_world_is_refused() {
    let world = |bytes: &[u8]| match refused(bytes) {
        AdmissionError::World(why) => why,
        other => panic!("{other}"),
    };
    let why = world(&exporting(&[]));
    assert!(why.contains("no export `describe` found"), "{why}");
    // The right names and the wrong types.
    let why = world(&exporting(&["describe", "invoke", "query"]));
    assert!(why.contains("type-checking export func `describe`"), "{why}");
}

fn module_with(section: &impl wasm_encoder::Section) -> Module {
    let mut module = Module::new();
    module.section(section);
    module
}

fn tables(count: usize, elements: u64) -> TableSection {
    let mut tables = TableSection::new();
    for _ in 0..count {
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: elements,
            maximum: None,
            shared: false,
        });
    }
    tables
}

fn globals(count: usize) -> GlobalSection {
    let mut globals = GlobalSection::new();
    for _ in 0..count {
        let ty = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &ConstExpr::i32_const(0));
    }
    globals
}

fn parameters(count: usize) -> TypeSection {
    let mut types = TypeSection::new();
    types.ty().function(vec![ValType::I32; count], []);
    types
}

fn instances(count: usize) -> Vec<u8> {
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(0, [] as [(&str, wasm_encoder::ModuleArg); 0]);
    }
    with(&holding(&[Module::new()]), &instances)
}

#[test]
fn every_static_limit_holds_at_its_edge() {
    let tight = || StaticLimits {
        modules: 2,
        instances: 3,
        functions: 10,
        function_bytes: 100,
        locals: 20,
        parameters: 5,
        tables: 2,
        table_elements: 50,
        globals: 7,
        ..StaticLimits::default()
    };
    let nops = |count| functions_module(1, &[], &vec![Instruction::Nop; count]);
    let empty = |count| holding(&vec![Module::new(); count]);
    let split = [functions_module(5, &[], &[]), functions_module(6, &[], &[])];
    let locals = |count: u32| functions_module(1, &[(count - 3, ValType::I32), (3, ValType::F64)], &[]);
    for (what, limit, within, over) in [
        ("modules", 2, empty(2), empty(3)),
        ("instances", 3, instances(3), instances(4)),
        (
            "functions",
            10,
            holding(&[functions_module(10, &[], &[])]),
            holding(&split),
        ),
        // Besides the instructions: the number of groups of locals, and the end.
        (
            "bytes of one function",
            100,
            holding(&[nops(98)]),
            holding(&[nops(99)]),
        ),
        (
            "locals of one function",
            20,
            holding(&[locals(20)]),
            holding(&[locals(21)]),
        ),
        (
            "parameters of a function",
            5,
            holding(&[module_with(&parameters(5))]),
            holding(&[module_with(&parameters(6))]),
        ),
        (
            "tables",
            2,
            holding(&[module_with(&tables(2, 1))]),
            holding(&[module_with(&tables(1, 1)), module_with(&tables(2, 1))]),
        ),
        (
            "elements of a table",
            50,
            holding(&[module_with(&tables(1, 50))]),
            holding(&[module_with(&tables(1, 51))]),
        ),
        (
            "globals",
            7,
            holding(&[module_with(&globals(7))]),
            holding(&[module_with(&globals(8))]),
        ),
    ] {
        // Within the limit the next check speaks: it is no contract.
        let error = admit(&within, &tight()).unwrap_err();
        assert!(matches!(error, AdmissionError::World(_)), "{what}: {error}");
        match admit(&over, &tight()).unwrap_err() {
            AdmissionError::Limit {
                what: found,
                limit: named,
                ..
            } => assert_eq!((found, named), (what, limit)),
            other => panic!("{what}: {other}"),
        }
    }
}

#[test]
fn a_component_that_is_too_large_is_not_even_read() {
    let found = component().len() as u64;
    let limits = |component_bytes| StaticLimits {
        component_bytes,
        ..StaticLimits::default()
    };
    admit(component(), &limits(found)).unwrap();
    let error = admit(component(), &limits(found - 1)).unwrap_err();
    assert!(
        matches!(error, AdmissionError::Size { found: size, .. } if size == found),
        "{error}"
    );
    let error = admit(&[0; 100], &limits(99)).unwrap_err();
    assert!(matches!(error, AdmissionError::Size { .. }), "{error}");
}

#[test]
fn components_that_multiply_are_refused() {
    // Eight levels of ten instances each would be a hundred million to compile.
    let mut inner = Component::new();
    for _ in 0..7 {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&inner));
        let mut instances = wasm_encoder::ComponentInstanceSection::new();
        for _ in 0..10 {
            instances.instantiate(0, [] as [(&str, ComponentExportKind, u32); 0]);
        }
        outer.section(&instances);
        inner = outer;
    }
    let error = refused(&inner.finish());
    assert!(
        matches!(
            error,
            AdmissionError::Limit {
                what: "nested components",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_differs_between_machines_or_is_switched_off_is_invalid() {
    let memory64 = MemoryType {
        memory64: true,
        ..memory(1)
    };
    let shared = MemoryType {
        shared: true,
        maximum: Some(1),
        ..memory(1)
    };
    let mut two = wasm_encoder::MemorySection::new();
    two.memory(memory(1)).memory(memory(1));
    let exception = [
        Instruction::TryTable(BlockType::Empty, Vec::new().into()),
        Instruction::End,
    ];
    for (what, module) in [
        ("memory64", memory_module(memory64)),
        ("threads", memory_module(shared)),
        ("several memories", module_with(&two)),
        (
            "tail calls",
            functions_module(1, &[], &[Instruction::ReturnCall(0)]),
        ),
        ("atomics", functions_module(1, &[], &[Instruction::AtomicFence])),
        ("exceptions", functions_module(1, &[], &exception)),
        (
            "types that need a garbage collector",
            functions_module(1, &[(1, ValType::EXTERNREF)], &[]),
        ),
    ] {
        let error = refused(&holding(&[module]));
        assert!(matches!(error, AdmissionError::Invalid(_)), "{what}: {error}");
    }
    // A body that does not type-check.
    let error = refused(&holding(&[functions_module(1, &[], &[Instruction::I32Add])]));
    assert!(matches!(error, AdmissionError::Invalid(_)), "{error}");
}

#[test]
fn real_contracts_are_admitted() {
    deep(|| {
        admit(component(), &StaticLimits::default()).unwrap();
        admit(&Contract::default().component(), &StaticLimits::default()).unwrap();
        // One more module in it is of no consequence.
        let spare = with(&Contract::default().component(), &ModuleSection(&Module::new()));
        admit(&spare, &StaticLimits::default()).unwrap();
    });
}

#[test]
fn a_migration_is_admitted_if_it_is_one() {
    use ValType::I32;
    let contract = |world, name, parameters| {
        let contract = Contract {
            world,
            exports: vec![(name, parameters)],
            ..Contract::default()
        };
        admitted(&contract.component(), &StaticLimits::default())
    };
    let migrate = [context_parameters().as_slice(), &[I32; 2]].concat();
    deep(|| {
        let world = "include event2ledger:ledger/migrating-contract@1.0.0;";
        let migrating = contract(world, "migrate", migrate.clone()).unwrap();
        assert!(migrating.migrates());
        assert_eq!(output(Block::new(&migrating, LIMITS).migrate("1.0.0")), "");
        assert_eq!(output(Block::new(&migrating, LIMITS).invoke("any", "thing")), "");

        for (world, name, parameters) in [
            (
                "include event2ledger:ledger/contract@1.0.0;
                 export migrate: func(%from: string) -> string;",
                "migrate",
                vec![I32; 2],
            ),
            (
                "include event2ledger:ledger/contract@1.0.0;
                 use event2ledger:ledger/types@1.0.0.{call-context as caller};
                 export migrate: func(context: caller, %from: string) -> result<list<u8>, string>;",
                "migrate",
                migrate.clone(),
            ),
            (
                "include event2ledger:ledger/contract@1.0.0;
                 use event2ledger:ledger/types@1.0.0.{call-context as caller, rejection as refusal};
                 export migrate: func(context: caller, %from: list<u8>) -> result<list<u8>, refusal>;",
                "migrate",
                migrate.clone(),
            ),
        ] {
            match contract(world, name, parameters).map(|_| ()) {
                Err(AdmissionError::World(why)) => assert!(why.contains("`migrate`"), "{why}"),
                other => panic!("{world}: {other:?}"),
            }
        }

        // What else a contract exports is of no consequence.
        let world = "include event2ledger:ledger/contract@1.0.0;
             export migrate-all: func(%from: string) -> string;";
        let other = contract(world, "migrate-all", vec![I32; 2]).unwrap();
        assert!(!other.migrates() && !other.prepares());
    });
}

#[test]
fn a_preparation_is_admitted_if_it_is_one() {
    use ValType::I32;
    let contract = |world, parameters| {
        let contract = Contract {
            world,
            exports: vec![("prepare", parameters)],
            ..Contract::default()
        };
        admitted(&contract.component(), &StaticLimits::default())
    };
    let prepare = [context_parameters().as_slice(), &[I32; 2]].concat();
    deep(|| {
        let world = "include event2ledger:ledger/preparing-contract@1.0.0;";
        let preparing = contract(world, prepare.clone()).unwrap();
        assert!(preparing.prepares() && !preparing.migrates());
        let (outcome, _) = Block::new(&preparing, LIMITS).prepare("1.0.0", "2.0.0/");
        assert_eq!(output(outcome), "");
        let world = "include event2ledger:ledger/contract@1.0.0;
             use event2ledger:ledger/types@1.0.0.{call-context as caller, rejection as refusal};
             export prepare: func(context: caller, %from: string) -> result<list<u8>, refusal>;";
        match contract(world, prepare).map(|_| ()) {
            Err(AdmissionError::World(why)) => assert!(why.contains("`prepare`"), "{why}"),
            other => panic!("{other:?}"),
        }
    });
}
