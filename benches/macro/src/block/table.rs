//! What was measured, round by round, and the rows that come of it.

use super::cases::Case;
use crate::fio::{Report, Side};
use benches_row::{Better, Row};
use std::fmt;

/// All daemons together, after the load.
const MEMORY_MAX_MIB: f64 = 1024.0;
const MIB: f64 = (1u64 << 20) as f64;

/// One case, once, on one side.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) report: Report,
    /// Of all daemons, for one operation.
    pub(super) daemons_cpu_us: f64,
    /// Of fio, for one operation.
    pub(super) client_cpu_us: f64,
    /// Flushes that the disk completed meanwhile, whoever asked.
    pub(super) flushes_per_write: Option<f64>,
    /// Of all daemons.
    pub(super) rss_bytes: f64,
}

impl Measured {
    pub(super) const HEAD: &'static str = "case                     read/s   write/s      p50 us      p99 us  \
                                           daemons us/op  fio us/op  flushes/write  daemons MiB";

    fn rate(&self) -> f64 {
        self.report.read.iops + self.report.write.iops
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { read, write } = self.report;
        let both = |of: fn(&Side) -> f64| match (read.iops > 0.0, write.iops > 0.0) {
            (true, true) => format!("{:.0}/{:.0}", of(&read), of(&write)),
            (true, false) => format!("{:.0}", of(&read)),
            _ => format!("{:.0}", of(&write)),
        };
        write!(
            f,
            "{:<22} {:>8.0} {:>9.0} {:>11} {:>11} {:>14.1} {:>10.1} {:>14} {:>12.0}",
            self.name,
            read.iops,
            write.iops,
            both(|side| side.p50_us),
            both(|side| side.p99_us),
            self.daemons_cpu_us,
            self.client_cpu_us,
            self.flushes_per_write.map_or("-".to_owned(), |n| format!("{n:.2}")),
            self.rss_bytes / MIB
        )
    }
}

/// All results: by side (ours first), case and round.
pub(super) struct Table {
    cases: Vec<&'static Case>,
    limits: Vec<Option<f64>>,
    results: Vec<Vec<Vec<Measured>>>,
}

impl Table {
    pub(super) fn new(sides: usize, cases: Vec<&'static Case>) -> Table {
        let none = vec![Vec::new(); cases.len()];
        Table { limits: vec![None; cases.len()], results: vec![none; sides], cases }
    }
    pub(super) fn cases(&self) -> Vec<&'static Case> {
        self.cases.clone()
    }
    pub(super) fn set_limit(&mut self, case: usize, rate: f64) {
        self.limits[case] = Some(rate);
    }
    pub(super) fn add(&mut self, side: usize, case: usize, measured: Measured) {
        self.results[side][case].push(measured);
    }

    /// The mean over the rounds.
    fn mean(&self, side: usize, case: usize, of: &dyn Fn(&Measured) -> f64) -> Option<f64> {
        let all = self.results.get(side)?.get(case)?;
        (!all.is_empty()).then(|| all.iter().map(of).sum::<f64>() / all.len() as f64)
    }

    /// Everything, beside the peer where there is one.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            let mut push = |what: &str, unit, better, ratio_min, limit, of: &dyn Fn(&Measured) -> f64| {
                if let Some(ours) = self.mean(0, number, of) {
                    let row = Row::new(format!("{}: {what}", case.name), unit, better, ours);
                    rows.push(row.beside(self.mean(1, number, of), ratio_min).of_disk(limit));
                }
            };
            let bars = case.bars;
            push("rate", "op/s", Better::More, bars.rate, self.limits[number], &Measured::rate);
            let mut side = |name: &str, of: fn(&Report) -> Side| {
                let (p50, p99) = (format!("{name} median"), format!("{name} 99th percentile"));
                push(&p50, "us", Better::Less, bars.latency, None, &|m| of(&m.report).p50_us);
                push(&p99, "us", Better::Less, bars.latency, None, &|m| of(&m.report).p99_us);
            };
            if case.reads() {
                side("read", |report| report.read);
            }
            if case.writes() {
                side("write", |report| report.write);
            }
            push("daemons' processor time", "us/op", Better::Less, bars.cpu, None, &|m| m.daemons_cpu_us);
            push("daemons' and fio's processor time", "us/op", Better::Less, 0.0, None, &|m| {
                m.daemons_cpu_us + m.client_cpu_us
            });
            if case.waits_for_each() && case.writes() {
                // What is acknowledged is flushed: a disk that counts no flushes meanwhile would show a cheat.
                push("flushes of the disk for one write", "", Better::Less, 0.0, None, &|m| {
                    m.flushes_per_write.unwrap_or(0.0)
                });
            }
        }
        let last = self.cases.len() - 1;
        let memory = |m: &Measured| m.rss_bytes / MIB;
        if let Some(ours) = self.mean(0, last, &memory) {
            let row = Row::new("memory of all daemons after the load", "MiB", Better::Less, ours);
            rows.push(row.beside(self.mean(1, last, &memory), 0.0).within(MEMORY_MAX_MIB));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::CASES;
    use super::*;

    fn measured(rate: f64) -> Measured {
        let side = Side { iops: rate, p50_us: 1e6 / rate, p99_us: 2e6 / rate };
        let report = Report { read: Side::default(), write: side };
        let (daemons_cpu_us, client_cpu_us) = (1e5 / rate, 1.0);
        let (flushes_per_write, rss_bytes) = (Some(3.0), 100.0 * MIB);
        Measured { name: "x", report, daemons_cpu_us, client_cpu_us, flushes_per_write, rss_bytes }
    }

    #[test]
    fn rounds_are_averaged_and_held_against_the_bars() {
        let case = CASES.iter().find(|case| case.name == "4k write depth 1").expect("known");
        let mut table = Table::new(2, vec![case]);
        for rate in [900.0, 1100.0] {
            table.add(0, 0, measured(rate));
            table.add(1, 0, measured(100.0));
        }
        let rows = table.rows();
        let row = |what: &str| rows.iter().find(|r| r.case.ends_with(what)).expect("there");
        assert_eq!((row("rate").ours, row("rate").ratio()), (1000.0, Some(10.0)));
        assert!(row("write median").holds() && row("write median").ratio_min == 4.0);
        assert_eq!(row("for one write").ours, 3.0);
        assert!(rows.iter().all(|r| !r.case.contains("read ")), "nothing was read");
        assert!(row("after the load").holds());
        let alone = Table { results: vec![table.results[0].clone()], ..table };
        assert!(alone.rows().iter().all(|r| r.peer.is_none() && r.holds()));
    }
}
