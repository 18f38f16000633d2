//! A folder for one cluster, gone when the test ends. What a killed test run left behind, daemons included, is
//! cleared by the next one.

use crate::{daemons, settings};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The folder.
pub struct Scratch {
    path: PathBuf,
    kept: bool,
}

impl Scratch {
    /// Makes a folder whose name begins with `name`.
    pub fn new(name: &str) -> Scratch {
        let root = settings::scratch_root();
        std::fs::create_dir_all(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
        sweep(&root);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{name}-{number}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Scratch { path, kept: false }
    }
    /// A folder that is there already and stays.
    pub fn kept(path: PathBuf) -> Scratch {
        Scratch { path, kept: true }
    }
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if settings::keep() {
            crate::say!("  kept: {}", self.path.display());
        } else {
            // The next run sweeps what could not be removed now.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes folders whose test program runs no more, after ending the daemons that work in them.
fn sweep(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.rsplit('-').next().and_then(|pid| pid.parse::<u32>().ok());
        let Some(owner) = owner else { continue };
        if settings::keep() || Path::new(&format!("/proc/{owner}")).exists() {
            continue;
        }
        daemons::kill_all_below(&entry.path());
        // Two test programs may sweep at once; either removes it.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}
