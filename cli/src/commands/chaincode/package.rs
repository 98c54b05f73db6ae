//! `e2l chaincode package`: a component with its source in one file.

use super::contract::{SourceArgs, build_contract, load_contract, out_path, write_file};
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table};
use e2l_chaincode_builder::{Manifest, Package};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A package to make or to check.
#[derive(Debug, Clone, clap::Args)]
pub struct PackageArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The package to write [default: target/chaincode/NAME-VERSION.tar]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Check this package instead: form, digest, and that the manifest says what the component says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "out"])]
    check: Option<PathBuf>,
    /// With --check: build the source in the package anew, and compare digests
    ///
    /// Building runs programs that the source brings, such as build scripts: unpack the package and read it before.
    #[arg(long, requires = "check")]
    rebuild: bool,
}

#[derive(Debug, Serialize)]
struct PackageView<'a> {
    package: &'a Path,
    #[serde(flatten)]
    manifest: &'a Manifest,
    source_files: usize,
    /// Whether the source was built anew and gave this digest.
    rebuilt: bool,
}

/// Makes or checks a package.
///
/// # Errors
/// The source does not compile; the package is not as it was made, or its source gives another component.
pub(super) fn package(args: &PackageArgs, format: Format) -> CliResult<()> {
    match &args.check {
        Some(path) => check(path, args.rebuild, format),
        None => make(args, format),
    }
}

fn make(args: &PackageArgs, format: Format) -> CliResult<()> {
    let made = build_contract(&args.source.directory(), None)?;
    let refuse = |error| CliError::refused(error, "correct the contract; no package was written");
    let package = Package::new(made.built, made.component.described(), made.source).map_err(refuse)?;
    let bytes = package.encode().map_err(refuse)?;
    let stem = package.manifest.directory();
    let out = out_path(args.out.as_deref(), &package.manifest.name, &stem, "tar")?;
    write_file(&out, &bytes)?;
    print(&out, &package, false, format)
}

fn check(path: &Path, rebuild: bool, format: Format) -> CliResult<()> {
    let (_, package) = load_contract(path)?;
    let package = package.ok_or_else(|| {
        CliError::usage(
            format!("{} is a component, not a package", path.display()),
            "make a package of its source with `e2l chaincode package`",
        )
    })?;
    if rebuild {
        let built = package.rebuild().map_err(|error| {
            CliError::not_proven(
                format!("the source of {} cannot be built here: {error}", path.display()),
                format!("build it with {}", package.manifest.toolchain.rustc),
            )
        })?;
        if built.digest != package.manifest.digest {
            return Err(CliError::refused(
                format!(
                    "the source of {} gives the digest {} with {} on {} and e2l {}; the component has {}, made with {} on \
                     {} and e2l {}",
                    path.display(),
                    built.digest,
                    built.toolchain.rustc,
                    built.toolchain.host,
                    built.toolchain.release,
                    package.manifest.digest,
                    package.manifest.toolchain.rustc,
                    package.manifest.toolchain.host,
                    package.manifest.toolchain.release,
                ),
                "if compiler, machine and release are the same, the component was built from something else: do not approve it",
            ));
        }
    }
    print(path, &package, rebuild, format)
}

fn print(path: &Path, package: &Package, rebuilt: bool, format: Format) -> CliResult<()> {
    let view = PackageView {
        package: path,
        manifest: &package.manifest,
        source_files: package.source.files().len(),
        rebuilt,
    };
    let mut table = Table::new([
        Column::new("PACKAGE"),
        Column::new("NAME"),
        Column::new("VERSION"),
        Column::new("FILES").right(),
        Column::new("TOOLCHAIN").shrink(12),
        Column::new("REBUILT"),
        Column::new("DIGEST"),
    ]);
    table.push(vec![
        path.display().to_string().into(),
        Cell::new(&package.manifest.name, Style::Bold),
        (&package.manifest.version).into(),
        view.source_files.to_string().into(),
        (&package.manifest.toolchain.rustc).into(),
        if rebuilt { "same digest" } else { "no" }.into(),
        Cell::new(package.manifest.digest.to_string(), Style::Accent),
    ]);
    let columns = [
        "package",
        "name",
        "version",
        "source_files",
        "rebuilt",
        "bytes",
        "digest",
    ];
    let listing = Listing {
        columns: &columns,
        items: &[view],
        table,
    };
    listing.print_one(format)
}
