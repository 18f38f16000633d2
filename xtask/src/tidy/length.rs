//! Files stay small: one idea each. Tests do not count, they are read one by one.

use super::{Findings, Tree};

/// From here on a file is named as too long. The aim of the house style is 60 to 250 lines.
const WARN_LINES: usize = 500;
/// From here on the run fails.
const MAX_LINES: usize = 900;

/// Checks all tracked Rust files.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|f| f.is_rust() && !is_test_file(&f.path)) {
        let lines = code_lines(&file.text);
        let text = || format!("{}: {lines} lines before its tests: split it by ideas", file.path);
        if lines > MAX_LINES {
            findings.error(format!("{} (at most {MAX_LINES})", text()));
        } else if lines > WARN_LINES {
            findings.warning(text());
        }
    }
}

/// `tests.rs`, `foo_test.rs`, `foo_tests.rs`, and everything below a folder called `tests`.
fn is_test_file(path: &str) -> bool {
    let stem = path.trim_end_matches(".rs");
    let name = stem.rsplit('/').next().unwrap_or(stem);
    name == "tests"
        || name.ends_with("_test")
        || name.ends_with("_tests")
        || path.split('/').any(|part| part == "tests")
}

/// Lines before a `#[cfg(test)]` that stands at the margin and begins an inline module.
fn code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins_tests = |i: usize| {
        lines[i] == "#[cfg(test)]"
            && lines[i + 1..]
                .iter()
                .find(|l| !l.trim_start().starts_with("#["))
                .is_some_and(|l| l.contains("mod ") && l.ends_with('{'))
    };
    (0..lines.len()).find(|i| begins_tests(*i)).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Graph;
    use crate::tidy::tests::{findings, tree};

    #[test]
    fn inline_tests_at_the_end_are_not_counted() {
        assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(code_lines("a\n#[cfg(test)]\n#[allow(x)]\npub(crate) mod tests {\n}\n"), 1);
        assert_eq!(
            code_lines("#[cfg(test)]\nmod scratch;\na\nb\n"),
            4,
            "a module in its own file ends nothing"
        );
    }

    #[test]
    fn long_files_warn_and_longer_ones_fail_unless_they_are_tests() {
        let lines = |n: usize| "x\n".repeat(n);
        let of = |path: &str, n: usize| {
            let (errors, warnings) = findings(check, &tree(&[(path, &lines(n))], Graph::default()));
            (errors.len(), warnings.len())
        };
        assert_eq!(of("a.rs", WARN_LINES), (0, 0));
        assert_eq!(of("a.rs", WARN_LINES + 1), (0, 1));
        assert_eq!(of("a.rs", MAX_LINES), (0, 1));
        assert_eq!(of("a.rs", MAX_LINES + 1), (1, 0));
        for test in ["tests/cluster/src/a.rs", "crush/src/wire_test.rs", "crush/src/tests.rs"] {
            assert_eq!(of(test, MAX_LINES + 1), (0, 0), "{test}");
        }
    }
}
