//! The packages of the workspace and everything they resolve to, as `cargo metadata` tells it.

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One resolved package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence as an SPDX expression, if it states one.
    pub(crate) license: Option<String>,
    /// Its folder relative to the root; only for packages of the workspace.
    pub(crate) folder: Option<String>,
    /// What it resolves to for itself and for its build script, on any platform (ids).
    pub(crate) uses: BTreeSet<String>,
    /// The same for its tests, examples and benches only. Cargo resolves these for workspace packages alone.
    pub(crate) dev_uses: BTreeSet<String>,
    /// Names of the workspace packages that it depends on with a normal dependency (no build, no dev).
    pub(crate) arrows: BTreeSet<String>,
}

impl Package {
    /// Whether the package is ours.
    pub(crate) fn is_member(&self) -> bool {
        self.folder.is_some()
    }
}

/// All resolved packages by cargo's package id.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Id to package.
    pub(crate) packages: BTreeMap<String, Package>,
}

impl Graph {
    /// Asks cargo. A Cargo.lock that would have to change is an error: CI must build what was committed.
    pub(crate) fn load(places: &Places) -> Result<Graph, Failure> {
        let json =
            process::output(process::cargo(places).args(["metadata", "--format-version", "1", "--locked"]))
                .map_err(|e| match e {
                Failure::Check(text) => Failure::Check(format!(
                    "{text}; if Cargo.lock is out of date, run `cargo metadata >/dev/null` and commit it"
                )),
                other => other,
            })?;
        Graph::parse(&json)
    }

    /// Reads the JSON of `cargo metadata --format-version 1`.
    pub(crate) fn parse(json: &str) -> Result<Graph, Failure> {
        let value: Value = serde_json::from_str(json).map_err(|e| {
            Failure::Machine(format!("cargo metadata printed something that is not JSON: {e}"))
        })?;
        read(&value).ok_or_else(|| {
            Failure::Machine("cargo metadata has another shape than xtask/src/metadata.rs expects".into())
        })
    }

    /// Our own packages, by name.
    pub(crate) fn members(&self) -> BTreeMap<&str, &Package> {
        self.packages.values().filter(|p| p.is_member()).map(|p| (p.name.as_str(), p)).collect()
    }

    /// The shortest chain of packages from the member `from` to a package that `wanted` accepts, following what is
    /// built into `from` and into its build scripts, not what its tests use. Names, `from` first.
    pub(crate) fn chain(&self, from: &str, wanted: impl Fn(&Package) -> bool) -> Option<Vec<String>> {
        let start = self.packages.iter().find(|(_, p)| p.is_member() && p.name == from)?.0;
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start.as_str()]);
        while let Some(id) = queue.pop_front() {
            let package = self.packages.get(id)?;
            if id != start && wanted(package) {
                let mut chain = vec![package.name.clone()];
                let mut at = id;
                while let Some(before) = came_from.get(at) {
                    chain.push(self.packages.get(*before)?.name.clone());
                    at = before;
                }
                chain.reverse();
                return Some(chain);
            }
            for next in &package.uses {
                if next != start && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, id);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// Names of the outside packages that some member names in its Cargo.toml, tests included.
    pub(crate) fn bought(&self) -> BTreeSet<&str> {
        let ours = self.packages.values().filter(|p| p.is_member());
        ours.flat_map(|p| p.uses.iter().chain(&p.dev_uses))
            .filter_map(|id| self.packages.get(id))
            .filter(|p| !p.is_member())
            .map(|p| p.name.as_str())
            .collect()
    }
}

