//! What a seed draws before anything happens: how large the world is, how slow, how unlucky, and how the machines
//! are set. Small limits, so that a short run meets them.

use crate::faults::{FAULTS, OF_SHARDS};
use osd_pg::PgConfig;
use osd_pg::host::Limits;
use std::time::Duration;
use stdx::Rng;

/// One pool to be made.
#[derive(Clone, Debug)]
pub(crate) struct PoolPlan {
    pub(crate) size: u32,
    pub(crate) min_size: u32,
    pub(crate) pg_num: u32,
    /// Data and parity shards, if it is erasure-coded.
    pub(crate) shards: Option<(u32, u32)>,
}

/// One world.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// OSDs that boot at the start; others join later.
    pub(crate) osds: u32,
    /// OSDs that there may be.
    pub(crate) osds_max: u32,
    pub(crate) pools: Vec<PoolPlan>,
    pub(crate) clients: u32,
    /// The first so many of them only read: nothing of theirs waits for a primary that was replaced.
    pub(crate) readers: u32,
    /// Operations of one client under way at once.
    pub(crate) window: usize,
    /// Objects of each pool.
    pub(crate) keys: usize,
    /// Pause of a client between operations, at most, milliseconds.
    pub(crate) think_ms: u64,
    /// How long the trouble lasts.
    pub(crate) trouble: Duration,
    /// Time of a packet on the way, at most, microseconds.
    pub(crate) link_us: u64,
    /// Time of a transaction to the disk, at most, microseconds.
    pub(crate) disk_us: u64,
    /// Of a million sends, so many break the connection.
    pub(crate) breaks_ppm: u64,
    /// Of a million messages between OSDs, so many come twice.
    pub(crate) repeats_ppm: u64,
    /// Pause between faults, at most, milliseconds.
    pub(crate) fault_ms: u64,
    /// How often each fault of [`FAULTS`] is chosen.
    pub(crate) weights: Vec<u32>,
    /// Clocks run wrong by so much at most, parts per million.
    pub(crate) drift_ppm: i64,
    /// How long an OSD may be silent before it counts as down.
    pub(crate) grace: Duration,
    /// A monitor sends whole maps to who is further behind.
    pub(crate) steps_sent: usize,
    /// Of 100 requests, so many are given up after a while: nobody knows what came of them.
    pub(crate) give_up_percent: u64,
    /// Whether pools have snapshots.
    pub(crate) snapshots: bool,
    /// Whether pools get more PGs.
    pub(crate) splits: bool,
    pub(crate) pg: PgConfig,
    pub(crate) limits: (usize, usize),
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> Settings {
        let mut pick = |from: &[u64]| from[rng.below(from.len() as u64) as usize];
        let osds = pick(&[3, 3, 4, 4, 5, 5, 6, 7]) as u32;
        let give_up_percent = pick(&[0, 0, 0, 3]);
        let in_flight_max = pick(&[4, 8, 16]) as usize;
        let pg = PgConfig {
            // Some outlive the time in which an OSD is marked down, so that waiting for them matters.
            lease: Duration::from_millis(pick(&[300, 800, 1600, 5000])),
            resend: Duration::from_millis(pick(&[150, 300, 500])),
            propose_again: Duration::from_millis(pick(&[500, 1000])),
            laggard: Duration::from_secs(pick(&[5, 15])),
            // Longer than any client is away: past that a replay would run again. And where requests are given
            // up, all of it: the log then says what came of them.
            log_entries_max: if give_up_percent > 0 { 100_000 } else { pick(&[300, 600]) as usize },
            log_bytes_max: 64 << 20,
            in_flight_max,
            in_flight_bytes_max: pick(&[300, 2000, 1 << 20]),
            apply_bytes_max: 4000,
            pushes_max: pick(&[1, 2, 3]) as usize,
            push_bytes_max: pick(&[20, 40, 4000]) as u32,
            push_window: pick(&[1, 2, 3]) as usize,
            scan_max: pick(&[2, 3, 8]) as u32,
            scrub_objects: 2,
            scrub_deep_objects: 2,
            scrub_resend: Duration::from_secs(1),
            ..PgConfig::default()
        };
        let pools = (0..pick(&[1, 1, 2]))
            .map(|_| {
                let size = (pick(&[2, 2, 3, 3, 3, 4]) as u32).min(osds);
                let usual = size - size / 2;
                let min_size = (pick(&[0, 0, 0, 1, 2]) as u32).clamp(0, size);
                PoolPlan {
                    size,
                    min_size: if min_size == 0 { usual } else { min_size },
                    pg_num: pick(&[1, 2, 3]) as u32,
                    shards: None,
                }
            })
            .collect();
        let mut settings = Settings {
            osds,
            osds_max: osds + pick(&[0, 0, 1, 2]) as u32,
            pools,
            clients: pick(&[2, 3, 4]) as u32,
            readers: pick(&[0, 1, 1]) as u32,
            window: pick(&[1, 1, 2, 3]) as usize,
            keys: pick(&[3, 8, 12, 40]) as usize,
            think_ms: pick(&[60, 120, 250]),
            trouble: Duration::from_secs(pick(&[10, 15, 25])),
            link_us: pick(&[300, 3000, 10_000]),
            disk_us: pick(&[300, 1000, 5000, 20_000]),
            breaks_ppm: pick(&[0, 0, 1000, 5000, 20_000]),
            repeats_ppm: pick(&[0, 0, 10_000]),
            fault_ms: pick(&[300, 1000, 2500]),
            weights: Vec::new(),
            drift_ppm: pick(&[0, 100, 20_000]) as i64,
            grace: Duration::from_millis(pick(&[1200, 2500, 4000])),
            steps_sent: pick(&[1, 4, 64]) as usize,
            give_up_percent,
            snapshots: false,
            splits: false,
            pg,
            limits: (pick(&[1, 2, 8]) as usize, pick(&[1, 2]) as usize),
        };
        // Each world knows some of the faults, so that no two are alike; one in twelve knows none.
        let calm = rng.chance(1, 12);
        settings.weights = FAULTS[..FAULTS.len() - OF_SHARDS]
            .iter()
            .map(|fault| if !calm && rng.chance(1, 2) { fault.weight * (1 + rng.below(3)) as u32 } else { 0 })
            .collect();
        if calm {
            (settings.breaks_ppm, settings.repeats_ppm) = (0, 0);
        }
        settings.weights.resize(FAULTS.len(), 0);
        settings
    }

    /// Makes the first pool an erasure-coded one, with as many OSDs as that takes and the faults that are meant for it.
    /// Drawn apart, so that the other worlds are what they were before there were such pools.
    pub(crate) fn in_shards(&mut self, rng: &mut Rng) {
        let mut pick = |from: &[u64]| from[rng.below(from.len() as u64) as usize];
        let (k, m) = [(2, 1), (2, 1), (2, 2), (4, 2), (4, 2), (8, 3)][pick(&[0, 1, 2, 3, 4, 5]) as usize];
        self.osds = k + m + pick(&[0, 1, 1, 2]) as u32;
        if k == 8 {
            // With none to spare CRUSH does not find eleven of eleven.
            self.osds = self.osds.max(k + m + 1);
        }
        // The other pools keep their sizes.
        self.osds =
            self.pools.iter().map(|pool| pool.size).max().map_or(self.osds, |most| self.osds.max(most));
        self.osds_max = self.osds + pick(&[0, 1]) as u32;
        let pool = &mut self.pools[0];
        pool.shards = Some((k, m));
        pool.size = k + m;
        pool.min_size = k + pick(&[0, 1, 1]) as u32;
        pool.pg_num = pool.pg_num.min(2);
        self.keys = self.keys.min(12);
        // Stripes are KiB, not bytes.
        self.pg.in_flight_bytes_max = pick(&[60_000, 200_000, 1 << 20]);
        self.pg.push_bytes_max = pick(&[2_000, 5_000, 100_000]) as u32;
        self.pg.write_results_max = 4 << 20;
        let calm = self.weights.iter().all(|weight| *weight == 0);
        let of_shards = FAULTS.len() - OF_SHARDS;
        for (weight, fault) in self.weights.iter_mut().zip(FAULTS).skip(of_shards) {
            *weight = if calm { 0 } else { fault.weight * pick(&[0, 1, 2]) as u32 };
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { active: self.limits.0, backfills: self.limits.1, recovers: true, rebalances: true }
    }
}
