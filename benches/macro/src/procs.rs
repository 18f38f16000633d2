//! What processes and the disk under them have done so far, from `/proc` and `/sys`.

use std::path::Path;

/// Ticks a second of the times in `/proc`: fixed in Linux's interface, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    /// As `osd.0`.
    pub(crate) name: String,
    pub(crate) pid: u32,
}

/// Processor time and memory of some processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    /// User and system time since they began, seconds; steps of 10 ms for each.
    pub(crate) cpu_s: f64,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: f64,
}

/// Sums over `daemons`. An error if one has gone.
pub(crate) fn usage(daemons: &[Daemon]) -> Result<Use, String> {
    let mut all = Use::default();
    for daemon in daemons {
        let gone = |what: &str| format!("{} (pid {}): {what}", daemon.name, daemon.pid);
        let read = |file: &str| {
            let file = format!("/proc/{}/{file}", daemon.pid);
            std::fs::read_to_string(file).map_err(|error| gone(&error.to_string()))
        };
        all.cpu_s += cpu_seconds(&read("stat")?).ok_or_else(|| gone("no times in its stat"))?;
        all.rss_bytes += rss_bytes(&read("status")?).ok_or_else(|| gone("no memory in its status"))?;
    }
    Ok(all)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field, in parentheses, may hold anything; the third starts behind the last of them.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // utime and stime, fields 14 and 15 of proc_pid_stat(5).
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn rss_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// Processor time of the children of this process that have ended and been waited for, seconds.
pub(crate) fn children_cpu_s() -> Result<f64, String> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|word| word.parse::<f64>().ok());
    match (ticks(13), ticks(14)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS_PER_SECOND),
        _ => Err("/proc/self/stat has no times of children".to_owned()),
    }
}

/// Flushes that the disk below `path` has completed; none if the kernel does not count them there.
pub(crate) fn disk_flushes(path: &Path) -> Option<f64> {
    let device = rustix::fs::stat(path).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    // The 16th field of Documentation/block/stat.rst.
    text.split_whitespace().nth(15)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_found_whatever_the_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 0 1 2 3 4 150 50 9 9 20 0 1 0 5";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("nothing"), None);
        assert_eq!(rss_bytes("VmPeak: 9 kB\nVmRSS:\t  2048 kB\n"), Some(2_097_152.0));
        let me = Daemon { name: "me".into(), pid: std::process::id() };
        assert!(usage(&[me]).expect("alive").rss_bytes > 0.0);
        assert!(usage(&[Daemon { name: "none".into(), pid: u32::MAX }]).is_err());
        assert!(children_cpu_s().is_ok());
    }
}
