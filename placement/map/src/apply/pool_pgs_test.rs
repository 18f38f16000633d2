//! PGs that are split: their rows, where they lie, when placement follows, and what is refused with which words.

use super::apply_test::{boot, bootstrap, ok, pool, refused, step};
use super::placement_due;
use crate::command::{Command, PoolCreate};
use crate::ids::{OsdId, PgId, PoolId, parent_seed};
use crate::pg_row::{PgRow, RowChange, RowChangeKind};
use crate::refusal::RefusalKind;
use crate::state::ClusterState;

const POOL: PoolId = PoolId(1);

fn set(key: &str, value: impl ToString) -> Command {
    Command::PoolSet { name: "p".to_owned(), key: key.to_owned(), value: value.to_string() }
}

fn row(state: &ClusterState, seed: u32) -> &PgRow {
    state.row(PgId { pool: POOL, seed }).expect("a row for each PG")
}

fn up(state: &ClusterState, seed: u32) -> Vec<OsdId> {
    state.mapping().up(PgId { pool: POOL, seed }).expect("mapped").set.clone()
}

/// Every PG that is not active becomes so.
fn activate_all(state: &mut ClusterState) {
    let due = state.rows().filter(|(_, row)| !row.activated).filter_map(|(pg, row)| {
        let kind = RowChangeKind::Activate { in_sync: row.in_sync.clone() };
        Some(RowChange { pg, from: row.primary?, revision: row.revision, kind })
    });
    let changes = due.collect();
    ok(state, &Command::Rows(changes));
}

fn cluster(pg_num: u32) -> ClusterState {
    let mut state = ClusterState::default();
    ok(&mut state, &bootstrap());
    for id in 0..6 {
        ok(&mut state, &boot(id, 1));
    }
    ok(&mut state, &Command::PoolCreate(PoolCreate { pg_num: Some(pg_num), ..pool("p") }));
    activate_all(&mut state);
    state
}

#[test]
fn children_begin_where_their_parents_are_and_both_in_a_new_interval() {
    let mut state = cluster(5);
    let before: Vec<PgRow> = (0..5).map(|seed| row(&state, seed).clone()).collect();
    let upmap = Command::PgUpmapItems {
        pg: PgId { pool: POOL, seed: 1 },
        items: vec![(up(&state, 1)[2], (0..6).map(OsdId).find(|o| !up(&state, 1).contains(o)).expect("six"))],
    };
    ok(&mut state, &upmap);
    ok(&mut state, &set("pg_num", 16));
    assert_eq!(state.rows().filter(|(pg, _)| pg.pool == POOL).count(), 16);
    for seed in 0..16 {
        let parent = parent_seed(seed, 5);
        let (was, now) = (&before[parent as usize], row(&state, seed));
        assert_eq!((&now.in_sync, now.primary), (&was.in_sync, was.primary), "PG {seed}");
        assert_eq!(up(&state, seed), up(&state, parent), "nothing moves: pgp_num is what it was");
        let divided = (0..16).filter(|other| parent_seed(*other, 5) == parent).count() > 1;
        assert_eq!(now.interval, was.interval + u64::from(divided), "PG {seed}");
        assert_eq!(now.activated, !divided);
    }
    let made = state.map().pool(POOL).expect("it").clone();
    assert_eq!((made.pg_num, made.pgp_num, made.pg_num_made()), (16, 5, 5));
    let upmapped =
        |state: &ClusterState| -> Vec<u32> { state.map().pg_upmap_items.keys().map(|pg| pg.seed).collect() };
    assert_eq!(upmapped(&state), [1, 5, 9, 13], "children lie where somebody put their parent");
    let mut spread = state.clone();
    ok(&mut spread, &set("pgp_num", 16));
    assert_eq!(upmapped(&spread), [1], "and go where CRUSH has them");
    ok(&mut state, &set("pg_num", 17));
    assert_eq!(state.map().pool(POOL).expect("it").pg_num_made(), 5, "what it was made with stays");
}

