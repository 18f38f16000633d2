//! Who breaks what, and when: faults are drawn from the seed, overlap, and end again.
//!
//! Of the OSDs never more are out of order at once than a pool of three copies survives (two), mostly one, and a disk
//! is taken away only while every PG is whole. Processes of other kinds are beaten as they come.

mod cut;
mod disk;
mod fill;
mod power;

use crate::Options;
use crate::run::Run;
use crate::second_gateway::SecondGateway;
use crate::stage::{MONS, RAW_PGS, RAW_POOL, Stage};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use stdx::Rng;
use tests_cluster::{run::tail, say};

/// How often faults are looked after.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is asked whether OSDs that came back have caught up.
const MEND_LOOK: Duration = Duration::from_secs(1);
/// How often a line of status is shown.
const TELL: Duration = Duration::from_secs(10);

/// The most PGs that the pool of raw objects gets.
const RAW_PGS_MAX: u64 = 96;

/// A kind of fault.
struct Kind {
    name: &'static str,
    /// How often it is drawn, relative to the others.
    weight: u64,
    begin: fn(&mut Injector<'_>),
}

/// All kinds. Those that cut links do nothing where the machine gives no network of our own.
const KINDS: &[Kind] = &[
    Kind { name: "kill-osd", weight: 20, begin: |i| i.strike_osd("kill-osd") },
    Kind { name: "pause-osd", weight: 14, begin: |i| i.strike_osd("pause-osd") },
    Kind { name: "stop-osd", weight: 6, begin: |i| i.strike_osd("stop-osd") },
    Kind { name: "fail-osd", weight: 5, begin: |i| i.fail_osd() },
    Kind { name: "out-osd", weight: 4, begin: |i| i.unweigh("out-osd") },
    Kind { name: "reweight-osd", weight: 3, begin: |i| i.unweigh("reweight-osd") },
    Kind { name: "wipe-osd", weight: 4, begin: |i| i.waiting = Some(disk::wipe) },
    Kind { name: "fill-disks", weight: 1, begin: |i| i.waiting = Some(fill::fill) },
    Kind { name: "cut-osd", weight: 16, begin: cut::osd },
    Kind { name: "cut-mon", weight: 4, begin: cut::mon },
    Kind { name: "kill-mon", weight: 6, begin: |i| i.strike_mon("kill-mon") },
    Kind { name: "pause-mon", weight: 6, begin: |i| i.strike_mon("pause-mon") },
    Kind { name: "no-quorum", weight: 2, begin: |i| i.no_quorum() },
    Kind { name: "kill-gateway", weight: 5, begin: |i| i.strike_gateway("kill-gateway") },
    Kind { name: "pause-gateway", weight: 3, begin: |i| i.strike_gateway("pause-gateway") },
    Kind { name: "power-failure", weight: 2, begin: power::fail },
    Kind { name: "grow-pgs", weight: 3, begin: |i| i.grow_pgs() },
];

/// How a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    /// The process is started again.
    Start,
    /// The process goes on.
    Continue,
    /// The OSD is in again, with its whole weight.
    Weigh,
    /// The links are whole again.
    Mend,
}

/// A fault that lasts.
struct Active {
    name: &'static str,
    daemon: String,
    until: Instant,
    cure: Cure,
    /// The rules of routing that cut its links.
    rules: Vec<String>,
}

/// The one who breaks things.
struct Injector<'a> {
    run: &'a Run,
    stage: &'a mut Stage,
    rng: Rng,
    active: Vec<Active>,
    /// An OSD whose disk was taken away is being filled.
    refilling: bool,
    /// An OSD is back, and may not have caught up.
    mending: bool,
    looked: Instant,
    /// A fault that has been drawn and needs a cluster that is whole; until then no other begins.
    waiting: Option<fn(&mut Injector<'_>)>,
    /// Rules of routing that were made so far.
    rules: u32,
    /// PGs of the pool of raw objects.
    pgs: u64,
    next: Instant,
    end: Instant,
}

/// Injects faults for as long as the options say, or until a promise is broken.
pub(crate) fn inject(run: &Run, stage: &mut Stage, options: &Options) {
    for only in &options.only {
        assert!(KINDS.iter().any(|k| k.name == only), "there is no fault {only:?}; there are {}", names());
    }
    let kinds: Vec<&Kind> = KINDS
        .iter()
        .filter(|k| options.only.is_empty() || options.only.iter().any(|o| o == k.name))
        .collect();
    let now = Instant::now();
    let mut injector = Injector {
        run,
        stage,
        rng: run.rng("faults", 0),
        active: Vec::new(),
        refilling: false,
        mending: false,
        looked: now,
        waiting: None,
        rules: 0,
        pgs: RAW_PGS,
        next: now + Duration::from_secs(3),
        end: now + options.length,
    };
    let mut told = now;
    while Instant::now() < injector.end && run.wrong().is_empty() {
        injector.cure(Instant::now());
        injector.notice_deaths();
        if let Some(begin) = injector.waiting {
            if injector.active.is_empty() && !injector.refilling && injector.stage.clean().is_ok() {
                injector.waiting = None;
                begin(&mut injector);
            }
        } else if Instant::now() >= injector.next {
            let total: u64 = kinds.iter().map(|k| k.weight).sum();
            let mut at = injector.rng.below(total);
            let drawn = kinds.iter().find(|k| {
                let here = at < k.weight;
                at = at.saturating_sub(k.weight);
                here
            });
            if let Some(kind) = drawn {
                (kind.begin)(&mut injector);
            }
            injector.next = Instant::now() + Duration::from_millis(300 + injector.rng.below(5_000));
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            say!("  [{:7.1} s] {}", run.begun.elapsed().as_secs_f64(), run.report.status());
        }
        run.pace(LOOK);
    }
    injector.cure_all();
}

