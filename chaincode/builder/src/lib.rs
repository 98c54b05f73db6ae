//! Builds a contract's source into a WebAssembly component. The same source gives the same bytes in any
//! directory, so that an actor can rebuild what it is asked to approve and compare digests. Begins new contracts, and
//! packs a component with its source.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod build;
mod built;
mod cached;
mod cargo;
mod error;
mod package;
mod scaffold;
mod source_tree;
mod tar;
mod toolchain;

pub use build::{build, build_tree, build_watched};
pub use built::Built;
pub use cached::build_once;
pub use cargo::Onlooker;
pub use error::BuildError;
pub use package::{Described, Manifest, Package, PackageError, PackagedFunction};
pub use scaffold::{ScaffoldError, scaffold};
pub use source_tree::SourceTree;
pub use toolchain::Toolchain;
