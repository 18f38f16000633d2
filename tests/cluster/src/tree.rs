//! A real tree of files to synchronise: the Rust toolchain's own (its documentation alone has over 50,000 files), or,
//! where it was installed without, one that is made from a seed.

use crate::content;
use std::path::{Path, PathBuf};
use std::process::Command;
use stdx::Rng;

/// Files of a folder, by paths relative to it.
pub struct Tree {
    /// The folder.
    pub root: PathBuf,
    /// The files, sorted.
    pub files: Vec<String>,
    /// Their bytes together.
    pub bytes: u64,
    /// Where it comes from.
    pub about: String,
}

/// The least number of files that shows anything.
pub const LEAST: usize = 20_000;

impl Tree {
    /// At most `limit` files of the toolchain's tree, spread evenly over it; made below `scratch` if it has too few.
    pub fn real(limit: usize, scratch: &Path) -> Tree {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().ok();
        let sysroot = sysroot.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
        if let Some(root) = sysroot.filter(|p| p.is_dir()) {
            let mut files = Vec::new();
            walk(&root, &root, &mut files);
            if files.len() >= LEAST {
                return Tree::pick(root, files, limit, "the Rust toolchain's own folder");
            }
        }
        Tree::made(LEAST + 500, scratch)
    }

    fn pick(root: PathBuf, mut files: Vec<(String, u64)>, limit: usize, about: &str) -> Tree {
        files.sort();
        let total = files.len();
        if total > limit {
            // Every n-th, so that large and small files, deep and flat folders all take part.
            files = (0..limit).map(|i| files[i * total / limit].clone()).collect();
        }
        let bytes = files.iter().map(|f| f.1).sum();
        let about = format!("{about}, {} of its {total} files", files.len());
        Tree { root, files: files.into_iter().map(|f| f.0).collect(), bytes, about }
    }

    /// `count` files with sizes as a home folder has them: most are small, few are large, some are empty.
    pub fn made(count: usize, scratch: &Path) -> Tree {
        let root = scratch.join("tree");
        let seed = 20_500;
        let mut rng = Rng::new(seed);
        let mut files = Vec::new();
        for i in 0..count {
            let name = format!("d{:03}/e {}/f-{i:05} ä+&.bin", i % 211, i % 7);
            let len = match rng.below(100) {
                0..=4 => 0,
                5..=69 => rng.below(16 << 10),
                70..=97 => rng.below(128 << 10),
                _ => rng.below(3 << 20),
            };
            let path = root.join(&name);
            let folder = path.parent().unwrap_or(&root);
            let bytes = content::bytes(seed + i as u64, len as usize);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, bytes))
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            files.push((name, len));
        }
        Tree::pick(root, files, count, "a made tree")
    }
}

/// Regular files only: what a link leads to is not the tree's.
fn walk(root: &Path, dir: &Path, files: &mut Vec<(String, u64)>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            walk(root, &entry.path(), files);
        } else if kind.is_file() {
            let path = entry.path();
            // rclone's list of files has one name a line, with # and ; for comments at the start of a line.
            let name = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_string);
            let plain =
                |n: &String| !n.contains('\n') && !n.starts_with(['#', ';', ' ']) && !n.ends_with(' ');
            if let (Some(name), Ok(meta)) = (name.filter(plain), entry.metadata()) {
                files.push((name, meta.len()));
            }
        }
    }
}
