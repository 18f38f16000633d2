//! What the environment decides: the binary, the seed, full or short, which sections.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether `cargo xtask test --full` asked for the sizes without time boxes.
pub fn full() -> bool {
    std::env::var_os("NACRE_TEST_FULL").is_some_and(|v| !v.is_empty() && v != "0")
}

/// `short` in a default run, `long` in a full one.
pub fn sized<T>(short: T, long: T) -> T {
    if full() { long } else { short }
}

/// The seed of all chance in this run: NACRE_TEST_SEED, else the clock. Shown once by whoever asks first.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let seed = match std::env::var("NACRE_TEST_SEED") {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("NACRE_TEST_SEED={text} is not a number")),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs()) % 1_000_000,
        };
        crate::say!("  seed {seed} (NACRE_TEST_SEED={seed} replays its choices)");
        seed
    })
}

/// The section that alone is wanted (a part of its name).
pub fn only() -> Option<String> {
    std::env::var("NACRE_TEST_ONLY").ok().filter(|v| !v.is_empty())
}

/// Whether a cluster's directory is to survive its test.
pub fn keep() -> bool {
    std::env::var_os("NACRE_TEST_KEEP").is_some_and(|v| !v.is_empty())
}

/// The program under test: NACRE_BIN, else `nacre` in the folder this test was built into.
pub fn nacre() -> PathBuf {
    let path = match std::env::var_os("NACRE_BIN") {
        Some(path) => PathBuf::from(path),
        None => release_folder().join("nacre"),
    };
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build --release -p nacre`, or name the program with NACRE_BIN",
        path.display()
    );
    path
}

/// Where clusters live: in the target folder, so on a disk with room that is no tmpfs.
pub fn scratch_root() -> PathBuf {
    release_folder().join("cluster-tests")
}

/// TARGET/release, from this program's own place: TARGET/release/deps/NAME-HASH for a test, TARGET/release/NAME else.
fn release_folder() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_else(|e| panic!("this program's own path is unknown: {e}"));
    let folder = exe.parent().unwrap_or(Path::new("."));
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    if is_test { folder.parent().unwrap_or(folder).to_path_buf() } else { folder.to_path_buf() }
}

/// The checkout.
pub fn checkout() -> PathBuf {
    // Asked at run time: several checkouts may share one target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = package.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    start
        .ancestors()
        .find(|p| p.join("xtask/Cargo.toml").is_file())
        .unwrap_or_else(|| panic!("{} is not inside the checkout", start.display()))
        .to_path_buf()
}
