//! `e2l chaincode test`: a contract's test cases, executed as peers execute.

mod case;
mod judge;
mod run;

use super::contract::{SourceArgs, build_contract, load_contract};
use crate::component::Component;
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, Format, Listing, Style, Table, sanitise};
use case::{Case, cases_in, cases_of};
use e2l_chaincode_builder::SourceTree;
use e2l_chaincode_tester::on_deep_stack;
use run::{StepView, run_case};
use std::path::{Path, PathBuf};

/// Directory of a crate that holds its cases.
const CASES: &str = "tests";
/// Characters of an output that the table shows.
const SHOWN_OUTPUT: usize = 60;

pub(super) const AFTER_HELP: &str = "\
A case is a file tests/NAME.toml of the crate: steps, in order, on a ledger that is empty
before the first.

  [[step]]
  invoke = \"add\"         # a transaction, in a block of its own; or: query = \"get\"
  json = { by = 2 }      # its argument; or one of
                         #   text = \"...\"
                         #   hex = \"...\"
                         #   event = { Type = \"container\", Action = \"start\", Actor = { ID = \"ab\" } }
  role = \"admin\"         # who calls: admin, collector, client, auditor or peer
                         #   [default: admin; of an event: collector; of a query: client]
  actor = \"provider\"     # of which actor [default: provider]
  sender = \"admin-1\"     # under which name [default: ROLE-1]
  after = \"10m\"          # how long after the block before [default: 1s]
  same_block = true      # in the block of the step before
  [step.expect]
  code = \"VALID\"         # validation code [default: VALID]
  text = \"2\"             # the whole output; bytes that are no text are in hexadecimal
  json = { value = 2 }   # the whole output, as JSON
  contains = \"2\"         # part of the output
  max_fuel = 100000      # of a transaction

docs/format/validation-codes.md lists the codes. A query has none on a ledger; here it has the
one of a transaction that ends the same way. Ids, times and fuel are the same in every run.";

/// A test run.
#[derive(Debug, Clone, clap::Args)]
pub struct TestArgs {
    /// Directory of the contract's crate, which is built; or a component or package, which is taken as it is [default:
    /// the current directory if it is a crate, else chaincode/eventdb]
    contract: Option<PathBuf>,
    /// A case, or a directory of cases [default: tests/ of the crate or package]
    #[arg(long, value_name = "PATH")]
    cases: Option<PathBuf>,
}

/// Runs every case and prints every step.
///
/// # Errors
/// There is no contract or no case, or a step ends otherwise than expected.
pub(super) fn test(args: &TestArgs, format: Format) -> CliResult<()> {
    let (component, source) = contract(args)?;
    let cases = match (&args.cases, &source) {
        (Some(path), _) => cases_in(path)?,
        (None, Some(source)) => cases_of(source.crate_files(CASES))?,
        (None, None) => Vec::new(),
    };
    if cases.is_empty() {
        return Err(CliError::usage(
            "there are no test cases",
            "write tests/NAME.toml (`e2l chaincode test --help` shows the form), or name some with --cases",
        ));
    }
    let steps = run_all(&component, &cases)?;
    print(&steps, format)?;
    conclude(&component, &steps)
}

/// How many steps there were, and how many of them ended otherwise than expected.
pub(super) struct Tally {
    pub steps: usize,
    pub failed: usize,
}

/// Runs the cases of a source on what was built from it, and says on standard error what differs.
///
/// # Errors
/// A case makes no sense, or cannot be executed at all.
pub(super) fn test_source(component: &Component, source: &SourceTree) -> CliResult<Tally> {
    let steps = run_all(component, &cases_of(source.crate_files(CASES))?)?;
    Ok(Tally {
        failed: tell_differences(&steps),
        steps: steps.len(),
    })
}

fn contract(args: &TestArgs) -> CliResult<(Component, Option<SourceTree>)> {
    if let Some(file) = args.contract.as_ref().filter(|path| path.is_file()) {
        let (component, package) = load_contract(file)?;
        return Ok((component, package.map(|package| package.source)));
    }
    let source = SourceArgs {
        source: args.contract.clone(),
    };
    let built = build_contract(&source.directory())?;
    Ok((built.component, Some(built.source)))
}

fn run_all(component: &Component, cases: &[Case]) -> CliResult<Vec<StepView>> {
    let run = || -> CliResult<Vec<StepView>> {
        let mut steps = Vec::new();
        for case in cases {
            steps.extend(run_case(component, case)?);
        }
        Ok(steps)
    };
    on_deep_stack(run).map_err(|error| CliError::usage(error, "run it again"))?
}

fn print(steps: &[StepView], format: Format) -> CliResult<()> {
    let mut table = Table::new([
        Column::new("CASE"),
        Column::new("STEP").right(),
        Column::new("CALL"),
        Column::new("CODE"),
        Column::new("FUEL").right(),
        Column::new("OUTPUT").shrink(12),
        Column::new("RESULT"),
    ]);
    for step in steps {
        let result = if step.differences.is_empty() {
            Cell::new("ok", Style::Good)
        } else {
            Cell::new("FAILED", Style::Bad)
        };
        let output: String = step.output.chars().take(SHOWN_OUTPUT).collect();
        let more = if output.len() < step.output.len() {
            " ..."
        } else {
            ""
        };
        table.push(vec![
            Cell::new(&step.case, Style::Bold),
            step.step.to_string().into(),
            format!("{} {}", step.kind, step.function).into(),
            step.code.as_str().into(),
            step.fuel
                .map_or_else(|| "-".to_owned(), |fuel| fuel.to_string())
                .into(),
            format!("{output}{more}").into(),
            result,
        ]);
    }
    let columns = [
        "case",
        "step",
        "kind",
        "function",
        "code",
        "fuel",
        "output",
        "differences",
    ];
    let listing = Listing {
        columns: &columns,
        items: steps,
        table,
    };
    listing.print(format)
}

/// Says what differs, and how many steps fail.
fn conclude(component: &Component, steps: &[StepView]) -> CliResult<()> {
    let (failed, all) = (tell_differences(steps), steps.len());
    if failed == 0 {
        eprintln!("{all} steps passed: {} {}", component.name, component.version);
        return Ok(());
    }
    eprintln!();
    Err(CliError::refused(
        format!("{failed} of {all} steps do not end as expected"),
        "correct the contract, or what its cases expect",
    ))
}

/// Says of each step that fails what differs; returns their number.
fn tell_differences(steps: &[StepView]) -> usize {
    let failed: Vec<&StepView> = steps.iter().filter(|step| !step.differences.is_empty()).collect();
    for step in &failed {
        eprintln!(
            "\n{}, step {}: {} {}",
            step.case, step.step, step.kind, step.function
        );
        for difference in &step.differences {
            eprintln!("  {}", difference.what);
            eprintln!("    expected: {}", sanitise(&difference.expected));
            eprintln!("    found:    {}", sanitise(&difference.found));
        }
    }
    failed.len()
}

/// The name of a case: its file's, without the ending.
fn case_name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
