//! Licences and banned crates: the rules of deny.toml, which is in cargo-deny's own format.
//!
//! Checked here so that it always happens; when cargo-deny is installed it has its say as well (it reads licence texts
//! and the origin of crates, too; its advisories need the network and are not asked for).

use super::{Findings, Tree};
use crate::metadata::{Graph, Package};
use crate::process;
use crate::spdx;
use std::collections::BTreeSet;

const FILE: &str = "deny.toml";

/// Checks every resolved package, on whatever platform it would be used.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let rules = match tree.text(FILE).ok_or_else(|| "is missing".to_owned()).and_then(|text| parse(&text)) {
        Ok(rules) => rules,
        Err(error) => return findings.error(format!("{FILE}: {error}")),
    };
    apply(&rules, &tree.graph, findings);
    if process::which("cargo-deny").is_some()
        && let Err(failure) =
            process::run(process::cargo(&tree.places).args(["deny", "check", "bans", "licenses", "sources"]))
    {
        findings.error(failure.to_string());
    }
}

#[derive(Debug, Default)]
struct Rules {
    allowed_licences: BTreeSet<String>,
    banned: Vec<Ban>,
}

#[derive(Debug, PartialEq, Eq)]
struct Ban {
    name: String,
    /// Only versions whose first number is below this; all when `None`.
    below_major: Option<u64>,
}

impl Ban {
    /// `openssl` or `protobuf@<3`.
    fn parse(spec: &str) -> Result<Ban, String> {
        let (name, below_major) = match spec.split_once('@') {
            None => (spec, None),
            Some((name, version)) => {
                let number = version.strip_prefix('<').and_then(|v| v.parse().ok());
                let number = number
                    .ok_or_else(|| format!("`{spec}`: only NAME and NAME@<MAJOR are understood here"))?;
                (name, Some(number))
            }
        };
        Ok(Ban { name: name.to_owned(), below_major })
    }

    fn hits(&self, package: &Package) -> bool {
        let major = || package.version.split('.').next().and_then(|v| v.parse::<u64>().ok());
        self.name == package.name && self.below_major.is_none_or(|below| major().is_none_or(|m| m < below))
    }
}

fn apply(rules: &Rules, graph: &Graph, findings: &mut Findings) {
    for package in graph.packages.values() {
        let what = format!("{} {}", package.name, package.version);
        match package.license.as_deref().map(|l| (l, spdx::satisfied(l, &rules.allowed_licences))) {
            Some((_, Ok(true))) => {}
            Some((licence, Ok(false))) => {
                findings.error(format!("{what}: its licence {licence} is not allowed in {FILE}"))
            }
            Some((_, Err(error))) => findings.error(format!("{what}: {error}")),
            None => findings.error(format!("{what}: states no licence")),
        }
        if !package.is_member() && rules.banned.iter().any(|ban| ban.hits(package)) {
            let chains: Vec<String> = graph
                .members()
                .keys()
                .filter_map(|m| graph.chain(m, |p| p.name == package.name))
                .map(|c| c.join(" -> "))
                .collect();
            let way = chains
                .iter()
                .min_by_key(|c| c.len())
                .cloned()
                .unwrap_or_else(|| "a test's dependency".into());
            findings.error(format!("{what} is banned in {FILE} ({way})"));
        }
    }
}

/// Reads the two lists we need from the TOML text: `allow` in `[licenses]`, `deny` in `[bans]`. This is not a TOML
/// parser: it wants these two as arrays, and says so when it does not find them.
fn parse(text: &str) -> Result<Rules, String> {
    let allowed = strings(&array(text, "licenses", "allow")?);
    let mut rules = Rules { allowed_licences: allowed.into_iter().collect(), banned: Vec::new() };
    for entry in tables(&array(text, "bans", "deny")?) {
        let spec = value_of(&entry, "crate")
            .ok_or_else(|| format!("the ban {{{entry}}} has no `crate = \"...\"`"))?;
        rules.banned.push(Ban::parse(&spec)?);
    }
    Ok(rules)
}

