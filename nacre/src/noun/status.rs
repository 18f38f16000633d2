//! `nacre status`: what the cluster is doing and whether the data is safe.

use super::answer::{ask, nonsense, show};
use crate::cli::Global;
use crate::exit::Failure;
use crate::size;
use placement_map::status::{Answer, Query, Status};
use std::fmt::Write;

/// Carries out the command.
pub(crate) async fn run(global: &Global) -> Result<(), Failure> {
    let answer = ask(global, Query::Status).await?;
    let Answer::Status(status) = &answer else { return Err(nonsense()) };
    show(global, &answer, || plain(status))
}

fn plain(s: &Status) -> String {
    let mut out = String::new();
    let mut line = |label: &str, text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{label:<10} {text}");
    };
    line("cluster", s.fsid.clone());
    line("health", s.health.status.to_string());
    for check in &s.health.checks {
        line("", format!("{}: {}", check.code, check.summary));
    }
    let quorum = s.monitors.iter().filter(|m| m.in_quorum).count();
    let leader = s.leader.as_deref().unwrap_or("nobody");
    line("monitors", format!("{quorum} of {} in quorum, {leader} leads", s.monitors.len()));
    line("osds", format!("{} up, {} in, of {} (epoch {})", s.osds.up, s.osds.r#in, s.osds.total, s.epoch));
    if s.feature_level > 0 {
        line("level", format!("feature level {}", s.feature_level));
    }
    if !s.flags.is_empty() {
        line("flags", s.flags.clone());
    }
    let pgs: Vec<String> = s.pgs.iter().map(|p| format!("{} {}", p.count, p.state)).collect();
    line("pgs", format!("{} in {} pools", pgs.join(", "), s.pools));
    line("objects", format!("{}, {}", s.objects, size::show(s.bytes)));
    let c = &s.capacity;
    line(
        "space",
        format!(
            "{} used of {}, {} free{}",
            size::show(c.used_bytes),
            size::show(c.total_bytes),
            size::show(c.avail_bytes),
            match c.compressed_original_bytes {
                0 => String::new(),
                original => format!(
                    "; {} of data compressed to {}",
                    size::show(original),
                    size::show(c.compressed_bytes)
                ),
            }
        ),
    );
    line(
        "clients",
        format!(
            "{} reads/s ({}/s), {} writes/s ({}/s)",
            s.reads_per_second,
            size::show(s.read_bytes_per_second),
            s.writes_per_second,
            size::show(s.write_bytes_per_second)
        ),
    );
    if let Some(r) = &s.recovery {
        let done = r.copies_total.saturating_sub(r.copies_left);
        let cells = 24 * done / r.copies_total.max(1);
        let bar: String = (0..24).map(|i| if i < cells { '#' } else { '.' }).collect();
        let left = r.seconds_left.map_or("no estimate yet".into(), |t| format!("about {t} s left"));
        line(
            "recovery",
            format!(
                "[{bar}] {} of {} copies left, {} objects/s ({}/s), {left}",
                r.copies_left,
                r.copies_total,
                r.objects_per_second,
                size::show(r.bytes_per_second)
            ),
        );
    }
    out
}
