//! The environment in which other people's clients find the cluster.

use crate::Cluster;
use crate::run::{Finished, run};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long one run of a client may take.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A client program that is pointed at `cluster`: AWS_*, RCLONE_CONFIG_NACRE_* and RESTIC_* are set, and none of the
/// user's own settings are read.
pub fn client(cluster: &Cluster, program: &str) -> Command {
    let (access, secret) = cluster.keys();
    let url = cluster.s3_url();
    let home = cluster.beside().join("home");
    std::fs::create_dir_all(&home).unwrap_or_else(|e| panic!("{}: {e}", home.display()));
    let program = find(program).unwrap_or_else(|| {
        panic!("`{program}` is not on PATH: `cargo xtask setup` installs the clients, `cargo xtask test` finds them")
    });
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["AWS_", "RCLONE_", "RESTIC_", "http_proxy", "HTTP_PROXY"].iter().any(|p| name.starts_with(p)) {
            command.env_remove(&name);
        }
    }
    command
        .env("PATH", path())
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("AWS_ACCESS_KEY_ID", &access)
        .env("AWS_SECRET_ACCESS_KEY", &secret)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("RCLONE_CONFIG_NACRE_TYPE", "s3")
        .env("RCLONE_CONFIG_NACRE_PROVIDER", "Other")
        .env("RCLONE_CONFIG_NACRE_ENV_AUTH", "true")
        .env("RCLONE_CONFIG_NACRE_ENDPOINT", &url)
        .env("RCLONE_CONFIG", home.join("rclone.conf"))
        .env("RESTIC_PASSWORD", "a test's password")
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// Runs a client that must succeed.
pub fn must(command: &mut Command) -> Finished {
    run(command, PATIENCE).ok()
}

/// PATH with the Python environment of `cargo xtask` in front, also when a test is started by hand.
fn path() -> OsString {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let venv = cache.map(|c| c.join("nacre/venv/bin")).filter(|p| p.join("aws").is_file());
    let all = venv.into_iter().chain(std::env::split_paths(&old));
    std::env::join_paths(all).unwrap_or(old)
}

fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}
