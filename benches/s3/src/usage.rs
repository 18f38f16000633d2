//! What the machine and a side's processes have used, from /proc and /sys.

use crate::side::Side;
use std::collections::BTreeMap;
use std::time::Instant;
use tests_cluster::daemons;
use tests_cluster::flushes::Flushes;

/// Ticks a second of the times in `/proc`: fixed in Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// A moment's counters.
pub(crate) struct Snapshot {
    at: Instant,
    /// Processor seconds by kind of process.
    cpu: BTreeMap<&'static str, f64>,
    own_cpu: f64,
    machine: Machine,
    flushes: u64,
    disk_busy_ms: u64,
    disk_written_bytes: u64,
}

#[derive(Clone, Copy, Default)]
struct Machine {
    busy: f64,
    total: f64,
}

/// What was used between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    /// Wall time, seconds.
    pub(crate) seconds: f64,
    /// Processor seconds of the gateway, the OSDs, the rest of the side, and the load generator.
    pub(crate) gateway: f64,
    pub(crate) osds: f64,
    pub(crate) other: f64,
    pub(crate) generator: f64,
    /// Processor seconds of the whole machine that were used, and those there were.
    pub(crate) machine_busy: f64,
    pub(crate) machine_total: f64,
    /// Flushes that the disk completed, the share of the time it was busy, and what was written.
    pub(crate) flushes: u64,
    pub(crate) disk_busy: f64,
    pub(crate) written_bytes: u64,
    /// Resident memory of the side's processes at the end, bytes.
    pub(crate) memory_bytes: u64,
}

impl Used {
    /// Processor seconds of the side's daemons.
    pub(crate) fn daemons(&self) -> f64 {
        self.gateway + self.osds + self.other
    }

    /// Processor seconds that neither the side nor the generator used: the kernel's threads, or somebody else's work,
    /// which spoils the row.
    pub(crate) fn strangers(&self) -> f64 {
        (self.machine_busy - self.daemons() - self.generator).max(0.0)
    }
}

/// Counters now.
pub(crate) fn snapshot(side: &Side) -> Snapshot {
    let mut cpu = BTreeMap::new();
    for (kind, pid) in &side.processes {
        *cpu.entry(*kind).or_default() += daemons::cpu_ticks(*pid).unwrap_or(0) as f64 / TICKS_PER_SECOND;
    }
    let own = i32::try_from(std::process::id()).ok().and_then(daemons::cpu_ticks).unwrap_or(0);
    let disk = Flushes::of(&side.dir);
    Snapshot {
        at: Instant::now(),
        cpu,
        own_cpu: own as f64 / TICKS_PER_SECOND,
        machine: machine(),
        flushes: disk.count(),
        disk_busy_ms: disk.busy_ms(),
        disk_written_bytes: disk.written_bytes(),
    }
}

/// What was used since `before`.
pub(crate) fn since(before: &Snapshot, side: &Side) -> Used {
    let now = snapshot(side);
    let cpu =
        |kind: &str| now.cpu.get(kind).copied().unwrap_or(0.0) - before.cpu.get(kind).copied().unwrap_or(0.0);
    let seconds = now.at.duration_since(before.at).as_secs_f64();
    let memory = side.processes.iter().filter_map(|(_, pid)| daemons::rss(*pid)).map(|(rss, _)| rss).sum();
    Used {
        seconds,
        gateway: cpu("gateway"),
        osds: cpu("osd"),
        other: cpu("other"),
        generator: now.own_cpu - before.own_cpu,
        machine_busy: now.machine.busy - before.machine.busy,
        machine_total: now.machine.total - before.machine.total,
        flushes: now.flushes.saturating_sub(before.flushes),
        disk_busy: now.disk_busy_ms.saturating_sub(before.disk_busy_ms) as f64 / 1000.0 / seconds,
        written_bytes: now.disk_written_bytes.saturating_sub(before.disk_written_bytes),
        memory_bytes: memory,
    }
}

/// proc_stat(5): user nice system idle iowait irq softirq steal.
fn machine() -> Machine {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line.split_whitespace().skip(1).filter_map(|w| w.parse().ok()).collect();
    let at = |i: usize| fields.get(i).copied().unwrap_or(0.0) / TICKS_PER_SECOND;
    let total = (0..8).map(at).sum();
    Machine { busy: total - at(3) - at(4) - at(7), total }
}
