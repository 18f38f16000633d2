//! What is refused before anything is changed: exit code 2 and one clear sentence each.

use super::words::UpArgs;
use crate::cluster::advert::FirstUser;
use crate::cluster::layout::Layout;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use crate::size;
use gateway_s3::storage::{Secret, check_key_pair};
use std::path::Path;

/// Space that must stay free on the disk besides the stores: logs, indexes, monitors.
const SPARE_BYTES: u64 = 256 << 20;

/// The cluster that DIR holds; `None` for an absent or empty DIR. Refuses a DIR of anything else.
pub(crate) fn existing_cluster(layout: &Layout) -> Result<Option<ClusterSettings>, Failure> {
    if let Some(settings) = ClusterSettings::load(layout)? {
        return Ok(Some(settings));
    }
    let root = layout.root();
    match std::fs::read_dir(root) {
        Ok(mut entries) => match entries.find(|e| !e.as_ref().is_ok_and(|e| ours(&e.file_name()))) {
            None => Ok(None),
            Some(_) => Err(Failure::unusable(format!(
                "{} is not empty and holds no cluster of nacre; choose another --data, or empty it yourself",
                root.display()
            ))),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::unusable(format!("{} cannot be read: {e}", root.display()))),
    }
}

/// What an `up` that was killed while it prepared may have left: safe to write over, since
/// cluster.toml, written last, is missing.
fn ours(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    ["conf", "keys", "log", "run", "up.lock"].contains(&&*name)
        || name.starts_with("mon.")
        || name.starts_with("osd.")
}

/// Whether the key pair that was given is one that the first user can have, or has.
pub(super) fn key_pair(args: &UpArgs, kept: Option<&FirstUser>) -> Result<(), Failure> {
    let (Some(access), Some(secret)) = (&args.access_key, &args.secret_key) else { return Ok(()) };
    check_key_pair(access, &Secret::new(secret))
        .map_err(|e| Failure::unusable(format!("--access-key, --secret-key: {}", e.message())))?;
    match kept {
        Some(kept) if (&kept.access_key, &kept.secret_key) != (access, secret) => {
            Err(Failure::unusable(format!(
                "the first user of this cluster has another key pair (access key {}) since it was made; leave \
             --access-key out, and add pairs with `nacre user key create`",
                kept.access_key
            )))
        }
        _ => Ok(()),
    }
}

/// What a new cluster needs: sensible numbers and enough disk.
pub(super) fn new_cluster(args: &UpArgs, root: &Path) -> Result<(), Failure> {
    if ![1, 3, 5].contains(&args.mons()) {
        return Err(Failure::unusable(format!("--mons {}: a quorum has 1, 3 or 5 monitors", args.mons())));
    }
    if args.pool_size() > args.osds() {
        return Err(Failure::unusable(format!(
            "--pool-size {} wants as many OSDs, there are {}; raise --osds or lower --pool-size",
            args.pool_size(),
            args.osds()
        )));
    }
    osds_fit(root, args.osds(), args.osd_size())
}

/// Whether so many stores of this size fit on the disk of `root`.
pub(crate) fn osds_fit(root: &Path, osds: u32, osd_size: u64) -> Result<(), Failure> {
    if osd_size < 256 << 20 {
        return Err(Failure::unusable(format!(
            "--osd-size {}: an OSD has at least 256 MiB",
            size::show(osd_size)
        )));
    }
    let there = root.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(there).or_unusable(there.display())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let wanted = osd_size.saturating_mul(u64::from(osds)).saturating_add(SPARE_BYTES);
    if free < wanted {
        return Err(Failure::unusable(format!(
            "{} OSDs of {} want {} on the disk of {}, which has {} free; lower --osd-size or --osds",
            osds,
            size::show(osd_size),
            size::show(wanted),
            there.display(),
            size::show(free)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn args(words: &[&str]) -> UpArgs {
        let cli = crate::cli::Cli::parse_from([&["nacre", "up"], words].concat());
        match cli.command {
            crate::cli::Command::Up(args) => args,
            _ => unreachable!("up was asked for"),
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        let root = Path::new("/");
        for (words, says) in [
            (&["--mons", "2"][..], "1, 3 or 5"),
            (&["--osds", "2"][..], "lower --pool-size"),
            (&["--osd-size", "1M"][..], "at least 256 MiB"),
            (&["--osd-size", "100000T"][..], "lower --osd-size"),
        ] {
            let failure = new_cluster(&args(words), root).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(failure.sentence.contains(says), "{failure}");
        }
    }

    #[test]
    fn key_pairs_that_cannot_be_are_refused_before_anything_is_made() {
        let given = |access, secret| args(&["--access-key", access, "--secret-key", secret]);
        let kept = FirstUser { access_key: "akakakak".into(), secret_key: "sksksksk".into() };
        for (pair, says) in [(given("ak", "sksksksk"), "3 to 128"), (given("akakakak", "short"), "8 to 128")]
        {
            let failure = key_pair(&pair, None).unwrap_err();
            assert!(failure.code == 2 && failure.sentence.contains(says), "{failure}");
            assert!(!failure.sentence.contains("short"), "a secret is not printed");
        }
        assert!(key_pair(&args(&[]), Some(&kept)).is_ok());
        assert!(key_pair(&given("akakakak", "sksksksk"), Some(&kept)).is_ok());
        let failure = key_pair(&given("akakakak", "another-secret"), Some(&kept)).unwrap_err();
        assert!(failure.code == 2 && failure.sentence.contains("user key create"), "{failure}");
    }
}
