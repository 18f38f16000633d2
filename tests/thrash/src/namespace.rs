//! A network of the run's own, in which links can be cut: a network namespace with nothing but the loopback, entered
//! before the cluster starts. As root or, where the machine lets others make user namespaces, as anybody.
//!
//! Links are cut by rules of policy routing (ip-rule(8), type `blackhole`): packets of connections that are open vanish
//! without a word, new connections fail. That takes no kernel module and no firewall.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set in the environment of the program that runs inside.
const INSIDE: &str = "NACRE_THRASH_INSIDE";
/// The rule that finds addresses of this host, moved behind those of the cuts.
const LOCAL_PREFERENCE: &str = "32000";

/// Whether links can be cut. The first call replaces this process by one inside a namespace if that is possible, and
/// returns `false` with a word on why if not.
pub fn enter() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        let prepared = ip(&["link", "set", "lo", "up"])
            .and_then(|()| ip(&["rule", "add", "preference", LOCAL_PREFERENCE, "lookup", "local"]))
            .and_then(|()| ip(&["rule", "del", "preference", "0"]));
        return prepared.map_err(|why| tests_cluster::say!("  no links are cut: {why}")).is_ok();
    }
    let flags: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["--net"],
        false => &["--user", "--map-root-user", "--net"],
    };
    let mut probe = Command::new("unshare");
    probe.args(flags).args(["ip", "rule", "add", "preference", "1", "from", "127.0.1.1", "blackhole"]);
    let why = match probe.output() {
        Ok(done) if done.status.success() => match std::env::current_exe() {
            Ok(exe) => {
                let mut inside = Command::new("unshare");
                inside.args(flags).arg(exe).args(std::env::args_os().skip(1)).env(INSIDE, "1");
                inside.exec().to_string()
            }
            Err(e) => e.to_string(),
        },
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_string(),
        Err(e) => e.to_string(),
    };
    tests_cluster::say!("  no links are cut, this machine gives no network namespace: {why}");
    false
}

/// Runs `ip ARGS`.
pub(crate) fn ip(args: &[&str]) -> Result<(), String> {
    match Command::new("ip").args(args).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim())),
        Err(e) => Err(format!("ip: {e}")),
    }
}
