//! Random commands, in any order, from daemons that may be late: what must never happen, never does.
//! A failing run prints its seed; to replay it, put it into `SEEDS`.

use super::apply_test::{boot, boot_of, bootstrap, cluster, step};
use crate::command::{Command, PoolCreate};
use crate::ids::{OsdId, PgId, PoolId};
use crate::osd::{Uuid, WEIGHT_ONE};
use crate::pg_row::{PgRow, RowChange, RowChangeKind};
use crate::state::ClusterState;
use std::collections::BTreeMap;
use stdx::Rng;

const SEEDS: std::ops::Range<u64> = 0..60;
const STEPS: u32 = 150;
const OSDS: u64 = 6;

fn some_osd(rng: &mut Rng) -> OsdId {
    OsdId(rng.below(OSDS) as u32)
}

fn some_osds(rng: &mut Rng) -> Vec<OsdId> {
    (0..=rng.below(3)).map(|_| some_osd(rng)).collect()
}

fn subset(rng: &mut Rng, osds: &[OsdId]) -> Vec<OsdId> {
    osds.iter().copied().filter(|_| rng.chance(3, 4)).collect()
}

/// Proposals of primaries as they saw the rows in `seen`: mostly sensible, often late.
fn proposals(rng: &mut Rng, state: &ClusterState, seen: &BTreeMap<PgId, PgRow>) -> Command {
    let mut changes = Vec::new();
    for (pg, row) in seen {
        if !rng.chance(2, 3) {
            continue;
        }
        let from = if rng.chance(1, 20) { some_osd(rng) } else { row.primary.unwrap_or(OsdId(0)) };
        let kind = match rng.below(4) {
            0 if row.activated => RowChangeKind::Shrink { drop: subset(rng, &row.in_sync) },
            1 if !row.activated && rng.chance(1, 4) => RowChangeKind::Yield { to: some_osd(rng) },
            _ if !row.activated && rng.chance(3, 4) => {
                RowChangeKind::Activate { in_sync: row.in_sync.clone() }
            }
            _ if !row.activated => RowChangeKind::Activate { in_sync: subset(rng, &row.in_sync) },
            1 => RowChangeKind::Grow { add: some_osds(rng) },
            _ => {
                let up = state.mapping().up(*pg).map(|up| up.set.clone()).unwrap_or_default();
                RowChangeKind::Grow { add: up.into_iter().filter(|osd| !row.in_sync.contains(osd)).collect() }
            }
        };
        changes.push(RowChange { pg: *pg, from, revision: row.revision, kind });
    }
    Command::Rows(changes)
}

