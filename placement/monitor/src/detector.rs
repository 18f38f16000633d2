//! Who is down? Decided by the leading monitor from what OSDs say; pure, on the leader's monotonic clock. A new
//! leader starts with nothing and gives every OSD a full grace.
//!
//! * Peers report an OSD that does not answer them. Two reporters in different hosts make it down, where there are
//!   that many hosts; else as many single reporters as exist. A refused connection is proof that the process is
//!   gone, so one such report suffices in a small cluster.
//! * An OSD whose beacons stop is down after a grace, whatever its peers say.
//! * An OSD that is down for long is marked out, unless too many are out already.

use placement_map::{ClusterMap, Command, Epoch, Flag, OsdId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stdx::Time;
use wire_codec::mon::FailureReport;

/// A report that is not repeated for so long does not count any more. Reporters repeat theirs every second.
const REPORT_LIFE: Duration = Duration::from_secs(4);
/// The longest time between two looks of a leader that runs.
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(2);
/// Two of the beacons that OSDs send every 2 s.
const BEACON_GRACE_MIN: Duration = Duration::from_secs(4);
/// With so many OSDs up or fewer, one refused connection is enough.
const FEW_OSDS: usize = 16;
/// Nobody is marked out automatically when fewer than 3 in 4 OSDs are in: then the trouble is not a lost disk, and
/// moving everything to the rest would make it worse.
const IN_RATIO_MIN: (usize, usize) = (3, 4);

/// What one peer says of another.
#[derive(Clone, Copy, Debug)]
struct Said {
    incarnation: Epoch,
    refused: bool,
    at: Time,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct FailureDetector {
    /// Last sign of life by OSD and incarnation; the first look counts as one.
    alive: BTreeMap<OsdId, (Epoch, Time)>,
    /// Reports by target and reporter.
    reports: BTreeMap<OsdId, BTreeMap<OsdId, Said>>,
    /// Since when an OSD is down, as this leader saw it.
    down: BTreeMap<OsdId, (Epoch, Time)>,
    /// When the leader last looked.
    looked: Option<Time>,
}

impl FailureDetector {
    pub(crate) fn new() -> FailureDetector {
        FailureDetector {
            alive: BTreeMap::new(),
            reports: BTreeMap::new(),
            down: BTreeMap::new(),
            looked: None,
        }
    }

    /// The leader looks, which it does every [`LOOK_MAX`] at the latest. If it did not, it stood still itself (a paused
    /// machine, a disk that hung), and signs of life wait unread: that time is nobody's silence.
    pub(crate) fn look(&mut self, now: Time) {
        let gap = self.looked.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        if gap > LOOK_MAX + LOOK_MAX / 2 {
            tracing::warn!(?gap, "this monitor stood still; nobody's silence is counted for that time");
            for (_, seen) in self.alive.values_mut() {
                *seen = (*seen + gap).min(now);
            }
        }
    }

    /// A sign of life.
    pub(crate) fn beacon(&mut self, now: Time, osd: OsdId, incarnation: Epoch) {
        self.alive.insert(osd, (incarnation, now));
    }

    /// A peer's report, or that it takes one back.
    pub(crate) fn report(&mut self, now: Time, report: &FailureReport) {
        let of_target = self.reports.entry(report.target).or_default();
        if report.withdrawn || report.from == report.target {
            of_target.remove(&report.from);
        } else {
            let said = Said { incarnation: report.incarnation, refused: report.refused, at: now };
            of_target.insert(report.from, said);
        }
    }

    /// What follows from all that, by the current map. Commands repeat until the map shows them done.
    pub(crate) fn decide(&mut self, now: Time, map: &ClusterMap) -> Vec<Command> {
        self.follow(now, map);
        let mut commands = Vec::new();
        let down = if map.flags.has(Flag::NoDown) { Vec::new() } else { self.failed(now, map) };
        if !down.is_empty() {
            commands.push(Command::MarkDown { osds: down });
        }
        let out = if map.flags.has(Flag::NoOut) { Vec::new() } else { self.overdue(now, map) };
        if !out.is_empty() {
            commands.push(Command::MarkOut { osds: out, automatic: true });
        }
        commands
    }

    /// The next moment at which [`FailureDetector::decide`] may have something new to say without any news.
    pub(crate) fn next_timeout(&self, map: &ClusterMap) -> Option<Time> {
        let grace = beacon_grace(map);
        let beacons = self.alive.iter().filter(|(id, _)| map.is_up(**id)).map(|(_, (_, seen))| *seen + grace);
        let wait = seconds(map, "mon_osd_down_out_interval", 600);
        let waits = wait > Duration::ZERO && !map.flags.has(Flag::NoOut);
        let outs = self.down.iter().filter(|(id, _)| waits && map.osd(**id).is_some_and(|osd| osd.is_in()));
        beacons.chain(outs.map(|(_, (_, since))| *since + wait)).min()
    }

    /// Brings the notes in line with the map: new incarnations get a grace, what is gone is forgotten.
    fn follow(&mut self, now: Time, map: &ClusterMap) {
        for (id, osd) in &map.osds {
            if osd.up {
                self.down.remove(id);
                let known = self.alive.get(id).is_some_and(|(incarnation, _)| *incarnation == osd.up_from);
                if !known {
                    self.alive.insert(*id, (osd.up_from, now));
                }
            } else if self.down.get(id).is_none_or(|(at, _)| *at != osd.down_at) {
                self.down.insert(*id, (osd.down_at, now));
            }
        }
        self.alive.retain(|id, _| map.is_up(*id));
        self.down.retain(|id, _| map.osd(*id).is_some());
        self.reports.retain(|target, of_target| {
            let incarnation = map.incarnation(*target);
            of_target.retain(|from, said| {
                map.is_up(*from) && Some(said.incarnation) == incarnation && now.since(said.at) < REPORT_LIFE
            });
            !of_target.is_empty()
        });
    }

    fn failed(&self, now: Time, map: &ClusterMap) -> Vec<(OsdId, Option<Epoch>)> {
        let grace = beacon_grace(map);
        let silent = |id: &OsdId| self.alive.get(id).is_some_and(|(_, seen)| now.since(*seen) >= grace);
        let failed = map.up_osds().filter(|id| silent(id) || self.reported(*id, map));
        failed.map(|id| (id, map.incarnation(id))).collect()
    }

    /// Whether enough peers report an OSD.
    fn reported(&self, target: OsdId, map: &ClusterMap) -> bool {
        let Some(reports) = self.reports.get(&target) else { return false };
        let others: Vec<OsdId> = map.up_osds().filter(|id| *id != target).collect();
        if reports.values().any(|said| said.refused) && others.len() < FEW_OSDS {
            return true;
        }
        let wanted = map.setting("mon", "mon_osd_min_down_reporters").and_then(|v| v.parse().ok());
        let wanted = wanted.unwrap_or(2usize).max(1);
        let hosts =
            |ids: &mut dyn Iterator<Item = OsdId>| ids.map(|id| host(map, id)).collect::<BTreeSet<_>>().len();
        if hosts(&mut others.iter().copied()) >= wanted {
            hosts(&mut reports.keys().copied()) >= wanted
        } else {
            reports.len() >= wanted.min(others.len()).max(1)
        }
    }

    fn overdue(&self, now: Time, map: &ClusterMap) -> Vec<OsdId> {
        let wait = seconds(map, "mon_osd_down_out_interval", 600);
        if wait.is_zero() {
            return Vec::new();
        }
        let total = map.osds.len();
        let mut inside = map.osds.values().filter(|osd| osd.is_in()).count();
        let mut out = Vec::new();
        for (id, (_, since)) in &self.down {
            let due = now.since(*since) >= wait && map.osd(*id).is_some_and(|osd| osd.is_in());
            if due && inside * IN_RATIO_MIN.1 >= total * IN_RATIO_MIN.0 {
                inside -= 1;
                out.push(*id);
            }
        }
        out
    }
}

/// Never shorter than a beacon may take: what was set before such values were refused takes nobody down.
fn beacon_grace(map: &ClusterMap) -> Duration {
    seconds(map, "mon_osd_beacon_grace", 6).max(BEACON_GRACE_MIN)
}

fn seconds(map: &ClusterMap, key: &str, default: u64) -> Duration {
    Duration::from_secs(map.setting("mon", key).and_then(|v| v.parse().ok()).unwrap_or(default))
}

/// The host an OSD is on; OSDs that hang nowhere count as hosts of their own.
fn host(map: &ClusterMap, id: OsdId) -> Result<i32, OsdId> {
    let item = i32::try_from(id.0).map_err(|_| id)?;
    let kind = map.crush.type_id("host").ok_or(id)?;
    map.crush.ancestor_of_type(item, kind).ok_or(id)
}
