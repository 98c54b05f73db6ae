//! Components made section by section, for what no compiler would write.

use std::path::Path;
use wasm_encoder::{
    CodeSection, Component, ComponentSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, Instruction, MemorySection, MemoryType, Module, ModuleSection, RefType, StartSection,
    TableSection, TableType, TypeSection, ValType,
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
    /// What `invoke` and `query` do before they return.
    pub call: Vec<Instruction<'static>>,
    /// Elements of its table, if it has one.
    pub table: Option<u64>,
    /// What its world is besides, in the language of WIT.
    pub world: &'static str,
    /// Functions that it exports besides: names and parameters. They return what `invoke` returns.
    pub exports: Vec<(&'static str, Vec<ValType>)>,
}

/// Parameters of a context: four pairs and two numbers.
pub fn context_parameters() -> Vec<ValType> {
    use ValType::{I32, I64};
    [[I32; 8].as_slice(), &[I64; 2]].concat()
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
            call: Vec::new(),
            table: None,
            world: "include event2ledger:ledger/contract@1.0.0;",
            exports: Vec::new(),
        }
    }
}

impl Contract {
    pub fn component(&self) -> Vec<u8> {
        let mut module = self.module().finish();
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        resolve.push_dir(wit).unwrap();
        let text = format!("package test:crafted;\nworld crafted {{\n{}\n}}\n", self.world);
        let package = resolve.push_str("crafted.wit", &text).unwrap();
        let world = resolve.select_world(&[package], Some("crafted")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let encoder = ComponentEncoder::default().validate(true).module(&module);
        encoder.unwrap().encode().unwrap()
    }

    fn module(&self) -> Module {
        use ValType::I32;
        // The order is that of the functions.
        let mut exported = vec![
            ("describe", vec![]),
            // A function's name and an argument follow the context.
            ("invoke", [context_parameters().as_slice(), &[I32; 4]].concat()),
            ("query", [context_parameters().as_slice(), &[I32; 4]].concat()),
            ("cabi_realloc", vec![I32; 4]),
        ];
        exported.extend(self.exports.iter().cloned());
        let (mut types, mut functions, mut code) =
            (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for (index, (name, parameters)) in (0..).zip(exported) {
            types.ty().function(parameters, [I32]);
            functions.function(index);
            exports.export(name, ExportKind::Func, index);
            let body = match name {
                "describe" => vec![Instruction::I32Const(self.description)],
                // All arguments go to the same place: nothing reads them.
                "cabi_realloc" => vec![Instruction::I32Const(1024)],
                _ => [self.call.as_slice(), &[Instruction::I32Const(self.result)]].concat(),
            };
            code.function(&function(&[], &body));
        }
        let start = functions.len();
        types.ty().function([], []);
        functions.function(start);
        code.function(&function(&[], &self.start));
        let mut tables = TableSection::new();
        if let Some(elements) = self.table {
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: elements,
                maximum: None,
                shared: false,
            });
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
            .section(&tables)
            .section(&memories)
            .section(&exports);
        module.section(&StartSection {
            function_index: start,
        });
        module.section(&code).section(&data);
        module
    }
}