fn command(rng: &mut Rng, state: &ClusterState, seen: &BTreeMap<PgId, PgRow>) -> Command {
    match rng.below(30) {
        0 => bootstrap(),
        1..=4 => boot(some_osd(rng).0, rng.below(4)),
        5 => {
            let mut osd = boot_of(some_osd(rng).0, rng.next_u64());
            if rng.chance(1, 2) {
                osd.damaged = true;
            } else {
                osd.uuid = Uuid([rng.below(250) as u8 + 1; 16]);
            }
            Command::OsdBoot(osd)
        }
        6..=8 => Command::MarkDown { osds: some_osds(rng).into_iter().map(|osd| (osd, None)).collect() },
        9 => Command::MarkOut { osds: some_osds(rng), automatic: rng.chance(1, 2) },
        10 => Command::MarkIn { osds: some_osds(rng) },
        11 => {
            Command::OsdReweight { osd: some_osd(rng), weight: rng.below(u64::from(WEIGHT_ONE) + 1) as u32 }
        }
        12 => {
            Command::CrushReweight { osd: some_osd(rng), weight: rng.below(4 * u64::from(WEIGHT_ONE)) as u32 }
        }
        13 => Command::PrimaryAffinity {
            osd: some_osd(rng),
            affinity: rng.below(u64::from(WEIGHT_ONE) + 1) as u32,
        },
        14 => Command::OsdRm { osd: some_osd(rng), force: rng.chance(1, 4) },
        15 if rng.chance(1, 3) => Command::PoolCreate(PoolCreate {
            name: format!("p{}", rng.below(3)),
            erasure: Some("k=2 m=1 crush-failure-domain=osd".to_owned()),
            pg_num: Some(1 + rng.below(6) as u32),
            ..PoolCreate::default()
        }),
        15 => Command::PoolCreate(PoolCreate {
            name: format!("p{}", rng.below(3)),
            size: Some(1 + rng.below(4) as u32),
            pg_num: Some(1 + rng.below(6) as u32),
            ..PoolCreate::default()
        }),
        16 => Command::PoolSet {
            name: format!("p{}", rng.below(3)),
            key: "size".to_owned(),
            value: (1 + rng.below(4)).to_string(),
        },
        17 if rng.chance(1, 5) => Command::PoolRm { name: format!("p{}", rng.below(3)) },
        18 => {
            let pg = PgId { pool: PoolId(1 + rng.below(3)), seed: rng.below(4) as u32 };
            Command::PgUpmapItems { pg, items: vec![(some_osd(rng), some_osd(rng))] }
        }
        19 if rng.chance(1, 4) => {
            Command::PgRecreate { pg: PgId { pool: PoolId(1), seed: rng.below(4) as u32 } }
        }
        _ => proposals(rng, state, seen),
    }
}

/// What must hold between two states one command apart.
fn compare(before: &ClusterState, after: &ClusterState, command: &Command) {
    for pg in after.map().pgs() {
        let row = after.row(pg).expect("each PG has a row");
        crate::rows::check(row, after.map());
        assert_eq!(after.map().up_acting(pg).up, after.mapping().up(pg).expect("mapped").set, "{pg}");
        if row.primary.is_some() {
            assert_eq!(
                after.map().up_acting(pg).acting_primary,
                row.primary,
                "{pg}: a stock client's primary"
            );
        }
        let Some(old) = before.row(pg) else { continue };
        assert!(row.interval >= old.interval && row.revision >= old.revision, "{pg}: {old:?} -> {row:?}");
        assert!(row == old || row.revision > old.revision, "{pg}: a change shows in the revision");
        let same_tenure = row.interval == old.interval;
        assert!(
            !same_tenure || row.primary == old.primary || old.interval == 0,
            "{pg}: one primary an interval"
        );
        assert!(!same_tenure || row.activated || !old.activated, "{pg}: activation is not taken back");
        let joined: Vec<&OsdId> = row.in_sync.iter().filter(|osd| !old.in_sync.contains(osd)).collect();
        let may_join = old.interval == 0 || matches!(command, Command::Rows(_) | Command::PgRecreate { .. });
        if old.interval > 0 && matches!(command, Command::Rows(_)) {
            let up = &before.mapping().up(pg).expect("mapped").set;
            assert!(joined.iter().all(|osd| up.contains(osd)), "{pg}: {joined:?} joined {up:?}");
        }
        assert!(joined.is_empty() || may_join, "{pg}: {joined:?} joined by {command:?}");
    }
    if let Command::OsdBoot(boot) = command
        && let (Some(old), Some(new)) = (before.map().osd(boot.id), after.map().osd(boot.id))
        && new.up_from > old.up_from
        && (boot.damaged || new.uuid != old.uuid)
    {
        let held = after.rows().find(|(pg, row)| {
            let held_before = before.row(*pg).is_some_and(|old| old.interval > 0);
            held_before && row.in_sync.contains(&boot.id)
        });
        assert_eq!(held, None, "{} lost its store and still counts as in sync", boot.id);
    }
    assert_eq!(after.rows().count(), after.map().pgs().count(), "no rows of PGs that are gone");
    assert!(after.map().pg_temp.keys().all(|pg| after.map().has_pg(*pg)));
}

