//! The failures that are expected, and how a run compares with them.

use super::outcome::{End, Outcome};
use crate::failure::Failure;
use std::fmt;
use std::fs;
use std::path::Path;

/// One row of `tests/s3/expected.toml`.
#[derive(Debug)]
struct Row {
    tests: String,
    reason: String,
}

/// The failures that are expected, with their reasons.
#[derive(Debug)]
pub(super) struct Expected {
    rows: Vec<Row>,
}

impl Expected {
    /// Reads the file. A row without a reason is refused.
    pub(super) fn load(path: &Path) -> Result<Expected, Failure> {
        let text = fs::read_to_string(path).map_err(|e| Failure::io("reading", path, e))?;
        Expected::parse(&text).map_err(|why| Failure::Machine(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str) -> Result<Expected, String> {
        let table: toml::Table = text.parse().map_err(|e| format!("{e}"))?;
        if let Some(stranger) = table.keys().find(|k| *k != "expected") {
            return Err(format!("`{stranger}` means nothing here; rows are [[expected]]"));
        }
        let none = toml::value::Array::new();
        let rows = table.get("expected").map_or(Some(&none), toml::Value::as_array);
        let rows = rows.ok_or("`expected` must be rows: [[expected]]")?.iter().map(|row| {
            let text = |name: &str| {
                let found = row.get(name).and_then(toml::Value::as_str).map(str::trim);
                found.filter(|t| !t.is_empty()).map(str::to_owned).ok_or(format!("a row has no `{name}`"))
            };
            Ok(Row { tests: text("tests")?, reason: text("reason")? })
        });
        Ok(Expected { rows: rows.collect::<Result<_, String>>()? })
    }

    fn reason(&self, test: &str) -> Option<&str> {
        self.rows.iter().find(|row| fits(&row.tests, test)).map(|row| row.reason.as_str())
    }

    /// Sorts the outcomes of a run.
    pub(super) fn judge(&self, outcomes: &[Outcome]) -> Verdict {
        let mut verdict = Verdict::default();
        for outcome in outcomes {
            match (outcome.end, self.reason(&outcome.test)) {
                (End::Passed, None) => verdict.passed += 1,
                (End::Passed, Some(_)) => verdict.newly_passing.push(outcome.test.clone()),
                (End::Skipped, _) => verdict.skipped += 1,
                (End::Failed, Some(reason)) => {
                    verdict.expected.push((outcome.test.clone(), reason.to_owned()));
                }
                (End::Failed, None) => verdict.unexpected.push((outcome.test.clone(), outcome.why.clone())),
            }
        }
        verdict
    }
}

/// Whether a pattern with stars fits all of a text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// What a run comes to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    passed: usize,
    skipped: usize,
    newly_passing: Vec<String>,
    expected: Vec<(String, String)>,
    unexpected: Vec<(String, String)>,
}

impl Verdict {
    /// Whether every failure was expected.
    pub(super) fn is_good(&self) -> bool {
        self.unexpected.is_empty()
    }
    /// How many failures were not.
    pub(super) fn unexpected(&self) -> usize {
        self.unexpected.len()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.expected.is_empty() {
            writeln!(f, "\nfailed as expected:")?;
            self.expected.iter().try_for_each(|(test, reason)| writeln!(f, "  {test}: {reason}"))?;
        }
        if !self.newly_passing.is_empty() {
            writeln!(f, "\npassed, though expected to fail; take them out of tests/s3/expected.toml:")?;
            self.newly_passing.iter().try_for_each(|test| writeln!(f, "  {test}"))?;
        }
        if !self.unexpected.is_empty() {
            writeln!(f, "\nfailed unexpectedly:")?;
            self.unexpected.iter().try_for_each(|(test, why)| writeln!(f, "  {test}: {why}"))?;
        }
        let passed = self.passed + self.newly_passing.len();
        let failed = self.expected.len() + self.unexpected.len();
        writeln!(
            f,
            "\n{passed} passed ({} newly), {failed} failed ({} expected, {} unexpected), {} skipped",
            self.newly_passing.len(),
            self.expected.len(),
            self.unexpected.len(),
            self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        assert!(fits("test_s3.py::test_a", "test_s3.py::test_a"));
        assert!(!fits("test_s3.py::test_a", "test_s3.py::test_ab"));
        assert!(fits("test_s3.py::test_*_b*", "test_s3.py::test_x_bc"));
        assert!(fits("*", "anything") && fits("a*", "a") && fits("*ab", "aab"));
        assert!(!fits("*b", "ba") && !fits("a*b*c", "acb") && !fits("", "a"));
    }

    #[test]
    fn rows_need_a_pattern_and_a_reason() {
        assert!(Expected::parse("").is_ok());
        for bad in
            ["[[expected]]\ntests = 'x'", "[[expected]]\nreason = 'x'", "other = 1", "expected = 1", "["]
        {
            assert!(Expected::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn outcomes_are_sorted_into_what_was_expected_and_what_was_not() {
        let text = "[[expected]]\ntests = 'f.py::test_old*'\nreason = 'not built'\n";
        let expected = Expected::parse(text).expect("sound");
        let of = |test: &str, end| Outcome { test: format!("f.py::{test}"), end, why: "403".into() };
        let good = [of("test_a", End::Passed), of("test_old_a", End::Failed), of("test_b", End::Skipped)];
        let verdict = expected.judge(&good);
        assert!(verdict.is_good());
        assert!(
            verdict
                .to_string()
                .contains("1 passed (0 newly), 1 failed (1 expected, 0 unexpected), 1 skipped")
        );
        let verdict = expected.judge(&[of("test_a", End::Failed), of("test_old_b", End::Passed)]);
        assert_eq!((verdict.is_good(), verdict.unexpected()), (false, 1));
        let text = verdict.to_string();
        assert!(text.contains("f.py::test_a: 403") && text.contains("f.py::test_old_b"), "{text}");
    }
}
