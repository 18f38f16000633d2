//! The files that git tracks, and their text.

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use std::process::Command;

/// One tracked file: its path from the root of the checkout, and what is in it.
pub(crate) struct Tracked {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// The content; what is not UTF-8 is replaced (no check looks inside binary files).
    pub(crate) text: String,
}

impl Tracked {
    /// Whether this is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Paths of all tracked files that are there (one that was deleted but not committed yet is left out).
pub(crate) fn tracked_paths(places: &Places) -> Result<Vec<String>, Failure> {
    let list = process::output(Command::new("git").current_dir(&places.root).args(["ls-files", "-z"]))?;
    Ok(list
        .split('\0')
        .filter(|p| !p.is_empty() && places.root.join(p).is_file())
        .map(str::to_owned)
        .collect())
}

/// All tracked files with their text. The tree is a few MiB; it is read once and shared by all checks.
pub(crate) fn tracked(places: &Places) -> Result<Vec<Tracked>, Failure> {
    let mut files = Vec::new();
    for path in tracked_paths(places)? {
        let full = places.root.join(&path);
        let bytes = std::fs::read(&full).map_err(|e| Failure::io("reading", &full, e))?;
        files.push(Tracked { path, text: String::from_utf8_lossy(&bytes).into_owned() });
    }
    Ok(files)
}
