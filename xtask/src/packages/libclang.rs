//! What bindgen (in RocksDB's build script) needs: libclang's shared library and the headers that clang brings.
//!
//! Where it looks: the search of the `clang-sys` crate (LIBCLANG_PATH, then the usual library folders), for the names
//! `libclang.so` and `libclang-N.so`, with or without a version behind them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that may hold the library, under the root folder; `*` stands for any one name.
const LIBRARY_FOLDERS: &[&str] = &[
    "usr/lib/llvm-*/lib",
    "usr/local/llvm*/lib",
    "usr/lib/*-linux-gnu*",
    "usr/lib64",
    "usr/local/lib",
    "usr/lib",
    "lib",
];

/// Folders of clang's own headers (`stddef.h` above all), under the root folder.
const HEADER_FOLDERS: &[&str] = &[
    "usr/lib/llvm-*/lib/clang/*/include",
    "usr/lib/clang/*/include",
    "usr/lib64/clang/*/include",
    "usr/local/lib/clang/*/include",
];

/// The Debian packages that are missing before bindgen can work. `default` gives the version to install when no
/// library is there at all; when one is, the headers must be of its version.
pub(crate) fn missing_packages(root: &Path, default: impl Fn() -> u32) -> Vec<String> {
    missing(root, std::env::var_os("LIBCLANG_PATH").map(PathBuf::from).as_deref(), default)
}

fn missing(root: &Path, libclang_path: Option<&Path>, default: impl Fn() -> u32) -> Vec<String> {
    // Whoever set LIBCLANG_PATH to a place that has the library knows better than a search could.
    if libclang_path.is_some_and(|p| is_library(p) || holds_library(p)) {
        return Vec::new();
    }
    let versions: Vec<Option<u32>> =
        expand_all(root, LIBRARY_FOLDERS).iter().flat_map(|d| libraries(d)).collect();
    let headers = expand_all(root, HEADER_FOLDERS).iter().any(|dir| dir.join("stddef.h").is_file());
    match (versions.is_empty(), headers) {
        (false, true) => Vec::new(),
        (false, false) => {
            let version = versions.into_iter().flatten().max().unwrap_or_else(default);
            vec![format!("libclang-common-{version}-dev")]
        }
        (true, _) => {
            let version = default();
            vec![format!("libclang1-{version}"), format!("libclang-common-{version}-dev")]
        }
    }
}

fn holds_library(dir: &Path) -> bool {
    !libraries(dir).is_empty()
}

/// The major versions of the libclang files in `dir`, as far as their names or folder tell.
fn libraries(dir: &Path) -> Vec<Option<u32>> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let files = entries.flatten().map(|e| e.path()).filter(|p| is_library(p));
    files.map(|file| version_in_name(&file).or_else(|| version_in_folder(dir))).collect()
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so`, `libclang-14.so.14.0.6`; not `libclang-cpp.so`. A dangling link
/// (the -dev package without the library) does not count.
fn is_library(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return false };
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let rest = rest
        .strip_prefix('-')
        .map_or(rest, |r| r.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    // The digits of `-14.` may have taken the dot of `.so` with them.
    let shared = [".so", "so"].iter().any(|s| rest == *s || rest.starts_with(&format!("{s}.")));
    shared && path.is_file()
}

fn version_in_name(file: &Path) -> Option<u32> {
    leading_number(file.file_name()?.to_str()?.strip_prefix("libclang-")?)
}

/// 14 for `/usr/lib/llvm-14/lib`.
fn version_in_folder(dir: &Path) -> Option<u32> {
    dir.components().find_map(|c| leading_number(c.as_os_str().to_str()?.strip_prefix("llvm-")?))
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn expand_all(root: &Path, patterns: &[&str]) -> Vec<PathBuf> {
    patterns.iter().flat_map(|p| expand(root, p)).collect()
}

/// The existing folders that `pattern` names.
fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    for part in pattern.split('/') {
        found = match part.split_once('*') {
            None => found.into_iter().map(|dir| dir.join(part)).collect(),
            Some((before, after)) => found.iter().flat_map(|dir| children(dir, before, after)).collect(),
        };
    }
    found.retain(|dir| dir.is_dir());
    found
}

/// Entries of `dir` whose name starts with `before` and, behind that, holds `after` (itself free of a closing `*`).
fn children(dir: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let fits =
        |name: &str| name.strip_prefix(before).is_some_and(|rest| rest.contains(after.trim_end_matches('*')));
    entries.flatten().filter(|e| e.file_name().to_str().is_some_and(fits)).map(|e| e.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn missing_in(files: &[&str]) -> Vec<String> {
        let scratch = Scratch::new("libclang", files);
        missing(&scratch.dir, None, || 14)
    }

    const HEADER: &str = "usr/lib/llvm-14/lib/clang/14.0.6/include/stddef.h";

    #[test]
    fn an_empty_machine_needs_library_and_headers() {
        assert_eq!(missing_in(&[]), ["libclang1-14", "libclang-common-14-dev"]);
    }

    #[test]
    fn library_and_headers_wherever_debian_puts_them_are_enough() {
        for library in [
            "usr/lib/llvm-14/lib/libclang.so.1",
            "usr/lib/x86_64-linux-gnu/libclang-14.so.14",
            "usr/lib64/libclang.so.18.1.0",
        ] {
            assert_eq!(missing_in(&[library, HEADER]), [""; 0], "{library}");
        }
    }

    #[test]
    fn a_library_without_headers_gets_those_of_its_version() {
        assert_eq!(missing_in(&["usr/lib/x86_64-linux-gnu/libclang-16.so.16"]), ["libclang-common-16-dev"]);
        assert_eq!(missing_in(&["usr/lib/llvm-15/lib/libclang.so.1"]), ["libclang-common-15-dev"]);
    }

    #[test]
    fn other_libraries_of_clang_do_not_count() {
        let files = ["usr/lib/llvm-14/lib/libclang-cpp.so.14", "usr/lib/llvm-14/lib/libclang.a", HEADER];
        assert_eq!(missing_in(&files), ["libclang1-14", "libclang-common-14-dev"]);
    }

    #[test]
    fn libclang_path_that_holds_the_library_is_believed() {
        let scratch = Scratch::new("libclang-path", &["opt/clang/libclang.so"]);
        let set = scratch.dir.join("opt/clang");
        assert_eq!(missing(&scratch.dir, Some(&set), || 14), [""; 0]);
        assert_eq!(missing(&scratch.dir, Some(&set.join("libclang.so")), || 14), [""; 0]);
        assert_eq!(missing(&scratch.dir, Some(&scratch.dir), || 14).len(), 2);
    }
}