/// What stands between the brackets of `key = [ ... ]` in `[table]`, comments taken out.
fn array(text: &str, table: &str, key: &str) -> Result<String, String> {
    let missing = || format!("has no array `{key}` in [{table}]");
    let header = format!("[{table}]");
    let lines = text.lines().map(without_comment).skip_while(|l| l.trim() != header).skip(1);
    let body: Vec<&str> = lines.take_while(|l| !l.starts_with('[')).collect();
    let start =
        body.iter().position(|l| l.split('=').next().is_some_and(|k| k.trim() == key)).ok_or_else(missing)?;
    let body = body[start..].join("\n");
    let inside = body.split_once('[').ok_or_else(missing)?.1;
    let end = outside_strings(inside).find(|(_, c)| *c == ']').ok_or_else(missing)?.0;
    Ok(inside[..end].to_owned())
}

fn without_comment(line: &str) -> &str {
    let comment = outside_strings(line).find(|(_, c)| *c == '#').map(|(i, _)| i);
    comment.map_or(line, |i| &line[..i])
}

/// The characters that are not inside "strings" (our file uses no escapes in them).
fn outside_strings(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut inside = false;
    text.char_indices().filter(move |(_, c)| {
        if *c == '"' {
            inside = !inside;
        }
        !inside
    })
}

fn strings(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The insides of `{ ... }, { ... }`.
fn tables(text: &str) -> Vec<String> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split('}').next()?.trim().to_owned())).collect()
}

/// The string that `key` has in the inside of an inline table.
fn value_of(table: &str, key: &str) -> Option<String> {
    let rest = table.split_once(key)?.1.trim_start().strip_prefix('=')?;
    strings(rest).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::graph;

    const TEXT: &str = r#"
[graph]
all-features = true

[licenses]
confidence-threshold = 0.9
allow = [
    "MIT",   # the "usual" one
    # "GPL-3.0",
    "ISC",
]

[bans]
multiple-versions = "allow"
deny = [
    { crate = "openssl", reason = "C; rustls is ours [really]" },
    { crate = "protobuf@<3", reason = "old" },
]
"#;

    fn errors_of(mut change: impl FnMut(&mut Package)) -> Vec<String> {
        let mut graph = graph(&["nacre -> Helper", "Helper -> Other", "Other ->"]);
        change(graph.packages.get_mut("Other").expect("there"));
        let mut findings = Findings::default();
        apply(&parse(TEXT).expect("good rules"), &graph, &mut findings);
        findings.errors
    }

    #[test]
    fn the_two_lists_are_read_from_cargo_denys_format() {
        let rules = parse(TEXT).expect("good rules");
        assert_eq!(rules.allowed_licences, BTreeSet::from(["ISC".to_owned(), "MIT".to_owned()]));
        assert_eq!(rules.banned.len(), 2);
        assert_eq!(rules.banned[1], Ban { name: "protobuf".into(), below_major: Some(3) });
        for bad in [
            "",
            "[licenses]\nallow = 3\n",
            "[licenses]\nallow = []\n",
            &TEXT.replace("@<3", "@=3.1"),
            &TEXT.replace("crate", "name"),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn licences_must_be_stated_and_allowed() {
        assert_eq!(errors_of(|_| {}), [""; 0]);
        assert!(errors_of(|p| p.license = Some("GPL-3.0".into()))[0].contains("GPL-3.0 is not allowed"));
        assert_eq!(errors_of(|p| p.license = Some("GPL-3.0 OR ISC".into())), [""; 0]);
        assert!(errors_of(|p| p.license = None)[0].contains("no licence"));
    }

    #[test]
    fn banned_crates_are_named_with_the_way_to_them() {
        let errors = errors_of(|p| p.name = "openssl".into());
        assert!(errors[0].contains("nacre -> helper -> openssl"), "{errors:?}");
        let protobuf = |version: &str| {
            errors_of(|p| {
                p.name = "protobuf".into();
                p.version = version.into();
            })
        };
        assert_eq!(protobuf("2.28.0").len(), 1);
        assert_eq!(protobuf("3.0.1"), [""; 0]);
    }
}
