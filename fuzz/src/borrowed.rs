//! Decoders of programs, without the programs: their modules, as they are. Linking the programs would build TLS and gRPC
//! here, to fuzz a few hundred lines.
#![allow(dead_code)]

/// What the module of proof files says when it cannot write one; nothing here writes.
pub mod error {
    pub use super::build_error::BuildError;
    use std::fmt::Display;
    use std::path::Path;

    /// Why a command failed.
    #[derive(Debug)]
    pub struct CliError(pub String);

    /// What a command returns.
    pub type CliResult<T> = Result<T, CliError>;

    impl CliError {
        pub fn refused(what: impl Display, _next: impl Display) -> Self {
            Self(what.to_string())
        }

        pub fn usage(what: impl Display, _next: impl Display) -> Self {
            Self(what.to_string())
        }

        pub fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
            Self(format!("{what} {}: {error}", path.display()))
        }
    }
}

/// What the modules of packages need of those that build: how they fail.
#[path = "../../chaincode/builder/src/error.rs"]
mod build_error;
#[path = "../../chaincode/builder/src/built.rs"]
pub mod built;
#[path = "../../chaincode/builder/src/package.rs"]
pub mod package;
#[path = "../../chaincode/builder/src/source_tree.rs"]
pub mod source_tree;
#[path = "../../chaincode/builder/src/tar.rs"]
pub mod tar;
#[path = "../../chaincode/builder/src/toolchain.rs"]
pub mod toolchain;

#[path = "../../cli/src/entry_value.rs"]
pub mod entry_value;
#[path = "../../cli/src/proof_file.rs"]
pub mod proof_file;

#[path = "../../collector/src/source/engine_event.rs"]
pub mod engine_event;
#[path = "../../collector/src/spool/frame.rs"]
pub mod frame;
#[path = "../../collector/src/recent.rs"]
pub mod recent;
#[path = "../../collector/src/spool/record.rs"]
pub mod record;
#[path = "../../collector/src/reserved.rs"]
pub mod reserved;
#[path = "../../chaincode/collector/src/rules.rs"]
pub mod rules;
