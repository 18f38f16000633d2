//! aws-cli, boto3, minio-py and rgwadmin, from PyPI, in a virtual environment of our own under the cache folder.
//!
//! An environment because Debian 12 refuses `pip install` outside of one (its "externally managed" marker), and
//! because the versions in Debian are older than the default checksums that the tests are about.

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed. 1.36 of boto3 (1.37 of aws-cli) is where the SDKs began to send checksums by default.
const REQUIREMENTS: &[&str] = &["awscli>=1.37", "boto3>=1.36", "minio>=7.2", "rgwadmin>=2.4"];

/// Written last: an environment without it was interrupted and is made anew.
const STAMP: &str = "nacre-requirements.txt";

/// The Debian package that is missing before an environment can be made, if one has to be made.
pub(crate) fn missing_package(places: &Places) -> Option<String> {
    (!is_ready(&places.venv()) && find().is_none()).then(|| "python3-venv".to_owned())
}

/// Makes the environment, unless it is there.
pub(crate) fn ensure(places: &Places) -> Result<(), Failure> {
    let venv = places.venv();
    fs::create_dir_all(&places.cache).map_err(|e| Failure::io("creating", &places.cache, e))?;
    // Two runs at once (two checkouts, one cache) must not build the same environment together.
    let lock_path = places.cache.join("venv.lock");
    let lock = File::create(&lock_path).map_err(|e| Failure::io("creating", &lock_path, e))?;
    lock.lock().map_err(|e| Failure::io("locking", &lock_path, e))?;
    if is_ready(&venv) {
        return Ok(());
    }
    let python = find().ok_or_else(|| {
        Failure::Machine("no python3 that can make virtual environments: install python3-venv".into())
    })?;
    println!("installing {} from PyPI into {}...", REQUIREMENTS.join(" "), venv.display());
    let machine = |e: Failure| {
        Failure::Machine(format!("{e}; when PyPI can be reached, run `cargo xtask setup` again"))
    };
    process::run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&venv)).map_err(machine)?;
    let mut pip = Command::new(venv.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(REQUIREMENTS);
    process::run(&mut pip).map_err(machine)?;
    let stamp = venv.join(STAMP);
    fs::write(&stamp, stamp_text()).map_err(|e| Failure::io("writing", &stamp, e))?;
    if is_ready(&venv) {
        return Ok(());
    }
    Err(Failure::Machine(format!(
        "pip installed {} but bin/aws is not in {}",
        REQUIREMENTS.join(" "),
        venv.display()
    )))
}

fn stamp_text() -> String {
    REQUIREMENTS.join("\n") + "\n"
}

/// Complete, made for today's requirements, and its interpreter still there (a system upgrade may have removed it).
fn is_ready(venv: &Path) -> bool {
    fs::read_to_string(venv.join(STAMP)).is_ok_and(|text| text == stamp_text())
        && venv.join("bin/aws").is_file()
        && venv.join("bin/python3").exists()
}

/// The first python3 that can make an environment with pip in it. The one on PATH may be a shim of a version manager
/// that leads nowhere; and Debian ships `venv` without `ensurepip` until python3-venv is installed.
pub(super) fn find() -> Option<PathBuf> {
    let candidates = [process::which("python3"), Some(PathBuf::from("/usr/bin/python3"))];
    candidates
        .into_iter()
        .flatten()
        .find(|python| process::probe(Command::new(python).args(["-c", "import venv, ensurepip"])).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn an_interrupted_or_outdated_environment_is_not_ready() {
        let scratch = Scratch::new("venv", &["bin/aws", "bin/python3"]);
        assert!(!is_ready(&scratch.dir), "no stamp yet");
        fs::write(scratch.dir.join(STAMP), "awscli==1.0\n").expect("writable");
        assert!(!is_ready(&scratch.dir), "other requirements");
        fs::write(scratch.dir.join(STAMP), stamp_text()).expect("writable");
        assert!(is_ready(&scratch.dir));
        fs::remove_file(scratch.dir.join("bin/python3")).expect("removable");
        assert!(!is_ready(&scratch.dir), "its interpreter is gone");
    }
}
