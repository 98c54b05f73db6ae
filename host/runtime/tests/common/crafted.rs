//! Components made section by section, for what no compiler would write.

use std::path::Path;
use wasm_encoder::{
    CodeSection, Component, ComponentSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, Instruction, MemorySection, MemoryType, Module, ModuleSection, StartSection,
    TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component that holds this module and nothing else.
pub fn holding(modules: &[Module]) -> Vec<u8> {
    let mut component = Component::new();
    for module in modules {
        component.section(&ModuleSection(module));
    }
    component.finish()
}

/// A component with one more section.
pub fn with(component: &[u8], section: &impl ComponentSection) -> Vec<u8> {
    let mut component = component.to_vec();
    section.append_to_component(&mut component);
    component
}

pub fn memory(pages: u64) -> MemoryType {
    MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

/// A module with one memory.
pub fn memory_module(memory: MemoryType) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(memory);
    let mut module = Module::new();
    module.section(&memories);
    module
}

/// A module with functions of no parameters that do `body`.
pub fn functions_module(count: usize, locals: &[(u32, ValType)], body: &[Instruction<'_>]) -> Module {
    let (mut types, mut functions, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    for _ in 0..count {
        functions.function(0);
        code.function(&function(locals, body));
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

fn function(locals: &[(u32, ValType)], body: &[Instruction<'_>]) -> Function {
    let mut function = Function::new(locals.to_vec());
    for instruction in body {
        function.instruction(instruction);
    }
    function.instruction(&Instruction::End);
    function
}

/// A contract of the right world with hand-made insides.
pub struct Contract {
    /// Initial memory, pages of 64 KiB.
    pub pages: u64,
    /// Bytes in memory.
    pub data: Vec<(i32, Vec<u8>)>,
    /// Address that `describe` returns.
    pub description: i32,
    /// Address that `invoke` and `query` return.
    pub result: i32,
    /// What runs when it is instantiated.
    pub start: Vec<Instruction<'static>>,
}

impl Default for Contract {
    fn default() -> Self {
        // At 64 an empty description, at 128 an accepted result with no bytes: both are zeros.
        Self {
            pages: 1,
            data: Vec::new(),
            description: 64,
            result: 128,
            start: Vec::new(),
        }
    }
}

impl Contract {
    pub fn component(&self) -> Vec<u8> {
        let mut module = self.module().finish();
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_dir(wit).unwrap();
        let world = resolve.select_world(&[package], Some("contract")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let encoder = ComponentEncoder::default().validate(true).module(&module);
        encoder.unwrap().encode().unwrap()
    }

    fn module(&self) -> Module {
        use ValType::{I32, I64};
        let mut types = TypeSection::new();
        types.ty().function([], [I32]);
        // A context is four pairs and two numbers; a function's name and an argument follow.
        let call = [[I32; 8].as_slice(), &[I64; 2], &[I32; 4]].concat();
        types.ty().function(call, [I32]);
        types.ty().function([I32; 4], [I32]);
        types.ty().function([], []);
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let returning = |address| [Instruction::I32Const(address)];
        for (ty, body) in [
            (0, returning(self.description).as_slice()),
            (1, &returning(self.result)),
            // All arguments go to the same place: nothing reads them.
            (2, &returning(1024)),
            (3, &self.start),
        ] {
            functions.function(ty);
            code.function(&function(&[], body));
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for (name, index) in [("describe", 0), ("invoke", 1), ("query", 1), ("cabi_realloc", 2)] {
            exports.export(name, ExportKind::Func, index);
        }
        let mut memories = MemorySection::new();
        memories.memory(memory(self.pages));
        let mut data = DataSection::new();
        for (address, bytes) in &self.data {
            data.active(0, &ConstExpr::i32_const(*address), bytes.iter().copied());
        }
        let mut module = Module::new();
        module
            .section(&types)
            .section(&functions)
            .section(&memories)
            .section(&exports);
        module.section(&StartSection { function_index: 3 });
        module.section(&code).section(&data);
        module
    }
}
