//! Every crate that a Cargo.toml of ours names has its reason in docs/decisions/0001-dependencies.md.

use super::{Findings, Tree};
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/decisions/0001-dependencies.md";

/// Compares the document's lines with what the members depend on.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let Some(text) = tree.text(DOCUMENT) else {
        findings.error(format!("{DOCUMENT} is missing"));
        return;
    };
    let explained = explained(&text);
    let bought = tree.graph.bought();
    for name in explained.difference(&bought) {
        findings.warning(format!("{DOCUMENT}: no Cargo.toml names `{name}` any more: take its line out"));
    }
    for name in bought {
        if !explained.contains(name) {
            findings
                .error(format!("{DOCUMENT}: no line for `{name}`: say why it, and why not its runner-up"));
        }
    }
}

/// The crates in the first column of the document's table: `| `name` | ...`, several separated by commas.
fn explained(text: &str) -> BTreeSet<&str> {
    let first_column = text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    first_column.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::graph;
    use crate::tidy::tests::{findings, tree};

    #[test]
    fn a_direct_dependency_without_a_line_is_named() {
        let lines = ["a -> Serde Bytes", "Serde -> Deep", "Bytes ->", "Deep ->"];
        let of = |text: &str| findings(check, &tree(&[(DOCUMENT, text)], graph(&lines))).0;
        assert_eq!(of("| `serde`, `bytes` | why |\n"), [""; 0]);
        let errors = of("| `serde` | not `bytes` |\n");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("`bytes`"), "{errors:?}");
    }

    #[test]
    fn a_line_that_nothing_needs_any_more_is_a_warning() {
        let tree = tree(&[(DOCUMENT, "| `old` | why |\n")], graph(&["a ->"]));
        let (errors, warnings) = findings(check, &tree);
        assert_eq!((errors.len(), warnings.len()), (0, 1));
        assert!(warnings[0].contains("`old`"), "{warnings:?}");
    }
}
