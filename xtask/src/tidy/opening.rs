//! Every Rust file opens with a `//!` line: a reader learns what a file is for before reading it.

use super::{Findings, Tree};

/// Checks all tracked Rust files.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|f| f.is_rust()) {
        if !opens_with_doc(&file.text) {
            findings
                .error(format!("{}: must open with a `//!` line that says what the file is for", file.path));
        }
    }
}

/// Whether the first thing in `text` is a `//!` line with words in it. Inner attributes (`#![...]`, over several
/// lines too) and blank lines may come before it.
fn opens_with_doc(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(attribute) = rest.strip_prefix("#![") {
        let Some(end) = closing_bracket(attribute) else { return false };
        rest = attribute[end + 1..].trim_start();
    }
    let first = rest.lines().next().unwrap_or("");
    first.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty())
}

/// The place of the `]` that closes a bracket opened before `text`. Strings inside attributes may hold brackets.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (1, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '[' if !in_string => depth += 1,
            ']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::errors;

    #[test]
    fn a_doc_line_comes_first_or_after_inner_attributes() {
        for good in [
            "//! What it is.\n",
            "\n//! What it is.",
            "#![forbid(unsafe_code)]\n//! What it is.",
            "#![allow(\n    clippy::x,\n    reason = \"a ] in a \\\" string\"\n)]\n\n//! What it is.",
        ] {
            assert!(opens_with_doc(good), "{good}");
        }
        for bad in [
            "",
            "use std::fs;\n//! Late.",
            "// Only a comment.",
            "//!\n",
            "/// Outer.",
            "#![allow(x)",
            "#[cfg(test)]\n//! x",
        ] {
            assert!(!opens_with_doc(bad), "{bad}");
        }
    }

    #[test]
    fn only_rust_files_are_looked_at() {
        assert_eq!(errors(check, &[("a.md", "text"), ("b.rs", "//! Good.")]), [""; 0]);
        assert_eq!(errors(check, &[("b.rs", "fn f() {}")]).len(), 1);
    }
}
