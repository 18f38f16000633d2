//! The arrows that docs/ARCHITECTURE.md draws between our packages are the ones that cargo sees.
//!
//! They stand in a fenced block whose info string is `arrows`, one line per package: `osd-pg -> stdx wire-codec`
//! (normal dependencies on packages of the workspace; the order does not matter).

use super::{Findings, Tree};
use crate::metadata::Graph;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = "docs/ARCHITECTURE.md";

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Compares the drawn arrows with the real ones.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let Some(text) = tree.text(DOCUMENT) else {
        findings.error(format!("{DOCUMENT} is missing"));
        return;
    };
    match parse(&text) {
        Err(error) => findings.error(format!("{DOCUMENT}: {error}")),
        Ok(drawn) => {
            for line in differences(&drawn, &real(&tree.graph)) {
                findings.error(format!("{DOCUMENT}: {line}"));
            }
        }
    }
}

/// The block as it should be, ready to be pasted between the fences.
pub(crate) fn block(graph: &Graph) -> String {
    let line = |(name, deps): (String, BTreeSet<String>)| {
        let deps: Vec<String> = deps.into_iter().collect();
        format!("{name} -> {}", deps.join(" ")).trim_end().to_owned() + "\n"
    };
    real(graph).into_iter().map(line).collect()
}

fn real(graph: &Graph) -> Arrows {
    graph.members().into_iter().map(|(name, package)| (name.to_owned(), package.arrows.clone())).collect()
}

/// The arrows in the one ```` ```arrows ```` block of `text`.
fn parse(text: &str) -> Result<Arrows, String> {
    let mut lines = text.lines().enumerate();
    if !lines.any(|(_, line)| line.trim() == "```arrows") {
        return Err(
            "has no block fenced with ```arrows; `cargo xtask tidy --arrows` prints its content".into()
        );
    }
    let mut arrows = Arrows::new();
    for (number, line) in lines {
        let line = line.trim();
        if line == "```" {
            return Ok(arrows);
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, deps)) = line.split_once("->") else {
            return Err(format!("line {}: `{line}` is not `package -> dependency dependency`", number + 1));
        };
        let deps = deps.split_whitespace().map(str::to_owned).collect();
        if arrows.insert(name.trim().to_owned(), deps).is_some() {
            return Err(format!("line {}: `{}` is drawn twice", number + 1, name.trim()));
        }
    }
    Err("the ```arrows block is not closed".into())
}

fn differences(drawn: &Arrows, real: &Arrows) -> Vec<String> {
    let nothing = BTreeSet::new();
    let mut lines = Vec::new();
    for name in drawn.keys().chain(real.keys()).collect::<BTreeSet<_>>() {
        match (drawn.contains_key(name), real.contains_key(name)) {
            (true, false) => lines.push(format!("draws `{name}`, which is not in the workspace")),
            (false, true) => lines.push(format!("does not draw `{name}`, which is in the workspace")),
            _ => {}
        }
        let (drawn, real) = (drawn.get(name).unwrap_or(&nothing), real.get(name).unwrap_or(&nothing));
        lines.extend(
            drawn
                .difference(real)
                .map(|to| format!("draws `{name} -> {to}`, which Cargo.toml does not have")),
        );
        lines.extend(
            real.difference(drawn).map(|to| format!("does not draw `{name} -> {to}`, which Cargo.toml has")),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::graph;
    use crate::tidy::tests::{findings, tree};

    fn errors_of(block: &str, lines: &[&str]) -> Vec<String> {
        findings(check, &tree(&[(DOCUMENT, block)], graph(lines))).0
    }

    const REAL: &[&str] = &["crush ->", "map -> crush Serde", "Serde ->"];

    #[test]
    fn what_is_drawn_as_it_is_passes_whatever_the_order() {
        let text = "# A\n```\nother -> block\n```\n```arrows\nmap -> crush\n\ncrush ->\n```\nmore";
        assert_eq!(errors_of(text, REAL), [""; 0]);
    }

    #[test]
    fn every_difference_is_named() {
        let text = "```arrows\nmap -> stdx\nold ->\n```\n";
        let errors = errors_of(text, REAL).join("\n");
        for part in ["not draw `crush`", "not draw `map -> crush`", "draws `map -> stdx`", "draws `old`"] {
            assert!(errors.contains(part), "{part} is not in:\n{errors}");
        }
    }

    #[test]
    fn a_block_that_cannot_be_read_is_an_error() {
        for text in
            ["no block", "```arrows\nmap -> crush", "```arrows\nmap crush\n```", "```arrows\na ->\na ->\n```"]
        {
            assert_eq!(errors_of(text, REAL).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_printed_block_is_what_the_check_wants() {
        let text = format!("```arrows\n{}```\n", block(&graph(REAL)));
        assert_eq!(errors_of(&text, REAL), [""; 0]);
    }
}
