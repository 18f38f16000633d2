//! The suite's Python environment, made from its own list of requirements and kept for the next run.

use crate::failure::Failure;
use crate::packages;
use crate::places::Places;
use crate::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Written last, with the requirements: an environment without it was interrupted and is made anew.
const STAMP: &str = "nacre-requirements.txt";

/// The environment's Python, after making it if it is not there for exactly these requirements.
pub(super) fn ensure(places: &Places, requirements: &Path) -> Result<PathBuf, Failure> {
    let wanted = fs::read_to_string(requirements).map_err(|e| Failure::io("reading", requirements, e))?;
    let dir = places.cache.join("s3-tests-venv");
    let (python, stamp) = (dir.join("bin/python3"), dir.join(STAMP));
    fs::create_dir_all(&places.cache).map_err(|e| Failure::io("creating", &places.cache, e))?;
    // Two runs at once must not build the same environment together.
    let lock_path = places.cache.join("s3-tests-venv.lock");
    let lock = fs::File::create(&lock_path).map_err(|e| Failure::io("creating", &lock_path, e))?;
    lock.lock().map_err(|e| Failure::io("locking", &lock_path, e))?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    let base = packages::python_for_environments()?;
    println!("installing the suite's requirements from PyPI into {}...", dir.display());
    let machine =
        |e: Failure| Failure::Machine(format!("{e}; when PyPI can be reached, run the same command again"));
    process::run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&dir)).map_err(machine)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"]);
    process::run(pip.arg(requirements)).map_err(machine)?;
    fs::write(&stamp, wanted).map_err(|e| Failure::io("writing", &stamp, e))?;
    Ok(python)
}
