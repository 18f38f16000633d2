//! The waterline (design decision D5): the pure packages reach no clock, socket, file, thread or entropy.
//!
//! Two halves. Calls into `std` are banned by a `clippy.toml` in each pure package (clippy carries the ban out; here we
//! only see to it that the file is there and says the same everywhere). Crates that would bring the outside world in
//! must not be anywhere in what a pure package is built from; its tests may use what they like.

use super::{Findings, Tree};

/// The pure packages: name, folder. The one list; a package that is not there yet is passed over.
const PURE: &[(&str, &str)] = &[
    ("crush", "crush"),
    ("erasure", "erasure"),
    ("stdx", "stdx"),
    ("placement-map", "placement/map"),
    ("osd-object", "osd/object"),
    ("osd-class", "osd/class"),
    ("wire-codec", "wire/codec"),
    ("osd-pg", "osd/pg"),
    ("gateway-objecter", "gateway/objecter"),
];

/// Crates that act: runtimes, sockets, storage, entropy.
const BANNED: &[&str] = &["tokio", "rocksdb", "openraft", "mio", "socket2", "getrandom", "rand"];

/// The text that every pure package's clippy.toml must equal.
const ORIGINAL: &str = "stdx/clippy.toml";

/// Checks every pure package that is a member of the workspace.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let Some(original) = tree.text(ORIGINAL) else {
        findings.error(format!("{ORIGINAL} is missing: it holds the bans of every pure package"));
        return;
    };
    let members = tree.graph.members();
    for (name, folder) in PURE {
        let Some(package) = members.get(name) else { continue };
        if package.folder.as_deref() != Some(folder) {
            findings.error(format!("{name} should be in {folder}: a package's name is its path"));
        }
        let copy = format!("{folder}/clippy.toml");
        match tree.text(&copy) {
            Some(text) if text == original => {}
            Some(_) => {
                findings.error(format!("{copy} differs from {ORIGINAL}: copy it (cp {ORIGINAL} {copy})"))
            }
            None => findings.error(format!("{copy} is missing: {name} is pure (cp {ORIGINAL} {copy})")),
        }
        for banned in BANNED {
            if let Some(chain) = tree.graph.chain(name, |p| p.name == *banned) {
                findings.error(format!("{name} is pure but is built with {banned}: {}", chain.join(" -> ")));
            }
        }
        for other in package.arrows.iter().filter(|other| !PURE.iter().any(|(pure, _)| pure == other)) {
            findings.error(format!("{name} is pure but depends on {other}, which is above the waterline"));
        }
    }
    for (name, package) in members {
        let manifest = format!("{}/Cargo.toml", package.folder.as_deref().unwrap_or_default());
        if !tree.text(&manifest).is_some_and(|text| takes_workspace_lints(&text)) {
            findings.error(format!(
                "{manifest}: {name} must say `[lints]` and `workspace = true`: the bans are denied there"
            ));
        }
    }
}

/// Whether the manifest has a `[lints]` table that holds `workspace = true`.
fn takes_workspace_lints(manifest: &str) -> bool {
    let table = manifest
        .lines()
        .map(str::trim)
        .skip_while(|l| *l != "[lints]")
        .skip(1)
        .take_while(|l| !l.starts_with('['));
    table.map(|l| l.replace(' ', "")).any(|l| l == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::graph;
    use crate::tidy::tests::{findings, tree};

    const LINTS: &str = "[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n";

    fn errors_of(files: &[(&str, &str)], lines: &[&str]) -> Vec<String> {
        let mut all = vec![
            ("stdx/clippy.toml", "bans"),
            ("stdx/Cargo.toml", LINTS),
            ("crush/Cargo.toml", LINTS),
            ("nacre/Cargo.toml", LINTS),
        ];
        all.retain(|(path, _)| !files.iter().any(|(p, _)| p == path));
        all.extend(files);
        findings(check, &tree(&all, graph(lines))).0
    }

    #[test]
    fn a_pure_package_with_its_bans_and_pure_dependencies_passes() {
        let good =
            errors_of(&[("crush/clippy.toml", "bans")], &["crush -> stdx Bytes", "stdx ->", "Bytes ->"]);
        assert_eq!(good, [""; 0]);
    }

    #[test]
    fn missing_or_different_bans_are_found() {
        assert!(errors_of(&[], &["crush ->"])[0].contains("crush/clippy.toml is missing"));
        assert!(errors_of(&[("crush/clippy.toml", "weaker")], &["crush ->"])[0].contains("differs"));
    }

    #[test]
    fn a_banned_crate_is_found_through_others_and_the_way_is_shown() {
        for banned in BANNED {
            let mut capital = banned.to_string();
            capital[..1].make_ascii_uppercase();
            let lines =
                ["stdx -> Helper".to_owned(), format!("Helper -> {capital}"), format!("{capital} ->")];
            let errors = errors_of(&[], &lines.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].contains(&format!("stdx -> helper -> {banned}")), "{errors:?}");
        }
    }

    #[test]
    fn a_package_above_the_line_may_use_what_it_likes_but_not_be_used_from_below() {
        assert_eq!(errors_of(&[], &["nacre -> Tokio stdx", "stdx ->", "Tokio ->"]), [""; 0]);
        let errors = errors_of(&[], &["stdx -> nacre", "nacre ->"]);
        assert!(errors[0].contains("above the waterline"), "{errors:?}");
    }

    #[test]
    fn every_package_takes_the_lints_of_the_workspace() {
        assert!(takes_workspace_lints(LINTS));
        assert!(!takes_workspace_lints("[lints]\n[dependencies]\nworkspace = true\n"));
        let errors = errors_of(&[("nacre/Cargo.toml", "[package]\n")], &["nacre ->"]);
        assert!(errors[0].contains("nacre/Cargo.toml"), "{errors:?}");
    }
}
