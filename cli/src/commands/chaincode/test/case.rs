//! Test cases, as they are written.

use super::case_name;
use crate::commands::argument;
use crate::error::{CliError, CliResult};
use crate::output::parse_duration;
use e2l_ledger::{Member, Role, ValidationCode, validate_name};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Who calls, where a step does not say of which actor.
const ACTOR: &str = "provider";
/// What lies between two blocks, where a step does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// A case.
pub(super) struct Case {
    /// Its name.
    pub name: String,
    /// Its steps.
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    step: Vec<Step>,
}

/// A call, and what is expected of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    invoke: Option<String>,
    query: Option<String>,
    json: Option<serde_json::Value>,
    text: Option<String>,
    hex: Option<String>,
    event: Option<serde_json::Value>,
    role: Option<Role>,
    actor: Option<String>,
    sender: Option<String>,
    after: Option<String>,
    /// Whether it goes into the block of the step before.
    #[serde(default)]
    pub same_block: bool,
    /// What is expected.
    #[serde(default)]
    pub expect: Expectation,
}

/// What is expected of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    /// Validation code; `VALID` if it is not said.
    pub code: Option<ValidationCode>,
    /// The output, as it is shown.
    pub text: Option<String>,
    /// The output, as JSON.
    pub json: Option<serde_json::Value>,
    /// Part of the output, as it is shown.
    pub contains: Option<String>,
    /// Most fuel.
    pub max_fuel: Option<u64>,
}

/// Whether a call changes the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does.
    Invoke,
    /// It does not.
    Query,
}

/// The cases in a file, or in the `.toml` files of a directory, in the order of their names.
///
/// # Errors
/// A file cannot be read, or is no case.
pub(super) fn cases_in(path: &Path) -> CliResult<Vec<Case>> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| CliError::file("read the case", path, &error));
    if !path.is_dir() {
        return Ok(vec![Case::parse(case_name(path), &read(path)?)?]);
    }
    let fail = |error| CliError::file("read the cases in", path, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        files.push(entry.map_err(fail)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let cases = files
        .iter()
        .map(|file| Case::parse(case_name(file), &read(file)?));
    cases.collect()
}

/// The cases among the files of a source.
///
/// # Errors
/// A file is no case.
pub(super) fn cases_of<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> CliResult<Vec<Case>> {
    let cases = files.filter_map(|(file, content)| Some((file.strip_suffix(".toml")?, content)));
    cases
        .map(|(name, content)| Case::parse(name.to_owned(), content))
        .collect()
}

impl Case {
    fn parse(name: String, content: &[u8]) -> CliResult<Self> {
        const NEXT: &str = "correct the case; `e2l chaincode test --help` shows the form";
        let text = std::str::from_utf8(content)
            .map_err(|error| CliError::usage(format!("case `{name}`: {error}"), NEXT))?;
        let file: CaseFile =
            toml::from_str(text).map_err(|error| CliError::usage(format!("case `{name}`: {error}"), NEXT))?;
        let mut before = None;
        for (step, number) in file.step.iter().zip(1..) {
            step.check(before)
                .map_err(|why| CliError::usage(format!("case `{name}`, step {number}: {why}"), NEXT))?;
            before = Some(step.kind());
        }
        Ok(Self {
            name,
            steps: file.step,
        })
    }

    /// Actors that call.
    pub fn actors(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(Step::actor)
    }
}

impl Step {
    /// Whether it makes sense after a step of the kind `before`.
    fn check(&self, before: Option<Kind>) -> Result<(), String> {
        if self.invoke.is_some() == self.query.is_some() {
            return Err("it needs either `invoke` or `query`".to_owned());
        }
        let arguments = [
            self.json.is_some(),
            self.text.is_some(),
            self.hex.is_some(),
            self.event.is_some(),
        ];
        if arguments.into_iter().filter(|given| *given).count() > 1 {
            return Err(
                "it has more than one argument: give one of `json`, `text`, `hex`, `event`".to_owned(),
            );
        }
        for name in [self.actor(), &self.member().name] {
            validate_name(name).map_err(|error| error.to_string())?;
        }
        self.after()?;
        self.argument(0)?;
        let both_invoke = (before, self.kind()) == (Some(Kind::Invoke), Kind::Invoke);
        if self.same_block && (!both_invoke || self.after.is_some()) {
            return Err("`same_block` is for an `invoke` after another, without `after`".to_owned());
        }
        if self.kind() == Kind::Query && (self.expect.max_fuel.is_some() || self.after.is_some()) {
            return Err("`max_fuel` and `after` are for `invoke`: a query is in no block".to_owned());
        }
        Ok(())
    }

    /// Whether it changes the ledger.
    pub fn kind(&self) -> Kind {
        if self.query.is_some() {
            Kind::Query
        } else {
            Kind::Invoke
        }
    }

    /// The function.
    pub fn function(&self) -> &str {
        let function = self.invoke.as_ref().or(self.query.as_ref());
        function.map_or("", String::as_str)
    }

    fn actor(&self) -> &str {
        self.actor.as_deref().unwrap_or(ACTOR)
    }

    /// Who calls.
    pub fn member(&self) -> Member {
        let role = self.role.unwrap_or(match self.kind() {
            Kind::Query => Role::Client,
            Kind::Invoke if self.event.is_some() => Role::Collector,
            Kind::Invoke => Role::Admin,
        });
        Member {
            actor: self.actor().to_owned(),
            role,
            name: self.sender.clone().unwrap_or_else(|| format!("{role}-1")),
        }
    }

    /// How long after the block before.
    pub fn after(&self) -> Result<Duration, String> {
        self.after.as_deref().map_or(Ok(PAUSE), parse_duration)
    }

    /// The argument's bytes. An event without a time happens at `now_nano`.
    pub fn argument(&self, now_nano: i64) -> Result<Vec<u8>, String> {
        if let Some(event) = &self.event {
            let event = argument::event(&event.to_string(), now_nano).map_err(|error| error.to_string())?;
            return Ok(event.encode());
        }
        if let Some(hex) = &self.hex {
            return hex::decode(hex).map_err(|error| format!("`hex` is not hexadecimal: {error}"));
        }
        let json = self.json.as_ref().map(ToString::to_string);
        Ok(json.or(self.text.clone()).unwrap_or_default().into_bytes())
    }
}
