//! Processor time of this process and of its children, as Linux counts it.

use std::process::{Command, Stdio};

/// Ticks a second of the times in `/proc`: fixed in Linux's interface, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Field numbers (from 1) of proc_pid_stat(5).
const UTIME: usize = 14;
const STIME: usize = 15;
const CUTIME: usize = 16;

/// User time of this process, in seconds; steps of 10 ms.
pub(crate) fn own() -> Result<f64, String> {
    field(UTIME)
}

/// User and system time of this process and all its threads, in seconds; steps of 10 ms.
pub(crate) fn own_with_system() -> Result<f64, String> {
    Ok(field(UTIME)? + field(STIME)?)
}

/// User time that `command` needs, in seconds; its output is thrown away.
pub(crate) fn of_child(command: &mut Command) -> Result<f64, String> {
    let before = field(CUTIME)?;
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.map_err(|error| format!("{command:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{command:?}: {status}"));
    }
    Ok(field(CUTIME)? - before)
}

/// User and system time of another process and all its threads, in seconds; steps of 10 ms.
pub(crate) fn of_process(process: u32) -> Result<f64, String> {
    let file = format!("/proc/{process}/stat");
    Ok(field_of(&file, UTIME)? + field_of(&file, STIME)?)
}

fn field(number: usize) -> Result<f64, String> {
    field_of("/proc/self/stat", number)
}

fn field_of(file: &str, number: usize) -> Result<f64, String> {
    let stat = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    // The second field, in parentheses, may hold anything; the third starts behind the last of them.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = rest.split_whitespace().nth(number - 3).and_then(|word| word.parse::<f64>().ok());
    ticks.map(|ticks| ticks / TICKS_PER_SECOND).ok_or_else(|| format!("{file}: a field is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let before = own().expect("proc");
        let mut sum = 0u64;
        while own().expect("proc") < before + 0.02 {
            sum = (0..1_000_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert_ne!(sum, 1);
        assert!(of_child(&mut Command::new("true")).expect("runs") >= 0.0);
        assert!(of_child(&mut Command::new("false")).is_err());
    }
}
