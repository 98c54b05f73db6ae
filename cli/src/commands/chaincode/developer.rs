//! What a contract's developer does: all of it on this machine, without a network.

use super::build::{BuildArgs, build};
use super::diff::{DiffArgs, diff};
use super::new::{NewArgs, new};
use super::package::{PackageArgs, package};
use super::test::{TestArgs, test};
use crate::error::CliResult;
use crate::output::Format;

/// Commands that need no network.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum DeveloperCommand {
    /// Begin a contract: a crate that builds and has a test
    ///
    /// Everything it needs comes from this program: no checkout of event2ledger is needed.
    New(NewArgs),
    /// Run a contract's test cases on the engine that peers run, with a new network's limits
    ///
    /// Exit code 1 if a step ends otherwise than its case expects.
    #[command(after_help = super::test::AFTER_HELP)]
    Test(TestArgs),
    /// Build a contract's source into a component; the same source gives the same bytes
    ///
    /// It is built in a copy at a fixed place, with the compiler that it names, and admitted as peers admit it. Its digest
    /// is the name that the ledger has for it.
    Build(BuildArgs),
    /// Put a component and the source that it is built from into one file, or check such a file
    ///
    /// The file is a tar archive: any tool lists and unpacks it. The same source gives the same file, byte for byte.
    Package(PackageArgs),
    /// Say what changes from one contract to another: digest, version, size, functions, imports, memory, source files
    ///
    /// Each is a component or a package; the files of the source are compared where both are packages. With --proposal a peer is
    /// asked, and what its answer must prove is compared: what an actor reads before it approves.
    Diff(DiffArgs),
}

impl DeveloperCommand {
    /// Runs it.
    ///
    /// # Errors
    /// As each command has them.
    pub fn run(&self, format: Format) -> CliResult<()> {
        match self {
            Self::New(args) => new(args),
            Self::Test(args) => test(args, format),
            Self::Build(args) => build(args, format),
            Self::Package(args) => package(args, format),
            Self::Diff(args) => diff(args, format),
        }
    }
}
