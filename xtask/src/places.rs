//! Where things are: the checkout, the cache folder, the target folder, the Python environment.

use crate::failure::Failure;
use std::env;
use std::path::{Path, PathBuf};

/// The folders that the commands work in.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The checkout: the folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// `${XDG_CACHE_HOME:-$HOME/.cache}/nacre`. Holds nothing that cannot be made again.
    pub(crate) cache: PathBuf,
    /// What the children of xtask build into.
    pub(crate) target: PathBuf,
}

impl Places {
    /// Finds the folders from the environment that `cargo run` gave us.
    pub(crate) fn find() -> Result<Places, Failure> {
        let root = find_root()?;
        let cache = cache_folder(env::var_os("XDG_CACHE_HOME").map(PathBuf::from), home(), &root);
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) if !dir.is_empty() => {
                // Relative to the caller's folder, as cargo itself takes it; our children may run elsewhere.
                std::path::absolute(&dir).map_err(|e| Failure::io("resolving", Path::new(&dir), e))?
            }
            _ => cache.join("target"),
        };
        Ok(Places { root, cache, target })
    }

    /// The `nacre` program after `cargo build --release -p nacre`.
    pub(crate) fn nacre(&self) -> PathBuf {
        self.target.join("release").join("nacre")
    }

    /// The Python environment of the client programs that only PyPI has.
    pub(crate) fn venv(&self) -> PathBuf {
        self.cache.join("venv")
    }
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

/// XDG's rule: an unset, empty or relative XDG_CACHE_HOME counts as `$HOME/.cache`. Without a home either
/// (some containers), the checkout's own `target` folder has to do.
fn cache_folder(xdg: Option<PathBuf>, home: Option<PathBuf>, root: &Path) -> PathBuf {
    let base = xdg
        .filter(|p| p.is_absolute())
        .or_else(|| home.filter(|p| p.is_absolute()).map(|h| h.join(".cache")))
        .unwrap_or_else(|| root.join("target"));
    base.join("nacre")
}

/// The checkout is the parent of xtask's package. Asked at run time: several checkouts may share one target folder,
/// so a path that was compiled in could be another checkout's.
fn find_root() -> Result<PathBuf, Failure> {
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR")
        && let Some(root) = Path::new(&manifest).parent()
        && root.join("xtask/Cargo.toml").is_file()
    {
        return Ok(root.to_path_buf());
    }
    let here =
        env::current_dir().map_err(|e| Failure::Machine(format!("the current folder is gone: {e}")))?;
    here.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file()).map(Path::to_path_buf).ok_or_else(
        || {
            Failure::Usage(format!(
                "{} is not inside a checkout of Nacre: run `cargo xtask` there",
                here.display()
            ))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_xdg_then_home_then_the_checkout() {
        let root = Path::new("/src/nacre");
        let some = |s: &str| Some(PathBuf::from(s));
        assert_eq!(cache_folder(some("/x"), some("/h"), root), Path::new("/x/nacre"));
        assert_eq!(cache_folder(some("relative"), some("/h"), root), Path::new("/h/.cache/nacre"));
        assert_eq!(cache_folder(some(""), some("/h"), root), Path::new("/h/.cache/nacre"));
        assert_eq!(cache_folder(None, None, root), Path::new("/src/nacre/target/nacre"));
    }

    #[test]
    fn the_checkout_is_found_from_inside_it() {
        let root = find_root().expect("tests run inside the checkout");
        assert!(root.join("Cargo.toml").is_file());
        assert!(root.join("xtask/src/main.rs").is_file());
    }
}
