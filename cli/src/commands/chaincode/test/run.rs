//! One case, on a ledger of its own.

use super::case::{Case, Kind, Step};
use super::judge::{Difference, judge};
use crate::commands::chaincode::shown;
use crate::component::Component;
use crate::error::{CliError, CliResult};
use e2l_chaincode_tester::{Contract, TestCall, TestError, TestLedger, TestOutcome};
use serde::Serialize;
use std::collections::BTreeSet;

/// What became of a step.
#[derive(Debug, Serialize)]
pub(super) struct StepView {
    pub case: String,
    pub step: usize,
    pub kind: &'static str,
    pub function: String,
    pub code: String,
    pub fuel: Option<u64>,
    pub output: String,
    /// Empty if all is as expected.
    pub differences: Vec<Difference>,
}

/// Runs the steps of a case in order. One that ends otherwise than expected does not stop those after it.
///
/// # Errors
/// A step cannot be executed at all.
pub(super) fn run_case(component: &Component, case: &Case) -> CliResult<Vec<StepView>> {
    let fail = |step: usize, why: String| {
        CliError::usage(
            format!("case `{}`, step {step}: {why}", case.name),
            "correct the case; `e2l chaincode test --help` shows the form",
        )
    };
    let actors: BTreeSet<String> = case.actors().map(str::to_owned).collect();
    let contract = Contract {
        name: component.name.clone(),
        version: component.version.clone(),
        component: component.bytes.clone(),
    };
    let ledger = TestLedger::new(contract, &actors);
    let mut ledger = ledger.map_err(|error: TestError| fail(1, error.to_string()))?;
    let mut views = Vec::new();
    let mut steps = case.steps.as_slice();
    while let Some((block, rest)) = next_block(steps) {
        let first = views.len() + 1;
        let outcomes = outcomes(&mut ledger, block).map_err(|why| fail(first, why))?;
        for ((step, outcome), number) in block.iter().zip(outcomes).zip(first..) {
            views.push(view(case, number, step, &outcome));
        }
        steps = rest;
    }
    Ok(views)
}

/// The next step with those in the same block, and what comes after.
fn next_block(steps: &[Step]) -> Option<(&[Step], &[Step])> {
    let after = steps.get(1..)?;
    let more = after.iter().take_while(|step| step.same_block).count();
    Some(steps.split_at(1 + more))
}

fn outcomes(ledger: &mut TestLedger, block: &[Step]) -> Result<Vec<TestOutcome>, String> {
    let [first, ..] = block else {
        return Ok(Vec::new());
    };
    let text = |error: TestError| error.to_string();
    let after = first.after()?;
    let passed = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
    let now_nano = ledger.time_nano().map_err(text)?.saturating_add(passed);
    let call = |step: &Step| {
        Ok(TestCall {
            caller: step.member(),
            function: step.function().to_owned(),
            argument: step.argument(now_nano)?,
        })
    };
    let calls = block.iter().map(call).collect::<Result<Vec<_>, String>>()?;
    match (first.kind(), calls.as_slice()) {
        (Kind::Query, [call]) => Ok(vec![ledger.query(call).map_err(text)?]),
        _ => ledger.invoke(&calls, after).map_err(text),
    }
}

fn view(case: &Case, number: usize, step: &Step, outcome: &TestOutcome) -> StepView {
    StepView {
        case: case.name.clone(),
        step: number,
        kind: match step.kind() {
            Kind::Invoke => "invoke",
            Kind::Query => "query",
        },
        function: step.function().to_owned(),
        code: outcome.code.to_string(),
        fuel: outcome.fuel,
        output: shown(&outcome.output),
        differences: judge(&step.expect, outcome),
    }
}
