//! Nothing unfinished is committed: no stub, no test that is switched off.

use super::{Findings, Tree};

/// What must not be in Rust source, and what to do instead. Put together from pieces, so that this file passes.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("todo", "!"), "finish it, or leave the feature out"),
    (concat!("unimplemented", "!"), "finish it, or leave the feature out"),
    (concat!("#[", "ignore"), "a test that does not run proves nothing: make it run, or delete it"),
];

/// Checks all tracked Rust files.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|f| f.is_rust()) {
        for (number, line) in file.text.lines().enumerate() {
            for (word, instead) in FORBIDDEN {
                if line.contains(word) {
                    findings.error(format!("{}:{}: `{word}`: {instead}", file.path, number + 1));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::errors;

    #[test]
    fn each_forbidden_word_is_found_with_its_line() {
        for (word, _) in FORBIDDEN {
            let text = format!("//! x\nfn f() {{\n    {word}\n}}\n");
            let errors = errors(check, &[("a.rs", &text)]);
            assert_eq!(errors.len(), 1, "{word}");
            assert!(errors[0].starts_with("a.rs:3: "), "{}", errors[0]);
        }
        assert_eq!(errors(check, &[("a.rs", "//! Nothing left to do.\n")]), [""; 0]);
    }
}
