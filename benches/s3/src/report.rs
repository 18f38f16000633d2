//! The table as people and as programs read it.

use crate::cases::Case;
use crate::rows::Measured;
use crate::usage::Used;
use serde_json::{Value, json};

/// Memory of all our daemons under load, bytes.
const MEMORY_MAX: u64 = 1 << 30;

/// A row: what both sides did in each round.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) ours: Vec<Measured>,
    pub(crate) peer: Vec<Measured>,
}

fn mean(all: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    all.iter().map(of).sum::<f64>() / all.len().max(1) as f64
}

/// Daemons' processor time of one request, microseconds.
fn cpu_us(m: &Measured) -> f64 {
    m.used.daemons() * 1e6 / m.told.took_us.len().max(1) as f64
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        (!self.peer.is_empty())
            .then(|| mean(&self.ours, |m| m.told.rate()) / mean(&self.peer, |m| m.told.rate()))
    }

    /// Whether the ratio that was asked for is reached and nothing failed on our side.
    pub(crate) fn holds(&self) -> bool {
        self.ratio().is_none_or(|ratio| ratio >= self.case.ratio_min)
            && self.ours.iter().all(|m| m.told.failed == 0)
    }
}

/// A line for one side's run of one row, as it ends.
pub(crate) fn line(side: &str, case: &Case, m: &Measured) -> String {
    let (u, ops) = (&m.used, m.told.took_us.len().max(1) as f64);
    let us = |seconds: f64| seconds * 1e6 / ops;
    let mut text = format!(
        "{side:<6} {:<14} {:>9.1}/s {:>8.1} MB/s  p50 {:>7.2} p99 {:>7.2} ms  CPU us/op: gateway {:>5.0} osds {:>5.0} \
         other {:>4.0} client {:>4.0}  machine {:>3.0} % (strangers {:>2.0})  flushes {:>6.0}/s  disk busy {:>3.0} % \
         {:>6.1} MB/s  RSS {:>5} MiB",
        case.name(),
        m.told.rate(),
        m.told.rate() * case.size as f64 / 1e6,
        m.told.percentile_ms(0.5),
        m.told.percentile_ms(0.99),
        us(u.gateway),
        us(u.osds),
        us(u.other),
        us(u.generator),
        100.0 * u.machine_busy / u.machine_total.max(0.01),
        100.0 * u.strangers() / u.machine_total.max(0.01),
        u.flushes as f64 / u.seconds,
        100.0 * u.disk_busy,
        u.written_bytes as f64 / u.seconds / 1e6,
        u.memory_bytes >> 20,
    );
    if let Some(why) = &m.told.first_failure {
        text += &format!("\n       {} FAILED, the first: {why}", m.told.failed);
    }
    text
}

/// Which limit a row runs into.
fn binds(used: &Used) -> String {
    let share = |seconds: f64| 100.0 * seconds / used.machine_total.max(0.01);
    let busy = share(used.machine_busy);
    if busy >= 85.0 {
        format!(
            "CPU: gateway {:.0} %, OSDs {:.0} %, client {:.0} %, kernel and others {:.0} %",
            share(used.gateway),
            share(used.osds),
            share(used.generator),
            share(used.strangers() + used.other)
        )
    } else if used.disk_busy >= 0.85 {
        let flushes = used.flushes as f64 / used.seconds;
        format!("disk: {flushes:.0} flushes/s, {:.0} MB/s", used.written_bytes as f64 / used.seconds / 1e6)
    } else {
        format!("round trips: CPU {busy:.0} % busy, disk {:.0} % busy", 100.0 * used.disk_busy)
    }
}

/// The table at the end.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<14} {:>10} {:>10} {:>7} {:>9} {:>11} {:>11}  {}\n",
        "case", "nacre/s", "peer/s", "ratio", "at least", "CPU us/op", "peer's", "what binds nacre"
    );
    for row in rows {
        let (ours, peer) = (mean(&row.ours, |m| m.told.rate()), mean(&row.peer, |m| m.told.rate()));
        let ratio = row.ratio().map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        let bound = row.ours.last().map_or_else(String::new, |m| binds(&m.used));
        text += &format!(
            "{:<14} {ours:>10.1} {peer:>10.1} {ratio:>7} {:>9.1} {:>11.0} {:>11.0}  {}{bound}\n",
            row.case.name(),
            row.case.ratio_min,
            mean(&row.ours, cpu_us),
            mean(&row.peer, cpu_us),
            if row.holds() { "" } else { "NOT REACHED; " },
        );
    }
    text + &format!(
        "memory of nacre's daemons: at most {} MiB (limit {} MiB); the peer's {} MiB",
        memory(rows, |r| &r.ours) >> 20,
        MEMORY_MAX >> 20,
        memory(rows, |r| &r.peer) >> 20
    )
}

/// The most memory that a side's daemons had at the end of any row, bytes.
pub(crate) fn memory(rows: &[Row], side: impl Fn(&Row) -> &Vec<Measured>) -> u64 {
    rows.iter().flat_map(&side).map(|m| m.used.memory_bytes).max().unwrap_or(0)
}

/// Whether our daemons stayed within their memory.
pub(crate) fn memory_holds(rows: &[Row]) -> bool {
    memory(rows, |r| &r.ours) < MEMORY_MAX
}

/// The rows, as `--json` writes them.
pub(crate) fn to_json(rows: &[Row]) -> String {
    let mut out: Vec<Value> = Vec::new();
    for row in rows {
        let (ours, peer) = (mean(&row.ours, |m| m.told.rate()), row.ratio());
        let peer = peer.map(|ratio| ours / ratio);
        out.push(json!({
            "case": format!("S3 {}", row.case.name()), "unit": "op/s", "ours": ours, "peer": peer,
            "ratio": row.ratio(), "limit": peer.map(|p| p * row.case.ratio_min),
            "p99_ms": mean(&row.ours, |m| m.told.percentile_ms(0.99)),
            "binds": row.ours.last().map(|m| binds(&m.used)),
        }));
        let (ours, peer) = (mean(&row.ours, cpu_us), peer.map(|_| mean(&row.peer, cpu_us)));
        out.push(json!({
            "case": format!("S3 {}, CPU of the daemons", row.case.name()), "unit": "us/op", "ours": ours,
            "peer": peer, "ratio": peer.map(|p| p / ours.max(0.001)), "limit": null,
        }));
    }
    let peer = memory(rows, |r| &r.peer) as f64 / 1048576.0;
    let ours = memory(rows, |r| &r.ours) as f64 / 1048576.0;
    let peer = (peer > 0.0).then_some(peer);
    out.push(json!({
        "case": "S3: memory of all daemons", "unit": "MiB", "ours": ours, "peer": peer,
        "ratio": peer.map(|p| p / ours.max(0.001)), "limit": MEMORY_MAX >> 20,
    }));
    format!("{:#}\n", Value::from(out))
}