#[test]
fn pgs_without_a_child_are_left_alone() {
    let mut state = cluster(4);
    let applied = step(&mut state, &set("pg_num", 6));
    let changed: Vec<u32> = applied.rows.iter().map(|(pg, _)| pg.seed).collect();
    assert_eq!(changed, [0, 1, 4, 5], "2 and 3 have no child yet");
}

#[test]
fn placement_follows_once_every_pg_serves_in_full() {
    let mut state = cluster(8);
    assert_eq!(placement_due(&state), None, "nothing was split");
    ok(&mut state, &set("pg_num", 32));
    assert_eq!(placement_due(&state), None, "the halves do not serve yet");
    activate_all(&mut state);
    assert_eq!(placement_due(&state), Some(set("pgp_num", 32)));
    ok(&mut state, &Command::SetFlag { flag: "norebalance".to_owned(), on: true });
    assert_eq!(placement_due(&state), None, "nothing is to be moved");
    ok(&mut state, &Command::SetFlag { flag: "norebalance".to_owned(), on: false });
    ok(&mut state, &set("pgp_num", 16));
    assert_eq!(placement_due(&state), None, "somebody wants no more than 16");
    let moved = (8..16).filter(|seed| up(&state, *seed) != up(&state, seed - 8)).count();
    assert!(moved > 0 && (16..32).all(|seed| up(&state, seed) == up(&state, seed - 16)));
    for seed in 0..32 {
        assert_eq!(row(&state, seed).in_sync.len(), 3, "nobody leaves before others are filled");
    }
    ok(&mut state, &set("pgp_num", 32));
    assert_eq!((placement_due(&state), state.map().pool(POOL).expect("it").pgp_num), (None, 32));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let mut state = cluster(8);
    let kinds = |state: &mut ClusterState, key: &str, value: &str| refused(state, &set(key, value)).0;
    for (key, value, kind) in [
        ("pg_num", "0", RefusalKind::Invalid),
        ("pg_num", "65537", RefusalKind::Invalid),
        ("pg_num", "-1", RefusalKind::Invalid),
        ("pg_num", "many", RefusalKind::Invalid),
        ("pg_num", "65", RefusalKind::Invalid),
        ("pg_num", "7", RefusalKind::Impossible),
        ("pgp_num", "0", RefusalKind::Invalid),
        ("pgp_num", "9", RefusalKind::Invalid),
    ] {
        assert_eq!(kinds(&mut state, key, value), kind, "{key} {value}");
    }
    let config = |value: &str| Command::ConfigSet {
        section: "mon".to_owned(),
        key: "mon_max_pg_per_osd".to_owned(),
        value: value.to_owned(),
    };
    ok(&mut state, &config("15"));
    let (kind, text) = refused(&mut state, &set("pg_num", 32));
    assert_eq!(kind, RefusalKind::Impossible);
    assert!(text.contains("would hold about 16") && text.contains("mon_max_pg_per_osd is 15"), "{text}");
    ok(&mut state, &config("16"));
    let before = state.map().epoch;
    ok(&mut state, &set("pg_num", 8));
    assert_eq!(state.map().epoch, before, "as many as there are: nothing to do");
    ok(&mut state, &set("pg_num", 32));
    ok(&mut state, &Command::PoolRm { name: "p".to_owned() });
    assert_eq!(kinds(&mut state, "pg_num", "64"), RefusalKind::NotFound);
}

#[test]
fn a_pool_with_snapshots_is_split_and_keeps_them() {
    let mut state = cluster(4);
    ok(&mut state, &Command::SnapCreate { pool: POOL });
    ok(&mut state, &Command::SnapCreate { pool: POOL });
    ok(&mut state, &Command::SnapRemove { pool: POOL, snap: 1 });
    let before = state.map().pool(POOL).expect("there").snaps.clone();
    ok(&mut state, &set("pg_num", 8));
    let pool = state.map().pool(POOL).expect("there");
    assert_eq!((pool.pg_num, &pool.snaps), (8, &before));
}
