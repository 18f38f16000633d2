//! One of the two that are compared: where it serves S3, and which processes it is.

use crate::ceph::Ceph;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tests_cluster::{Cluster, Options, S3};

/// What keeps a side's processes alive.
enum Keeper {
    /// Started here, ended with this value.
    Cluster(#[expect(dead_code, reason = "held for its end")] Box<Cluster>),
    Ceph(#[expect(dead_code, reason = "held for its end")] Box<Ceph>),
    /// Somebody else's.
    Nobody,
}

/// A running store.
pub(crate) struct Side {
    /// As the table calls it.
    pub(crate) name: &'static str,
    /// Its S3 door, with keys.
    pub(crate) s3: S3,
    /// The storage class in which its objects are put; none: STANDARD.
    pub(crate) class: Option<&'static str>,
    /// Its processes: kind (`gateway`, `osd`, `other`) and pid.
    pub(crate) processes: Vec<(&'static str, i32)>,
    /// Where its data is.
    pub(crate) dir: PathBuf,
    _keeper: Keeper,
}

impl Side {
    /// A cluster of ours, made for this run.
    pub(crate) fn start_nacre(link: &str, osd_size: &'static str) -> Result<Side, String> {
        let extra = vec!["--link".to_string(), link.to_string()];
        let cluster = Cluster::start("bench-s3", Options { osd_size, extra, ..Options::default() });
        let dir = cluster.dir();
        Ok(Side { _keeper: Keeper::Cluster(Box::new(cluster)), ..Side::attach_nacre(&dir)? })
    }

    /// A cluster of ours that runs already, whose data is in `dir`.
    pub(crate) fn attach_nacre(dir: &Path) -> Result<Side, String> {
        let file = dir.join("cluster.json");
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let advert: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let word = |field: &str| {
            let found = advert[field].as_str().map(str::to_string);
            found.ok_or_else(|| format!("{}: no field {field:?}", file.display()))
        };
        let daemons = advert["daemons"].as_array().cloned().unwrap_or_default();
        let processes = daemons.iter().filter_map(|daemon| {
            let kind = kind_of(daemon["name"].as_str()?);
            Some((kind, i32::try_from(daemon["pid"].as_i64()?).ok()?))
        });
        let host = word("s3")?;
        let s3 = S3::new(host.trim_start_matches("http://"), &word("access_key")?, &word("secret_key")?);
        let (processes, dir) = (processes.collect(), dir.to_path_buf());
        Ok(Side { name: "nacre", s3, class: None, processes, dir, _keeper: Keeper::Nobody })
    }

    /// The same under another name, its objects being put in a class.
    pub(crate) fn called(self, name: &'static str, class: Option<&'static str>) -> Side {
        Side { name, class, ..self }
    }

    /// A Ceph: what `dir` holds, started if it does not run; a new one if there is none. It is stopped with this
    /// value if it was started here.
    pub(crate) fn ceph(dir: &Path, osd_gib: u64) -> Result<Side, String> {
        let ceph = Ceph::start(dir, osd_gib)?;
        let s3 = S3::new(&ceph.s3()?, crate::ceph::ACCESS_KEY, crate::ceph::SECRET_KEY);
        let processes = ceph.processes().into_iter().map(|(name, pid)| (kind_of(&name), pid)).collect();
        let dir = dir.to_path_buf();
        Ok(Side { name: "ceph", s3, class: None, processes, dir, _keeper: Keeper::Ceph(Box::new(ceph)) })
    }
}

fn kind_of(daemon: &str) -> &'static str {
    match daemon.split('.').next() {
        Some("gateway" | "rgw") => "gateway",
        Some("osd") => "osd",
        _ => "other",
    }
}
