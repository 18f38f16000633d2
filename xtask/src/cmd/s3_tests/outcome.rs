//! What became of each test, as `tests/s3/outcomes.py` writes it.

use crate::failure::Failure;
use std::fs;
use std::path::Path;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    Failed,
    Skipped,
}

/// One test and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// As `test_s3.py::test_bucket_list_empty`, without folders.
    pub(super) test: String,
    pub(super) end: End,
    /// The line that says why it failed.
    pub(super) why: String,
}

impl Outcome {
    /// All outcomes of a run; none if pytest wrote no file.
    pub(super) fn load(path: &Path) -> Result<Vec<Outcome>, Failure> {
        match fs::read_to_string(path) {
            Ok(text) => text.lines().map(|line| Outcome::read(line, path)).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(Failure::io("reading", path, e)),
        }
    }

    fn read(line: &str, path: &Path) -> Result<Outcome, Failure> {
        let wrong = || Failure::Machine(format!("{}: a line makes no sense: {line}", path.display()));
        let value: serde_json::Value = serde_json::from_str(line).map_err(|_| wrong())?;
        let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(wrong);
        let end = match text("outcome")?.as_str() {
            "passed" => End::Passed,
            "failed" => End::Failed,
            "skipped" => End::Skipped,
            _ => return Err(wrong()),
        };
        Ok(Outcome { test: without_folders(&text("test")?), end, why: text("why")? })
    }
}

/// Parameters may hold slashes: only what stands before `::` is a path.
fn without_folders(node: &str) -> String {
    let (file, test) = node.split_once("::").unwrap_or((node, ""));
    let file = file.rsplit('/').next().unwrap_or(file);
    if test.is_empty() { file.to_owned() } else { format!("{file}::{test}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_a_broken_one_refused() {
        let at = Path::new("outcomes.jsonl");
        let line = r#"{"test": "s3tests/functional/test_s3.py::test_a[x/y]", "outcome": "failed", "phase": "call", "why": "w"}"#;
        let read = Outcome::read(line, at).expect("sound");
        assert_eq!(
            read,
            Outcome { test: "test_s3.py::test_a[x/y]".into(), end: End::Failed, why: "w".into() }
        );
        for bad in ["", "{}", r#"{"test": "t", "outcome": "odd", "why": ""}"#] {
            assert_eq!(Outcome::read(bad, at).expect_err("refused").exit_code(), 2, "{bad}");
        }
    }
}
