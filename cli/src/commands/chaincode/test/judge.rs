//! Whether a call ended as expected.

use super::case::Expectation;
use crate::commands::chaincode::shown;
use e2l_chaincode_tester::TestOutcome;
use e2l_ledger::ValidationCode;
use serde::Serialize;

/// Something that is not as expected.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// `code`, `output` or `fuel`.
    pub what: &'static str,
    /// What was expected.
    pub expected: String,
    /// What there was.
    pub found: String,
}

/// Everything that is not as expected.
pub(super) fn judge(expect: &Expectation, outcome: &TestOutcome) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut differ = |what, expected: String, found: &str| {
        differences.push(Difference {
            what,
            expected,
            found: found.to_owned(),
        });
    };
    let output = shown(&outcome.output);
    let code = expect.code.unwrap_or(ValidationCode::Valid);
    if outcome.code != code {
        // The output says why.
        differ("code", code.to_string(), &format!("{}: {output}", outcome.code));
    }
    if let Some(text) = expect.text.as_ref().filter(|text| **text != output) {
        differ("output", text.clone(), &output);
    }
    if let Some(json) = &expect.json {
        match serde_json::from_slice::<serde_json::Value>(&outcome.output) {
            Ok(found) if found == *json => {}
            Ok(found) => differ("output", json.to_string(), &found.to_string()),
            Err(_) => differ("output", json.to_string(), &format!("no JSON: {output}")),
        }
    }
    if let Some(part) = expect.contains.as_ref().filter(|part| !output.contains(*part)) {
        differ("output", format!("... {part} ..."), &output);
    }
    if let (Some(most), Some(fuel)) = (expect.max_fuel, outcome.fuel)
        && fuel > most
    {
        differ("fuel", format!("at most {most}"), &fuel.to_string());
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: ValidationCode, output: &str) -> TestOutcome {
        TestOutcome {
            code,
            fuel: Some(10),
            output: output.as_bytes().to_vec(),
        }
    }

    fn expect(text: &str) -> Expectation {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_as_expected_does_not_differ() {
        let found = outcome(ValidationCode::Valid, r#"{"b": 1, "a": [2]}"#);
        for fine in [
            "",
            r#"json = { a = [2], b = 1 }"#,
            r#"contains = "[2]""#,
            "max_fuel = 10",
            r#"text = '{"b": 1, "a": [2]}'"#,
        ] {
            assert!(judge(&expect(fine), &found).is_empty(), "{fine}");
        }
        let refused = outcome(ValidationCode::ContractRejected, "no");
        assert!(judge(&expect(r#"code = "CONTRACT_REJECTED""#), &refused).is_empty());
    }

    #[test]
    fn each_difference_is_told() {
        let found = outcome(ValidationCode::Trapped, "why");
        let all = expect("text = 'a'\njson = 1\ncontains = 'b'\nmax_fuel = 9");
        let told = judge(&all, &found);
        let what: Vec<&str> = told.iter().map(|difference| difference.what).collect();
        assert_eq!(what, ["code", "output", "output", "output", "fuel"]);
        assert_eq!(told[0].found, "TRAPPED: why");
        assert_eq!(
            (told[4].expected.as_str(), told[4].found.as_str()),
            ("at most 9", "10")
        );
    }
}
