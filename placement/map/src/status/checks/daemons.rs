//! Checks of the daemons themselves: their clocks, and what they run.

use super::check;
use crate::cluster_map::ClusterMap;
use crate::feature::level_said;
use crate::status::tables::DaemonVersion;
use crate::status::{Check, Severity, Volatile};

/// What `mon_clock_drift_allowed` is while nobody set it, seconds.
const DRIFT_DEFAULT_SECONDS: f64 = 0.05;

/// Monitors whose clocks differ from the leader's. Shown, since people read times; nothing else looks at them.
pub(super) fn clock_skew(map: &ClusterMap, seen: &Volatile) -> Option<Check> {
    let allowed = map.setting("mon", "mon_clock_drift_allowed").and_then(|v| v.parse().ok());
    let allowed: f64 = allowed.unwrap_or(DRIFT_DEFAULT_SECONDS);
    let seconds = |micros: i64| micros as f64 / 1e6;
    let off: Vec<(&String, f64)> = seen
        .quorum
        .clock_skews
        .iter()
        .map(|(name, micros)| (name, seconds(*micros)))
        .filter(|(name, by)| by.abs() > allowed && map.monitors.contains_key(*name))
        .collect();
    if off.is_empty() {
        return None;
    }
    let line = |(name, by): (&String, f64)| {
        let way = if by > 0.0 { "ahead of" } else { "behind" };
        format!("{name} is {:.3} s {way} {}", by.abs(), seen.quorum.leader.as_deref().unwrap_or("the leader"))
    };
    check(
        "MON_CLOCK_SKEW",
        Severity::Warn,
        format!("the clocks of {} monitors differ by more than {allowed} s; all data is safe", off.len()),
        "nothing is decided by these clocks; times that are shown are off by as much",
        "set the clocks right, for example with chrony",
        off.into_iter().map(line),
    )
}

/// Daemons that keep the cluster at a lower feature level than others could use.
pub(super) fn held_back(map: &ClusterMap, seen: &Volatile) -> Option<Check> {
    let all = DaemonVersion::all(map, seen);
    let most = all.iter().filter_map(|daemon| daemon.feature_level).max()?;
    let older: Vec<String> = all
        .iter()
        .filter_map(|daemon| Some((daemon, daemon.feature_level.filter(|level| *level < most)?)))
        .map(|(daemon, level)| format!("{} is at feature level {level}", daemon.name))
        .collect();
    if older.is_empty() {
        return None;
    }
    check(
        "DAEMON_OLD_VERSION",
        Severity::Warn,
        format!(
            "{} daemons run an older program than others; the cluster stays at feature level {}",
            older.len(),
            level_said(map.feature_level)
        ),
        "the level rises by itself once all of them can do more",
        "restart them with the newer program, one after the other: nacre daemon ok-to-stop NAME; nacre versions shows all",
        older.into_iter(),
    )
}
