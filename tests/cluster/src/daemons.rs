//! The processes of a cluster: finding them by what they were started with, ending them, weighing them.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;

/// Sends SIGKILL; a process that is gone already is fine.
pub fn kill9(pid: i32) {
    signal(pid, Signal::KILL);
}

/// Sends a signal; a process that is gone already is fine.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // ESRCH: it ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Whether the process runs. A zombie, which only waits for its parent, does not.
pub fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Every process whose command line names a path below `dir`: the daemons and the `up` of a cluster there.
pub fn below(dir: &Path) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let dir = dir.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| pid.parse::<i32>().ok())
        .filter(|pid| is_nacre_below(*pid, &dir))
        .collect()
}

fn is_nacre_below(pid: i32, dir: &str) -> bool {
    // Gone, or another user's: not ours either way.
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<String> =
        line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    let program = words.first().map(String::as_str).unwrap_or_default();
    let daemon = ["up", "run"].iter().any(|w| words.iter().any(|word| word == w));
    // The slash: `dir-2` is another cluster's.
    let names_dir = words.iter().any(|w| w == dir || w.starts_with(&format!("{dir}/")));
    !program.is_empty() && daemon && names_dir && runs(pid)
}

/// Ends every process of the cluster at once, as a power failure of the machine would end them, and waits until
/// the kernel has put them away.
pub fn kill_all_below(dir: &Path) -> usize {
    let mut count = 0;
    let mut killed = std::collections::BTreeSet::new();
    crate::wait::until(
        "the killed daemons to end",
        Duration::from_secs(30),
        Duration::from_millis(5),
        || {
            // `up` may be starting another one in this moment, hence again until none is left.
            let pids = below(dir);
            pids.iter().for_each(|pid| kill9(*pid));
            count = count.max(pids.len());
            killed.extend(pids.iter().copied());
            // Sockets and locks of a process live until its last thread has ended; its name is gone before that.
            let ending = killed.iter().any(|pid| threads(*pid) > 1);
            if pids.is_empty() && !ending { Ok(()) } else { Err(format!("{pids:?} still run")) }
        },
    );
    count
}

/// Resident memory in bytes, and its highest value ever; `None` when the process is gone.
pub fn rss(pid: i32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find(|l| l.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// Processor time that the process has used, in clock ticks of 10 ms.
pub fn cpu_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), of which two stand before the closing parenthesis.
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
