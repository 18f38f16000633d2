//! The checks of our own that no off-the-shelf tool makes. A new one is a file here and a line in [`CHECKS`].

pub(crate) mod arrows;
mod bought;
mod deny;
mod doc_paths;
mod forbidden;
mod length;
mod machine_paths;
mod opening;
mod waterline;

use crate::failure::Failure;
use crate::files::{self, Tracked};
use crate::metadata::Graph;
use crate::places::Places;

/// What the checks look at; read once.
pub(crate) struct Tree {
    /// The folders.
    places: Places,
    /// Every tracked file with its text.
    files: Vec<Tracked>,
    /// Every resolved package.
    graph: Graph,
}

impl Tree {
    fn load(places: &Places) -> Result<Tree, Failure> {
        Ok(Tree { places: places.clone(), files: files::tracked(places)?, graph: Graph::load(places)? })
    }

    /// The text of the tracked or at least existing file `path`.
    fn text(&self, path: &str) -> Option<String> {
        match self.files.iter().find(|f| f.path == path) {
            Some(file) => Some(file.text.clone()),
            None => std::fs::read_to_string(self.places.root.join(path)).ok(),
        }
    }

    /// Whether `path` (a file or a folder) exists in the checkout.
    fn exists(&self, path: &str) -> bool {
        self.places.root.join(path).exists()
    }
}

/// What a check found. Each line says where, what, and what to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// These fail the run.
    errors: Vec<String>,
    /// These are only shown.
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// One check.
pub(crate) struct Check {
    /// Its name for `--only`.
    pub(crate) name: &'static str,
    about: &'static str,
    run: fn(&Tree, &mut Findings),
}

/// All checks, in the order they run.
pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "opening",
        about: "every Rust file says in its first line what it is for",
        run: opening::check,
    },
    Check { name: "forbidden", about: "no stub and no switched-off test", run: forbidden::check },
    Check { name: "length", about: "no file has grown past what one idea needs", run: length::check },
    Check {
        name: "machine-paths",
        about: "no file names a path of somebody's machine",
        run: machine_paths::check,
    },
    Check {
        name: "waterline",
        about: "the pure packages reach no clock, socket, thread, entropy",
        run: waterline::check,
    },
    Check {
        name: "arrows",
        about: "docs/ARCHITECTURE.md draws the dependencies that are there",
        run: arrows::check,
    },
    Check {
        name: "doc-paths",
        about: "paths and links in the documents lead somewhere",
        run: doc_paths::check,
    },
    Check {
        name: "bought",
        about: "docs/decisions/0001-dependencies.md has a reason for each",
        run: bought::check,
    },
    Check { name: "deny", about: "licences and banned crates (deny.toml)", run: deny::check },
];

/// Runs the checks in `only` (all when empty), shows everything they found, and fails if one found an error.
pub(crate) fn run(places: &Places, only: &[&str]) -> Result<(), Failure> {
    if let Some(stranger) = only.iter().find(|name| !CHECKS.iter().any(|c| c.name == **name)) {
        let names: Vec<&str> = CHECKS.iter().map(|c| c.name).collect();
        return Err(Failure::Usage(format!(
            "there is no check `{stranger}`; the checks are: {}",
            names.join(" ")
        )));
    }
    let tree = Tree::load(places)?;
    let mut failed: Vec<&str> = Vec::new();
    for check in CHECKS.iter().filter(|c| only.is_empty() || only.contains(&c.name)) {
        let mut findings = Findings::default();
        (check.run)(&tree, &mut findings);
        let verdict = if findings.errors.is_empty() { "ok" } else { "NO" };
        println!("{verdict:<3} {:<14} {}", check.name, check.about);
        findings.warnings.iter().for_each(|w| println!("      warning: {w}"));
        findings.errors.iter().for_each(|e| println!("      {e}"));
        if !findings.errors.is_empty() {
            failed.push(check.name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!("tidy found errors in: {}", failed.join(", "))))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree of files that are only in memory.
    pub(crate) fn tree(files: &[(&str, &str)], graph: Graph) -> Tree {
        let nowhere = std::path::PathBuf::from("/nonexistent");
        let places = Places { root: nowhere.clone(), cache: nowhere.clone(), target: nowhere };
        let files = files.iter().map(|(p, t)| Tracked { path: p.to_string(), text: t.to_string() }).collect();
        Tree { places, files, graph }
    }

    /// What `check` says about `tree`.
    pub(crate) fn findings(check: fn(&Tree, &mut Findings), tree: &Tree) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        check(tree, &mut findings);
        (findings.errors, findings.warnings)
    }

    /// The errors of `check` on files that are only in memory.
    pub(crate) fn errors(check: fn(&Tree, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
        findings(check, &tree(files, Graph::default())).0
    }

    #[test]
    fn names_of_checks_are_unique() {
        for check in CHECKS {
            assert_eq!(CHECKS.iter().filter(|c| c.name == check.name).count(), 1, "{}", check.name);
        }
    }
}
