//! A case: what a store lives through, written down before it happens, so that it can be replayed and made smaller.

use super::machine::LOG_BYTES;
use super::op::{OBJECTS, Op};
use crate::compress::Algorithm;
use crate::device::faulty::{CrashMode, Fault, Injection};
use crate::layout::{Geometry, UNIT, WAL_OFFSET};
use std::fmt::{Display, Formatter};
use std::ops::Range;
use stdx::Rng;

/// Lives of one store, each ended by a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The device's own chance: the order of completions, what is torn where.
    pub(super) chance: u64,
    pub(super) config: Config,
    pub(super) lives: Vec<Life>,
}

/// Where a sweep cuts a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The first life ends after so many effects.
    Life(u64),
    /// The recovery after the first life is cut short after so many effects.
    Recovery(u64),
}

/// The store and its surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) data_units: u64,
    pub(super) overlay_units: u64,
    pub(super) index_dirty_bytes: u64,
    /// Questions that a background flush of the index takes.
    pub(super) index_slowness: u32,
    /// Whether the device forgets what was not flushed, and the store flushes.
    pub(super) volatile_cache: bool,
    /// Whether the device is told of space that holds nothing.
    pub(super) discards: bool,
    /// How large writes are packed.
    pub(super) packing: Option<Algorithm>,
}

/// From an open to a crash, and the recovery from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) steps: Vec<Step>,
    pub(super) crash: Crash,
    /// Bytes that go bad before the next open.
    pub(super) rot: Vec<u64>,
    /// Opens that are cut short, one after the other.
    pub(super) interrupts: Vec<Crash>,
    /// Whether the recovered store is checked in full.
    pub(super) fsck: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Submit(Vec<Op>),
    Read {
        o: u64,
        offset: u64,
        len: u64,
    },
    /// The reactor turns so many times.
    Poll(u64),
    Checkpoint,
    Fault(Injection),
}

/// The power fails, or the process dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    /// Completions until then; without, at the end of the steps.
    pub(super) after: Option<u64>,
    pub(super) mode: CrashMode,
    /// Whether an index flush under way is there afterwards.
    pub(super) index_finishes: bool,
}

const MODES: [CrashMode; 5] =
    [CrashMode::LoseAll, CrashMode::KeepAll, CrashMode::Writes, CrashMode::Sectors, CrashMode::Kill];

impl Crash {
    fn random(rng: &mut Rng, effects: u64) -> Crash {
        Crash {
            after: rng.chance(4, 5).then(|| rng.below(effects)),
            mode: MODES[rng.below(5) as usize],
            index_finishes: rng.chance(1, 2),
        }
    }

    /// Every effect boundary with every mode and either fate of the index comes up, over a few seeds.
    fn swept(seed: u64, after: u64) -> Crash {
        let n = seed.wrapping_add(after);
        Crash { after: Some(after), mode: MODES[(n % 5) as usize], index_finishes: n / 5 % 2 == 0 }
    }
}

impl Config {
    fn random(rng: &mut Rng) -> Config {
        Config {
            data_units: [48, 100, 400][rng.below(3) as usize],
            overlay_units: 1 << rng.below(7),
            index_dirty_bytes: 4 << rng.below(13),
            index_slowness: rng.below(6) as u32,
            volatile_cache: !rng.chance(1, 10),
            discards: rng.chance(1, 3),
            packing: [None, Some(Algorithm::Lz4), Some(Algorithm::Zstd)][rng.below(3) as usize],
        }
    }

    pub(super) fn geometry(&self) -> Geometry {
        Geometry { wal_bytes: LOG_BYTES, data_units: self.data_units }
    }
}

/// The three areas of the disk: superblocks, log, data.
fn areas(geometry: &Geometry) -> [Range<u64>; 3] {
    let log_end = WAL_OFFSET + geometry.wal_bytes;
    [0..WAL_OFFSET, WAL_OFFSET..log_end, log_end..geometry.total_bytes()]
}

fn area(rng: &mut Rng, geometry: &Geometry) -> Range<u64> {
    areas(geometry)[rng.below(3) as usize].clone()
}

/// A place where something lies, more likely than not.
fn place(rng: &mut Rng, geometry: &Geometry) -> u64 {
    let area = area(rng, geometry);
    if area.start == 0 {
        return rng.below(4) * (64 << 10);
    }
    area.start + rng.below((area.end - area.start) / UNIT / 2) * UNIT
}

impl Injection {
    fn random(rng: &mut Rng, geometry: &Geometry) -> Injection {
        let fault = match rng.below(6) {
            0 => Fault::FailWrite,
            1 => Fault::FailFlush,
            2 => Fault::FailRead,
            3 => Fault::LoseWrite,
            _ => Fault::MisdirectWrite { to: place(rng, geometry) },
        };
        Injection { fault, area: area(rng, geometry), skip: rng.below(6) }
    }
}

