//! A folder for a test, with empty files in it, gone when the test ends.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of its own for one test.
pub(crate) struct Scratch {
    /// Where it is.
    pub(crate) dir: PathBuf,
}

impl Scratch {
    /// Makes the folder with empty `files` (paths inside it) and the folders above them.
    pub(crate) fn new(name: &str, files: &[&str]) -> Scratch {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nacre-xtask-{}-{number}-{name}", std::process::id()));
        fs::create_dir_all(&dir).expect("the temporary folder is writable");
        for file in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().expect("inside the scratch folder")).expect("writable");
            fs::write(&path, "").expect("writable");
        }
        Scratch { dir }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it being gone; a failure here must not hide the test's own.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