fn names() -> String {
    KINDS.iter().map(|k| k.name).collect::<Vec<_>>().join(", ")
}

impl Injector<'_> {
    fn tell(&self, text: &str) {
        say!("  [{:7.1} s]   {text}", self.run.begun.elapsed().as_secs_f64());
    }

    fn note(&self) {
        let mut now: Vec<String> = self.active.iter().map(|a| format!("{} {}", a.name, a.daemon)).collect();
        if self.refilling {
            now.push("an OSD is refilled".into());
        }
        self.run.report.now(now.join(", "));
    }

    /// A fault begins, and lasts for between `least` and `most` milliseconds.
    fn begin(&mut self, name: &'static str, daemon: String, cure: Cure, (least, most): (u64, u64)) {
        let lasts = Duration::from_millis(least + self.rng.below(most - least));
        self.tell(&format!("{name} {daemon} for {:.1} s", lasts.as_secs_f64()));
        self.run.report.fault(name);
        self.active.push(Active { name, daemon, until: Instant::now() + lasts, cure, rules: Vec::new() });
        self.note();
    }

    fn is_beaten(&self, daemon: &str) -> bool {
        self.active.iter().any(|a| a.daemon == daemon)
    }

    /// OSDs that do not serve now.
    fn down(&self) -> usize {
        self.active.iter().filter(|a| a.daemon.starts_with("osd.") && a.cure != Cure::Weigh).count()
    }

    /// Draws an OSD that nothing is wrong with.
    fn healthy_osd(&mut self) -> Option<u32> {
        let all = self.stage.osds();
        let all: Vec<u32> = all.into_iter().filter(|n| !self.is_beaten(&format!("osd.{n}"))).collect();
        (!all.is_empty()).then(|| all[self.rng.below(all.len() as u64) as usize])
    }

    /// Whether one more OSD may stop serving: the second one seldom, a third one never.
    fn may_strike(&mut self) -> bool {
        // One that has yet to catch up is as good as absent: without it a PG may have one member in sync.
        match self.down() + usize::from(self.refilling || self.mending) {
            0 => true,
            1 => self.rng.chance(1, 3),
            _ => false,
        }
    }

    fn strike_osd(&mut self, name: &'static str) {
        if !self.may_strike() {
            return;
        }
        let Some(n) = self.healthy_osd() else { return };
        let osd = format!("osd.{n}");
        match name {
            "kill-osd" => {
                self.stage.kill(&osd);
                self.begin(name, osd, Cure::Start, (500, 20_000));
            }
            "stop-osd" => {
                if let Err(why) = self.stage.order(&["daemon", "stop", &osd]) {
                    return self.run.broken(format!("{osd} is not stopped: {why}"));
                }
                self.begin(name, osd, Cure::Start, (500, 15_000));
            }
            _ => self.pause(name, osd),
        }
    }

    /// From less than a lease to far longer than any grace.
    fn pause(&mut self, name: &'static str, daemon: String) {
        let lasts = if self.rng.chance(1, 2) { (100, 3_000) } else { (7_000, 25_000) };
        if self.stage.signal(&daemon, Signal::STOP) {
            self.begin(name, daemon, Cure::Continue, lasts);
        }
    }

    /// Declared dead though it lives; it comes back by itself.
    fn fail_osd(&mut self) {
        if self.down() > 0 || self.refilling {
            return;
        }
        let Some(n) = self.healthy_osd() else { return };
        if self.stage.order(&["osd", "fail", &n.to_string()]).is_ok() {
            self.tell(&format!("fail-osd osd.{n}"));
            self.run.report.fault("fail-osd");
        }
    }

    fn unweigh(&mut self, name: &'static str) {
        if self.refilling || self.active.iter().any(|a| a.cure == Cure::Weigh) {
            return;
        }
        let Some(n) = self.healthy_osd() else { return };
        let n = n.to_string();
        let order: &[&str] =
            if name == "out-osd" { &["osd", "out", &n] } else { &["osd", "reweight", &n, "0.4"] };
        if self.stage.order(order).is_ok() {
            self.begin(name, format!("osd.{n}"), Cure::Weigh, (3_000, 30_000));
        }
    }

    /// The pool of raw objects gets more PGs, up to a number that the OSDs take.
    fn grow_pgs(&mut self) {
        let more = self.pgs + 1 + self.rng.below(self.pgs / 2);
        if more <= RAW_PGS_MAX
            && self.stage.order(&["pool", "set", RAW_POOL, "pg_num", &more.to_string()]).is_ok()
        {
            self.pgs = more;
            self.tell(&format!("grow-pgs: {RAW_POOL} has {more} PGs"));
        }
    }

    fn healthy_mons(&self) -> Vec<String> {
        (0..MONS).map(|n| format!("mon.{n}")).filter(|m| !self.is_beaten(m)).collect()
    }

    fn strike_mon(&mut self, name: &'static str) {
        let mons = self.healthy_mons();
        if mons.len() < MONS as usize {
            return;
        }
        let mon = mons[self.rng.below(mons.len() as u64) as usize].clone();
        match name {
            "kill-mon" => {
                self.stage.kill(&mon);
                self.begin(name, mon, Cure::Start, (500, 20_000));
            }
            _ => self.pause(name, mon),
        }
    }

    /// A majority stands still.
    fn no_quorum(&mut self) {
        let mons = self.healthy_mons();
        if mons.len() < MONS as usize {
            return;
        }
        let spared = self.rng.below(mons.len() as u64) as usize;
        for (_, mon) in mons.into_iter().enumerate().filter(|(at, _)| *at != spared) {
            if self.stage.signal(&mon, Signal::STOP) {
                self.begin("no-quorum", mon, Cure::Continue, (2_000, 12_000));
            }
        }
    }

    fn strike_gateway(&mut self, name: &'static str) {
        let gateways = ["gateway.0", SecondGateway::NAME];
        if gateways.iter().any(|g| self.is_beaten(g)) {
            return;
        }
        let gateway = gateways[self.rng.below(2) as usize].to_string();
        match name {
            "kill-gateway" => {
                self.stage.kill(&gateway);
                self.begin(name, gateway, Cure::Start, (100, 8_000));
            }
            _ => self.pause(name, gateway),
        }
    }

    /// Ends the faults whose time has come.
    fn cure(&mut self, now: Instant) {
        let (due, rest): (Vec<Active>, Vec<Active>) = self.active.drain(..).partition(|a| a.until <= now);
        self.active = rest;
        for fault in due {
            self.end(&fault);
        }
        let wants_look = (self.refilling || self.mending) && self.down() == 0;
        if wants_look && now - self.looked > MEND_LOOK {
            self.looked = now;
            if self.stage.clean().is_ok() {
                if self.refilling {
                    self.tell("refilled: every PG is active+clean");
                }
                (self.refilling, self.mending) = (false, false);
            }
        }
        self.note();
    }

    fn end(&mut self, fault: &Active) {
        self.mending |= fault.daemon.starts_with("osd.");
        match fault.cure {
            Cure::Start => self.stage.revive(&fault.daemon),
            Cure::Continue => drop(self.stage.signal(&fault.daemon, Signal::CONT)),
            Cure::Mend => cut::mend(&fault.rules),
            Cure::Weigh => {
                let n = fault.daemon.trim_start_matches("osd.");
                let orders: [&[&str]; 2] = [&["osd", "in", n], &["osd", "reweight", n, "1.0"]];
                for order in orders {
                    // Without a quorum it waits for its next turn.
                    if let Err(why) = self.stage.order(order) {
                        self.tell(&format!("not yet: {why}"));
                        let until = Instant::now() + Duration::from_secs(2);
                        let (daemon, rules) = (fault.daemon.clone(), Vec::new());
                        return self.active.push(Active { daemon, until, rules, ..*fault });
                    }
                }
            }
        }
        self.tell(&format!("{} {} ends", fault.name, fault.daemon));
    }

    /// Ends all faults now; processes first, since orders need a quorum.
    fn cure_all(&mut self) {
        let (weights, processes): (Vec<Active>, Vec<Active>) =
            self.active.drain(..).partition(|a| a.cure == Cure::Weigh);
        for fault in processes.iter().chain(&weights) {
            self.end(fault);
        }
        self.note();
    }

    /// A daemon that nobody has ended must run.
    fn notice_deaths(&mut self) {
        let osds = self.stage.osds().into_iter().map(|n| format!("osd.{n}"));
        let mons = (0..MONS).map(|n| format!("mon.{n}"));
        let gateways = ["gateway.0", SecondGateway::NAME].map(str::to_string);
        for daemon in osds.chain(mons).chain(gateways) {
            if !self.is_beaten(&daemon) && self.stage.pid(&daemon).is_none() {
                let log = self.stage.cluster.log(&daemon);
                self.run
                    .broken(format!("{daemon} has ended by itself; the end of its log:\n{}", tail(&log, 15)));
            }
        }
    }
}