impl Life {
    fn random(rng: &mut Rng, geometry: &Geometry) -> Life {
        let most = 1 + rng.below(16);
        let mut steps: Vec<Step> = (0..most)
            .flat_map(|_| {
                let step = match rng.below(20) {
                    0 => Step::Checkpoint,
                    1..=4 => Step::Read {
                        o: rng.below(OBJECTS),
                        offset: rng.below(40_000),
                        len: rng.below(60_000),
                    },
                    _ => Step::Submit((0..1 + rng.below(3)).map(|_| Op::random(rng)).collect()),
                };
                [step, Step::Poll(rng.below(6))]
            })
            .collect();
        if rng.chance(1, 3) {
            let at = rng.below(steps.len() as u64) as usize;
            steps.insert(at, Step::Fault(Injection::random(rng, geometry)));
        }
        let rot = if rng.chance(1, 6) { 1 + rng.below(2) } else { 0 };
        let interrupts = if rng.chance(1, 3) { 1 + rng.below(2) } else { 0 };
        Life {
            steps,
            crash: Crash::random(rng, 160),
            rot: (0..rot).map(|_| place(rng, geometry) + rng.below(UNIT)).collect(),
            interrupts: (0..interrupts).map(|_| Crash::random(rng, 60)).collect(),
            fsck: rng.chance(1, 2),
        }
    }
}

impl Case {
    /// The case of a seed; the same for ever, as long as this code stays as it is.
    pub fn new(seed: u64) -> Case {
        let mut rng = Rng::new(seed);
        let config = Config::random(&mut rng);
        let geometry = config.geometry();
        let lives = (0..1 + rng.below(3)).map(|_| Life::random(&mut rng, &geometry)).collect();
        Case { chance: rng.next_u64(), config, lives }
    }

    /// The same case with one cut: only its first life, which ends there, or whose recovery is cut short there.
    pub fn cut(&self, seed: u64, cut: Cut) -> Case {
        let mut case = self.clone();
        case.lives.truncate(1);
        for life in &mut case.lives {
            life.rot.clear();
            life.interrupts.clear();
            life.steps.retain(|s| !matches!(s, Step::Fault(_)));
            match cut {
                Cut::Life(effects) => life.crash = Crash::swept(seed, effects),
                Cut::Recovery(effects) => life.interrupts.push(Crash::swept(seed, effects)),
            }
        }
        case
    }

    /// Transactions that it issues at most.
    pub fn transactions(&self) -> usize {
        let steps = self.lives.iter().flat_map(|l| &l.steps);
        steps.filter(|s| matches!(s, Step::Submit(_))).count()
    }
}

/// The area that an offset lies in.
fn area_name(offset: u64) -> String {
    match offset {
        at if at < WAL_OFFSET => format!("superblock copy {}", at / (64 << 10)),
        at if at < WAL_OFFSET + LOG_BYTES => format!("log byte {}", at - WAL_OFFSET),
        at => format!("data unit {}", (at - WAL_OFFSET - LOG_BYTES) / UNIT),
    }
}

fn area_of(area: &Range<u64>) -> &'static str {
    match area.start {
        0 if area.end > WAL_OFFSET => "any area",
        0 => "the superblocks",
        WAL_OFFSET => "the log",
        _ => "the data area",
    }
}

impl Display for Crash {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let what = match self.mode {
            CrashMode::LoseAll => "power failure, everything unflushed is lost",
            CrashMode::KeepAll => "power failure, everything unflushed is there",
            CrashMode::Writes => "power failure, some unflushed writes are there",
            CrashMode::Sectors => "power failure, some sectors of unflushed writes are there",
            CrashMode::Kill => "the process dies, the cache stays",
        };
        match self.after {
            Some(n) => write!(f, "after {n} effects: {what}")?,
            None => write!(f, "at the end: {what}")?,
        }
        write!(f, "; an index flush under way {}", if self.index_finishes { "finishes" } else { "is lost" })
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let c = &self.config;
        let cache = if c.volatile_cache { "volatile cache" } else { "no volatile cache" };
        let cache = format!("{cache}{}", if c.discards { " and discards" } else { "" });
        let cache = match c.packing {
            Some(algorithm) => format!("{cache}, large writes packed by {algorithm}"),
            None => cache,
        };
        writeln!(
            f,
            "store: {} data units, {cache}, {} units in memory at most, index flushed from {} bytes on, in {} turns",
            c.data_units, c.overlay_units, c.index_dirty_bytes, c.index_slowness
        )?;
        for (n, life) in (1..).zip(&self.lives) {
            writeln!(f, "life {n}")?;
            for step in &life.steps {
                match step {
                    Step::Submit(ops) => {
                        let ops: Vec<String> = ops.iter().map(Op::to_string).collect();
                        writeln!(f, "  transaction: {}", ops.join("; "))?;
                    }
                    Step::Read { o, offset, len } => writeln!(f, "  read o{o} {offset}+{len}")?,
                    Step::Poll(0) => {}
                    Step::Poll(n) => writeln!(f, "  poll x{n}")?,
                    Step::Checkpoint => writeln!(f, "  checkpoint")?,
                    Step::Fault(i) => {
                        let what = match i.fault {
                            Fault::FailWrite => format!("a write to {} fails", area_of(&i.area)),
                            Fault::FailFlush => "a flush fails".to_string(),
                            Fault::FailRead => "a read fails".to_string(),
                            Fault::LoseWrite => format!("a write to {} is lost", area_of(&i.area)),
                            Fault::MisdirectWrite { to } => {
                                format!("a write to {} lands at {}", area_of(&i.area), area_name(to))
                            }
                        };
                        writeln!(f, "  fault, after {} that go well: {what}", i.skip)?;
                    }
                }
            }
            writeln!(f, "  {}", life.crash)?;
            for at in &life.rot {
                writeln!(f, "  rot in {}", area_name(*at))?;
            }
            for crash in &life.interrupts {
                writeln!(f, "  recovery is cut short {crash}")?;
            }
        }
        Ok(())
    }
}