#[test]
fn random_commands_keep_the_rules() {
    let (mut served, mut lost) = (0u32, 0u32);
    for seed in SEEDS {
        let mut rng = Rng::new(seed);
        let mut state = cluster(OSDS as u32);
        let run = std::panic::AssertUnwindSafe(|| {
            let mut seen = BTreeMap::new();
            for _ in 0..STEPS {
                let command = command(&mut rng, &state, &seen);
                let before = state.clone();
                step(&mut state, &command);
                compare(&before, &state, &command);
                if rng.chance(2, 3) {
                    seen = state.rows().map(|(pg, row)| (pg, row.clone())).collect();
                }
            }
            heal(&mut state);
            served += state.rows().filter(|(_, row)| row.activated).count() as u32;
            lost += state.rows().filter(|(_, row)| row.lost).count() as u32;
        });
        if let Err(cause) = std::panic::catch_unwind(run) {
            panic!("seed {seed}: {}", cause.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(served > 100 && lost > 10, "the runs reached what they are for: {served} served, {lost} lost");
}

/// With the faults over and primaries doing their work, every PG that is not lost ends with its up set in sync,
/// served by the primary that CRUSH names, without stand-ins.
fn heal(state: &mut ClusterState) {
    let ids: Vec<(OsdId, Uuid)> = state.map().osds.iter().map(|(id, osd)| (*id, osd.uuid)).collect();
    for (id, uuid) in ids {
        let mut osd = boot_of(id.0, 1000);
        osd.uuid = uuid;
        step(state, &Command::OsdBoot(osd));
    }
    for _ in 0..6 {
        let mut changes = Vec::new();
        for (pg, row) in state.rows() {
            let Some(from) = row.primary else { continue };
            let up = &state.mapping().up(pg).expect("mapped").set;
            let joins = |osd: &OsdId| *osd != OsdId::NONE && !row.in_sync.contains(osd);
            let add: Vec<OsdId> = up.iter().copied().filter(joins).collect();
            // Of two with one shard the later makes room and comes back with another.
            let seats = row.seats(up);
            let moves =
                |osd: &OsdId| row.shards.get(osd).is_some_and(|s| seats.get(osd).is_some_and(|t| s != t));
            let drop: Vec<OsdId> = row.in_sync.iter().copied().filter(moves).collect();
            let kind = match row.activated {
                false => RowChangeKind::Activate { in_sync: row.in_sync.clone() },
                true if !drop.is_empty() => RowChangeKind::Shrink { drop },
                true if add.is_empty() => continue,
                true => RowChangeKind::Grow { add },
            };
            changes.push(RowChange { pg, from, revision: row.revision, kind });
        }
        step(state, &Command::Rows(changes));
    }
    for (pg, row) in state.rows() {
        let up = state.mapping().up(pg).expect("mapped");
        let members: Vec<OsdId> = up.set.iter().copied().filter(|osd| *osd != OsdId::NONE).collect();
        let served =
            row.activated && row.primary == up.primary && members.iter().all(|osd| row.in_sync.contains(osd));
        let alive: Vec<OsdId> = row.in_sync.iter().copied().filter(|osd| state.map().is_up(*osd)).collect();
        let fewest = state.map().pool(pg.pool).and_then(crate::Pool::fewest_shards);
        let few = fewest.is_some_and(|fewest| row.copies_of(&alive) < fewest || members.len() < fewest);
        let waits_for_removed =
            row.primary.is_none() && row.in_sync.iter().all(|osd| !state.map().is_up(*osd));
        assert!(served || row.lost || members.is_empty() || waits_for_removed || few, "{pg}: {row:?} {up:?}");
        assert!(
            few || row.primary.is_none() || members.is_empty() || !state.map().pg_temp.contains_key(&pg),
            "{pg}"
        );
    }
}
