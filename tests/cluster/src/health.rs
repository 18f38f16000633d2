//! What the cluster says of itself, and waiting until it says that all is well.

use crate::Cluster;
use crate::wait::until;
use std::time::{Duration, Instant};

/// One row of `nacre pg ls`.
#[derive(Clone, Debug)]
pub struct Pg {
    /// As 2.1f.
    pub pgid: String,
    /// As active+clean.
    pub state: String,
    /// The up set.
    pub up: Vec<i64>,
    /// The acting set.
    pub acting: Vec<i64>,
}

impl Cluster {
    /// All PGs, or why they are not known.
    pub fn pgs(&self) -> Result<Vec<Pg>, String> {
        let value = self.try_json(&["pg", "ls"])?;
        let rows = value["pgs"].as_array().ok_or_else(|| format!("`pg ls` has no `pgs`: {value}"))?;
        let numbers = |v: &serde_json::Value| {
            v.as_array().map(|a| a.iter().filter_map(serde_json::Value::as_i64).collect()).unwrap_or_default()
        };
        let row = |v: &serde_json::Value| -> Option<Pg> {
            Some(Pg {
                pgid: v["pgid"].as_str()?.to_string(),
                state: v["state"].as_str()?.to_string(),
                up: numbers(&v["up"]),
                acting: numbers(&v["acting"]),
            })
        };
        rows.iter()
            .map(row)
            .collect::<Option<Vec<Pg>>>()
            .ok_or_else(|| format!("a row of `pg ls` lacks a field: {value}"))
    }

    /// Waits until every PG is active+clean with `size` OSDs in its up set and the same in its acting set. Returns how long it took.
    pub fn wait_clean(&self, size: usize, patience: Duration) -> Duration {
        let begin = Instant::now();
        until("every PG active+clean", patience, Duration::from_millis(300), || {
            let pgs = self.pgs()?;
            let dirty: Vec<&Pg> = pgs
                .iter()
                .filter(|pg| pg.state != "active+clean" || pg.up.len() != size || !same(&pg.acting, &pg.up))
                .collect();
            match (pgs.is_empty(), dirty.first()) {
                (true, _) => Err("there are no PGs".into()),
                (false, None) => Ok(()),
                (false, Some(pg)) => Err(format!("{} of {} PGs are not, as {pg:?}", dirty.len(), pgs.len())),
            }
        });
        begin.elapsed()
    }

    /// Waits until the cluster has noticed that an OSD is down: no PG has it in its acting set.
    pub fn wait_noticed_down(&self, osd: i64, patience: Duration) -> Duration {
        let begin = Instant::now();
        until(&format!("osd.{osd} noticed down"), patience, Duration::from_millis(200), || {
            let held = self.pgs()?.iter().filter(|pg| pg.acting.contains(&osd)).count();
            if held == 0 { Ok(()) } else { Err(format!("{held} PGs still act with osd.{osd}")) }
        });
        begin.elapsed()
    }
}

/// Whether two sets hold the same OSDs; the primary of a pg_temp may stand elsewhere.
fn same(a: &[i64], b: &[i64]) -> bool {
    let sorted = |s: &[i64]| {
        let mut s = s.to_vec();
        s.sort_unstable();
        s
    };
    sorted(a) == sorted(b)
}
