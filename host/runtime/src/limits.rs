//! Bounds on components and calls.

/// Bounds on a component, checked before it is compiled: compilation is where a bomb hurts.
#[derive(Debug, Clone)]
pub struct StaticLimits {
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Core modules.
    pub modules: u32,
    /// Instances of core modules: each has memories and tables of its own.
    pub instances: u32,
    /// Functions of all modules.
    pub functions: u32,
    /// Bytes of one function's body.
    pub function_bytes: u32,
    /// Locals of one function, besides its parameters.
    pub locals: u32,
    /// Parameters of one function type.
    pub parameters: u32,
    /// Tables of all modules.
    pub tables: u32,
    /// Elements of one table.
    pub table_elements: u64,
    /// Globals of all modules.
    pub globals: u32,
}

impl Default for StaticLimits {
    fn default() -> Self {
        Self {
            component_bytes: 4 << 20,
            modules: 8,
            instances: 16,
            functions: 20_000,
            function_bytes: 512 << 10,
            locals: 2_000,
            parameters: 64,
            tables: 8,
            table_elements: 100_000,
            globals: 1_000,
        }
    }
}

/// Bounds on one call.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Fuel: about one per instruction, and what host calls cost.
    pub fuel: u64,
    /// Linear memory of the contract, all its memories together, bytes.
    pub memory_bytes: usize,
    /// Bytes the call may return.
    pub output_bytes: usize,
    /// Writes: puts, deletes, appends.
    pub writes: u32,
    /// Bytes of keys and values written.
    pub write_bytes: usize,
}
