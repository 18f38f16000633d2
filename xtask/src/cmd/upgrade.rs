//! The program of an earlier commit, built from this repository's own history, and the test that upgrades from it.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The commit that is upgraded from: the earliest whose clusters this program must still be able to take over. From the first
/// release on it moves only with a release; until then also when messages between daemons change without a version,
/// as they did before this one (docs/TESTING.md).
const EARLIER: &str = "d28f198701241bcbe44ddac9b8dab30e4bc4a442";

/// Builds it if that was not done before, and runs the test.
pub(crate) fn run(places: &Places) -> Result<(), Failure> {
    let old = earlier(places)?;
    let mut command = cargo(places);
    command.args([
        "test",
        "--release",
        "-p",
        "tests-cluster",
        "--test",
        "rolling_upgrade",
        "--",
        "--nocapture",
    ]);
    process::run(command.env("NACRE_OLD_BIN", old).env("NACRE_BIN", places.nacre()))
}

/// The earlier program: kept in the cache, by its commit.
fn earlier(places: &Places) -> Result<PathBuf, Failure> {
    let folder = places.cache.join("earlier").join(EARLIER);
    let kept = folder.join("nacre");
    if kept.is_file() {
        return Ok(kept);
    }
    let source = folder.join("source");
    std::fs::create_dir_all(&source).map_err(|e| Failure::io("making", &source, e))?;
    let archive = folder.join("source.tar");
    let git = ["archive", "--format=tar", "--output"];
    process::run(Command::new("git").args(git).arg(&archive).arg(EARLIER).current_dir(&places.root))?;
    process::run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source))?;
    // A target folder of its own: the two would otherwise throw out each other's work.
    let target = folder.join("target");
    let build = ["build", "--release", "-p", "nacre", "--manifest-path"];
    let mut command = cargo(places);
    command.args(build).arg(source.join("Cargo.toml")).env("CARGO_TARGET_DIR", &target);
    process::run(command.current_dir(&source))?;
    move_to(&target.join("release").join("nacre"), &kept)?;
    for folder in [&source, &target] {
        std::fs::remove_dir_all(folder).map_err(|e| Failure::io("removing", folder, e))?;
    }
    Ok(kept)
}

fn move_to(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|e| Failure::io("moving", from, e))
}