fn read(value: &Value) -> Option<Graph> {
    let root = value.get("workspace_root")?.as_str()?;
    let members: BTreeSet<&str> =
        value.get("workspace_members")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let mut graph = Graph::default();
    for package in value.get("packages")?.as_array()? {
        let id = package.get("id")?.as_str()?;
        let folder = if members.contains(id) {
            let manifest = package.get("manifest_path")?.as_str()?;
            let folder = manifest.strip_prefix(root)?.strip_suffix("/Cargo.toml")?;
            Some(folder.trim_start_matches('/').to_owned())
        } else {
            None
        };
        graph.packages.insert(
            id.to_owned(),
            Package {
                name: package.get("name")?.as_str()?.to_owned(),
                version: package.get("version")?.as_str()?.to_owned(),
                license: package.get("license")?.as_str().map(str::to_owned),
                folder,
                ..Package::default()
            },
        );
    }
    let member_names: BTreeMap<&str, String> =
        members.iter().filter_map(|id| Some((*id, graph.packages.get(*id)?.name.clone()))).collect();
    for node in value.get("resolve")?.get("nodes")?.as_array()? {
        let package = graph.packages.get_mut(node.get("id")?.as_str()?)?;
        for dep in node.get("deps")?.as_array()? {
            let to = dep.get("pkg")?.as_str()?;
            // A kind is null (normal), "build" or "dev"; one dependency can be of several.
            for kind in dep.get("dep_kinds")?.as_array()? {
                match kind.get("kind")?.as_str() {
                    Some("dev") => package.dev_uses.insert(to.to_owned()),
                    Some(_) => package.uses.insert(to.to_owned()),
                    None => {
                        if let Some(name) = member_names.get(to) {
                            package.arrows.insert(name.clone());
                        }
                        package.uses.insert(to.to_owned())
                    }
                };
            }
        }
    }
    Some(graph)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph of members (folder = name) and outside packages, from lines `pkg -> dep dep`; a name that starts with
    /// a capital letter is an outside package.
    pub(crate) fn graph(lines: &[&str]) -> Graph {
        let mut graph = Graph::default();
        let outside = |name: &str| name.starts_with(char::is_uppercase);
        for line in lines {
            let (name, deps) = line.split_once("->").expect("an arrow");
            let name = name.trim();
            let deps: Vec<&str> = deps.split_whitespace().collect();
            let package = Package {
                name: name.to_lowercase(),
                version: "1.2.3".into(),
                license: Some("MIT".into()),
                folder: (!outside(name)).then(|| name.to_owned()),
                uses: deps.iter().map(|d| d.to_string()).collect(),
                arrows: deps.iter().filter(|d| !outside(d)).map(|d| d.to_string()).collect(),
                ..Package::default()
            };
            graph.packages.insert(name.to_owned(), package);
        }
        graph
    }

    #[test]
    fn cargo_metadata_is_read_with_kinds_told_apart() {
        let json = r#"{
            "workspace_root": "/r", "workspace_members": ["a-id", "b-id"],
            "packages": [
                {"id": "a-id", "name": "a", "version": "0.1.0", "license": null, "manifest_path": "/r/x/a/Cargo.toml"},
                {"id": "b-id", "name": "b", "version": "0.1.0", "license": null, "manifest_path": "/r/b/Cargo.toml"},
                {"id": "t-id", "name": "tool", "version": "2.0.0", "license": "MIT", "manifest_path": "/c/t/Cargo.toml"},
                {"id": "p-id", "name": "prop", "version": "2.0.0", "license": "MIT", "manifest_path": "/c/p/Cargo.toml"}],
            "resolve": {"nodes": [
                {"id": "a-id", "deps": [
                    {"pkg": "b-id", "dep_kinds": [{"kind": null, "target": null}]},
                    {"pkg": "t-id", "dep_kinds": [{"kind": "build", "target": null}]},
                    {"pkg": "p-id", "dep_kinds": [{"kind": "dev", "target": null}]}]},
                {"id": "b-id", "deps": []}, {"id": "t-id", "deps": []}, {"id": "p-id", "deps": []}]}}"#;
        let graph = Graph::parse(json).expect("good JSON");
        let members = graph.members();
        let a = members.get("a").expect("a");
        assert_eq!(a.folder.as_deref(), Some("x/a"));
        assert_eq!(a.arrows, BTreeSet::from(["b".to_owned()]));
        assert_eq!(a.uses, BTreeSet::from(["b-id".to_owned(), "t-id".to_owned()]));
        assert_eq!(graph.bought(), BTreeSet::from(["prop", "tool"]));
        assert!(Graph::parse("{}").is_err());
        assert!(Graph::parse("not JSON").is_err());
    }

    #[test]
    fn a_chain_is_the_shortest_way_and_ignores_the_packages_tests() {
        let mut g =
            graph(&["a -> b Mid", "b -> Far", "Mid -> Tokio", "Far -> Mid", "Tokio ->", "Dev -> Tokio"]);
        let chain = |g: &Graph, from: &str| g.chain(from, |p| p.name == "tokio");
        assert_eq!(chain(&g, "a").expect("reaches it"), ["a", "mid", "tokio"]);
        assert_eq!(chain(&g, "b").expect("reaches it"), ["b", "far", "mid", "tokio"]);
        let clean = Package { dev_uses: BTreeSet::from(["Dev".to_owned()]), ..g.packages["b"].clone() };
        g.packages.insert("b".into(), Package { uses: BTreeSet::new(), ..clean });
        assert_eq!(chain(&g, "b"), None);
    }
}
