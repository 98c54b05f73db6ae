//! `e2l completions` and `e2l man`: made from the same definition that parses the command line.

use crate::error::{CliError, CliResult};
use clap::CommandFactory;
use std::io::Write;
use std::path::Path;

/// Writes a completion script to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(shell: clap_complete::Shell) -> CliResult<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::Cli::command(), "e2l", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// Writes one man page per command into a directory.
///
/// # Errors
/// The directory cannot be written.
pub fn man(directory: &Path) -> CliResult<()> {
    let fail = |error: std::io::Error| CliError::file("write man pages into", directory, &error);
    std::fs::create_dir_all(directory).map_err(fail)?;
    clap_mangen::generate_to(crate::Cli::command(), directory).map_err(fail)
}
