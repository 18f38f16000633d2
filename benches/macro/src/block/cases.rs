//! The table: what is run, and how many times better than Ceph it has to be.

use crate::fio::{Job, Report};

/// Copies of everything.
const COPIES: f64 = 3.0;

/// What is asked for, beside Ceph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bars {
    /// Rate.
    pub(crate) rate: f64,
    /// Median and 99th percentile of the latency.
    pub(crate) latency: f64,
    /// The daemons' processor time for one operation.
    pub(crate) cpu: f64,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    rw: &'static str,
    block: &'static str,
    depth: u32,
    jobs: u32,
    pub(crate) bars: Bars,
}

const fn mixed(name: &'static str, block: &'static str, rate: f64) -> Case {
    let bars = Bars { rate, latency: 0.0, cpu: 0.0 };
    Case { name, rw: "randrw", block, depth: 64, jobs: 2, bars }
}
const fn alone(name: &'static str, rw: &'static str, block: &'static str, depth: u32, bars: Bars) -> Case {
    Case { name, rw, block, depth, jobs: 1, bars }
}
const fn rate(rate: f64) -> Bars {
    Bars { rate, latency: 0.0, cpu: 0.0 }
}

/// All of them; the numbers are the ratios that the issue asks for.
pub(crate) const CASES: &[Case] = &[
    mixed("mixed 4k", "4k", 6.0),
    mixed("mixed 64k", "64k", 3.0),
    mixed("mixed 512k", "512k", 1.6),
    mixed("mixed 1m", "1m", 1.4),
    alone("4k write depth 1", "randwrite", "4k", 1, Bars { rate: 0.0, latency: 4.0, cpu: 0.0 }),
    alone("4k write depth 32", "randwrite", "4k", 32, Bars { rate: 8.0, latency: 0.0, cpu: 10.0 }),
    alone("4k read depth 1", "randread", "4k", 1, rate(2.5)),
    alone("4k read depth 32", "randread", "4k", 32, rate(4.0)),
    alone("1m stream write", "write", "1m", 16, rate(1.6)),
    alone("1m stream read", "read", "1m", 16, rate(0.9)),
];

impl Case {
    /// What fio does to an image.
    pub(crate) fn job(&self) -> Job<'static> {
        Job { rw: self.rw, reads_percent: 50, block: self.block, depth: self.depth, jobs: self.jobs }
    }

    /// What fio does to a raw file to find the disk's limit: with one read for three writes where an image has one.
    pub(crate) fn on_raw_file(&self) -> Job<'static> {
        Job { reads_percent: 25, ..self.job() }
    }

    /// Operations a second on an image that would take all that the disk gave there.
    pub(crate) fn limit_of(&self, raw: &Report) -> f64 {
        match self.rw {
            // So many reads were served beside so many copies of writes.
            "randrw" => 2.0 * (raw.read.iops + raw.write.iops) / (1.0 + COPIES),
            _ if self.writes() => raw.write.iops / COPIES,
            _ => raw.read.iops,
        }
    }

    /// Whether it writes.
    pub(crate) fn writes(&self) -> bool {
        !self.rw.ends_with("read")
    }
    /// Whether it reads.
    pub(crate) fn reads(&self) -> bool {
        !self.rw.ends_with("write")
    }
    /// One at a time.
    pub(crate) fn waits_for_each(&self) -> bool {
        self.depth == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fio::Side;

    #[test]
    fn the_disks_limit_counts_every_copy() {
        let raw = Report {
            read: Side { iops: 100.0, ..Side::default() },
            write: Side { iops: 300.0, ..Side::default() },
        };
        let case = |name: &str| CASES.iter().find(|case| case.name == name).expect("known");
        assert_eq!(case("mixed 4k").limit_of(&raw), 200.0, "100 reads beside 100 writes of three copies");
        assert_eq!(case("4k write depth 32").limit_of(&raw), 100.0);
        assert_eq!(case("1m stream read").limit_of(&raw), 100.0);
        assert!(case("mixed 1m").reads() && case("mixed 1m").writes());
        assert!(!case("1m stream read").writes() && !case("4k write depth 1").reads());
    }
}
