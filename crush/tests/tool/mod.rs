//! The `crushtool` on PATH, if there is one.

use std::path::PathBuf;
use std::process::Command;

pub(crate) const TOOL: &str = "crushtool";

pub(crate) fn tool_exists() -> bool {
    let found = Command::new(TOOL).arg("--help").output().is_ok();
    if !found {
        println!(
            "{TOOL} is not on PATH (Debian: apt-get install ceph-base); only the golden files are compared"
        );
    }
    found
}

pub(crate) fn run(arguments: &[&str]) -> (bool, Vec<u8>, String) {
    let output = Command::new(TOOL).args(arguments).output().expect("the tool runs");
    (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(seed: u64) -> Self {
        let path = std::env::temp_dir().join(format!("nacre-crush-live-{}-{seed}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
