//! Commands one by one: what they change, what they answer, what they refuse.

use crate::command::{Bootstrap, Command, CommandReply, OsdBoot, PoolCreate};
use crate::ids::{OsdId, PgId, PoolId};
use crate::osd::{Uuid, WEIGHT_ONE};
use crate::pg_row::{RowChange, RowChangeKind};
use crate::refusal::RefusalKind;
use crate::state::ClusterState;
use stdx::time::WallTime;

pub(super) fn boot(id: u32, nonce: u64) -> Command {
    Command::OsdBoot(boot_of(id, nonce))
}

pub(super) fn boot_of(id: u32, nonce: u64) -> OsdBoot {
    OsdBoot {
        id: OsdId(id),
        uuid: Uuid([id as u8 + 1; 16]),
        addr: format!("10.0.0.{}:6800", id + 1).parse().expect("an address"),
        nonce,
        location: vec![("host".to_owned(), format!("host{}", id / 2))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: crate::FEATURE_LEVEL,
    }
}

pub(super) fn bootstrap() -> Command {
    Command::Bootstrap(Bootstrap {
        fsid: Uuid([7; 16]),
        monitors: vec![("mon.0".to_owned(), "10.0.0.1:3300".parse().expect("an address"))],
        config: vec![],
        feature_level: crate::FEATURE_LEVEL,
    })
}

/// Applies and checks what must hold after every command.
pub(super) fn step(state: &mut ClusterState, command: &Command) -> super::Applied {
    let before = state.clone();
    let mut twin: ClusterState =
        stdx::codec::from_bytes(stdx::codec::to_bytes(state)).expect("a state comes back from its bytes");
    assert_eq!(&twin, state);
    let applied = state.apply(WallTime(before.map().modified.0 + 1), command);
    assert_eq!(twin.apply(WallTime(before.map().modified.0 + 1), command), applied, "apply is deterministic");
    assert_eq!(&twin, state);
    match &applied.incremental {
        None => assert_eq!(before.map(), state.map()),
        Some(inc) => {
            let inc = stdx::codec::from_bytes(stdx::codec::to_bytes(inc)).expect("an incremental comes back");
            let mut map = before.map().clone();
            map.apply_incremental(&inc).expect("it follows");
            assert_eq!(&map, state.map());
            assert!(map.apply_incremental(&inc).is_err(), "once only");
        }
    }
    let newer: Vec<_> = state.rows_after(before.rows_version()).map(|(pg, row)| (pg, row.clone())).collect();
    assert_eq!(newer, applied.rows, "a subscriber learns what changed");
    applied
}

pub(super) fn ok(state: &mut ClusterState, command: &Command) -> CommandReply {
    step(state, command).reply.unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"))
}

pub(super) fn refused(state: &mut ClusterState, command: &Command) -> (RefusalKind, String) {
    let before = state.clone();
    let refusal = step(state, command).reply.expect_err("must be refused");
    assert_eq!(*state, before, "a refused command changes nothing");
    (refusal.kind, refusal.text)
}

pub(super) fn cluster(osds: u32) -> ClusterState {
    let mut state = ClusterState::default();
    ok(&mut state, &bootstrap());
    for id in 0..osds {
        ok(&mut state, &boot(id, 1));
    }
    state
}

pub(super) fn pool(name: &str) -> PoolCreate {
    PoolCreate { name: name.to_owned(), pg_num: Some(8), ..PoolCreate::default() }
}

pub(super) fn activate_all(state: &mut ClusterState) {
    let changes = state.rows().filter(|(_, row)| !row.activated && row.primary.is_some());
    let changes = changes.map(|(pg, row)| RowChange {
        pg,
        from: row.primary.expect("filtered"),
        revision: row.revision,
        kind: RowChangeKind::Activate { in_sync: row.in_sync.clone() },
    });
    let command = Command::Rows(changes.collect());
    ok(state, &command);
}

const PG: PgId = PgId { pool: PoolId(1), seed: 0 };

#[test]
fn nothing_works_before_the_cluster_is_made_and_it_is_made_once() {
    let mut state = ClusterState::default();
    assert_eq!(refused(&mut state, &boot(0, 1)).0, RefusalKind::Impossible);
    ok(&mut state, &bootstrap());
    assert_eq!(state.map().epoch.0, 1);
    ok(&mut state, &bootstrap());
    assert_eq!(state.map().epoch.0, 1, "the same founder may ask again");
    let Command::Bootstrap(mut other) = bootstrap() else { unreachable!() };
    other.fsid = Uuid([8; 16]);
    assert_eq!(refused(&mut state, &Command::Bootstrap(other)).0, RefusalKind::Exists);
}

#[test]
fn a_first_boot_lets_an_osd_in_and_a_repeated_one_changes_nothing() {
    let mut state = cluster(1);
    let epoch = state.map().epoch;
    let osd = &state.map().osds[&OsdId(0)];
    assert_eq!((osd.up, osd.weight, osd.up_from), (true, WEIGHT_ONE, epoch));
    assert_eq!(state.map().crush.location_of(0)[0], ("host".to_owned(), "host0".to_owned()));
    ok(&mut state, &boot(0, 1));
    assert_eq!(state.map().epoch, epoch);
    ok(&mut state, &boot(0, 2));
    assert_eq!(state.map().osds[&OsdId(0)].up_from.0, epoch.0 + 1, "a restart is a new incarnation");
}

#[test]
fn a_restart_gives_the_primary_s_pgs_to_another_member() {
    let mut state = cluster(3);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    activate_all(&mut state);
    let first = state.row(PG).expect("made").primary.expect("active");
    ok(&mut state, &boot(first.0, 2));
    let row = state.row(PG).expect("made").clone();
    assert_ne!(row.primary, Some(first));
    assert_eq!((row.interval, row.in_sync.len(), row.activated), (2, 3, false));
    assert_eq!(state.map().up_acting(PG).acting_primary, row.primary, "published in the same commit");
    activate_all(&mut state);
    assert_eq!(state.row(PG).expect("made").primary, Some(first), "handed back once all are in sync");
    activate_all(&mut state);
    assert!(state.map().pg_temp.is_empty());
}

#[test]
fn after_a_power_failure_a_primary_that_stays_away_does_not_hold_its_pgs() {
    let mut state = cluster(3);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    activate_all(&mut state);
    let dead = state.row(PG).expect("made").primary.expect("active");
    // The map still calls all of them up while the others boot one by one; then the dead one is noticed.
    for id in (0..3).filter(|id| *id != dead.0) {
        ok(&mut state, &boot(id, 2));
    }
    ok(&mut state, &Command::MarkDown { osds: vec![(dead, None)] });
    activate_all(&mut state);
    activate_all(&mut state); // handed over to the up set's first
    for (pg, row) in state.rows() {
        assert!(row.activated && row.in_sync.len() == 2, "{pg}: {row:?}");
    }
}

#[test]
fn a_central_location_holds_from_the_next_boot() {
    let mut state = cluster(2);
    let set = |value: &str| Command::ConfigSet {
        section: "osd.1".to_owned(),
        key: "crush_location".to_owned(),
        value: value.to_owned(),
    };
    assert_eq!(refused(&mut state, &set("rack")).0, RefusalKind::Invalid);
    let names = |state: &ClusterState| -> Vec<String> {
        state.map().crush.location_of(1).into_iter().map(|(_, name)| name).collect()
    };
    ok(&mut state, &set("datacenter=dc2 host=h9"));
    assert_eq!(names(&state), ["host0", "default"]);
    ok(&mut state, &boot(1, 2));
    assert_eq!(names(&state), ["h9", "dc2", "default"]);
    ok(&mut state, &set("rack=r1"));
    ok(&mut state, &boot(1, 3));
    assert_eq!(names(&state), ["host0", "default"], "its own host, where that stands");
    ok(&mut state, &set("shelf=s1 host=h7"));
    assert_eq!(refused(&mut state, &boot(1, 4)).0, RefusalKind::Invalid, "no such type");
}

#[test]
fn a_report_about_a_replaced_incarnation_changes_nothing() {
    let mut state = cluster(3);
    let old = state.map().osds[&OsdId(0)].up_from;
    ok(&mut state, &boot(0, 2));
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(0), Some(old))] });
    assert!(state.map().is_up(OsdId(0)));
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(0), None)] });
    assert!(!state.map().is_up(OsdId(0)));
}

#[test]
fn another_store_under_an_old_number_leaves_every_in_sync_set() {
    let mut state = cluster(3);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    activate_all(&mut state);
    let mut wiped = boot_of(1, 9);
    wiped.uuid = Uuid([99; 16]);
    let (kind, text) = refused(&mut state, &Command::OsdBoot(wiped.clone()));
    assert!(kind == RefusalKind::Exists && text.contains("a token of its own"), "{text}");
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(1), None)] });
    ok(&mut state, &Command::OsdBoot(wiped));
    for (pg, row) in state.rows() {
        assert!(!row.in_sync.contains(&OsdId(1)) && row.in_sync.len() == 2, "{pg}: {row:?}");
    }
}

#[test]
fn one_failure_is_one_epoch_for_all_its_pgs() {
    let mut state = cluster(6);
    for name in ["a", "b", "c"] {
        ok(&mut state, &Command::PoolCreate(pool(name)));
    }
    activate_all(&mut state);
    let epoch = state.map().epoch;
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(0), None), (OsdId(1), None)] });
    assert_eq!(state.map().epoch.0, epoch.0 + 1);
}

#[test]
fn a_grow_proposed_before_its_joiner_restarted_is_void() {
    let mut state = cluster(3);
    ok(&mut state, &Command::PoolCreate(pool("a")));
    activate_all(&mut state);
    let row = state.row(PG).expect("made").clone();
    let joiner = row.in_sync[2];
    ok(&mut state, &Command::MarkDown { osds: vec![(joiner, None)] });
    ok(&mut state, &boot(joiner.0, 2));
    let row = state.row(PG).expect("made").clone();
    let grow = |revision| {
        let kind = RowChangeKind::Grow { add: vec![joiner] };
        Command::Rows(vec![RowChange { pg: PG, from: row.primary.expect("active"), revision, kind }])
    };
    ok(&mut state, &boot(joiner.0, 3));
    assert_eq!(ok(&mut state, &grow(row.revision)), CommandReply::Rows { taken: 0 });
    let revision = state.row(PG).expect("made").revision;
    assert_eq!(ok(&mut state, &grow(revision)), CommandReply::Rows { taken: 1 });
    assert_eq!(state.row(PG).expect("made").in_sync.len(), 3);
}

#[test]
fn out_for_being_down_is_undone_by_a_boot_and_an_operator_s_out_is_not() {
    let mut state = cluster(3);
    let id = OsdId(2);
    ok(&mut state, &Command::OsdReweight { osd: id, weight: WEIGHT_ONE / 2 });
    ok(&mut state, &Command::MarkOut { osds: vec![id], automatic: true });
    assert!(state.map().osds[&id].is_in(), "it is up: a late proposal does nothing");
    ok(&mut state, &Command::MarkDown { osds: vec![(id, None)] });
    ok(&mut state, &Command::MarkOut { osds: vec![id], automatic: true });
    assert!(!state.map().osds[&id].is_in());
    ok(&mut state, &boot(2, 2));
    assert_eq!(state.map().osds[&id].weight, WEIGHT_ONE / 2);
    ok(&mut state, &Command::MarkOut { osds: vec![id], automatic: false });
    ok(&mut state, &boot(2, 3));
    assert!(!state.map().osds[&id].is_in());
    ok(&mut state, &Command::MarkIn { osds: vec![id] });
    assert_eq!(state.map().osds[&id].weight, WEIGHT_ONE);
}

#[test]
fn the_last_osds_that_a_pool_needs_are_not_marked_out_by_mistake() {
    let mut state = cluster(3);
    let out = |id: u32| Command::MarkOut { osds: vec![OsdId(id)], automatic: false };
    ok(&mut state, &Command::PoolCreate(pool("a")));
    ok(&mut state, &out(0));
    let (kind, text) = refused(&mut state, &out(1));
    assert!(kind == RefusalKind::Unsafe && text.contains("pool a needs 2 copies"), "{text}");
    ok(&mut state, &Command::OsdReweight { osd: OsdId(1), weight: 0 });
    ok(&mut state, &out(2)); // nothing is left to be protected
    ok(&mut state, &Command::PoolRm { name: "a".to_owned() });
}

#[test]
fn an_osd_that_data_depends_on_is_not_removed_without_force() {
    let mut state = cluster(1);
    ok(&mut state, &Command::PoolCreate(PoolCreate { size: Some(1), ..pool("a") }));
    activate_all(&mut state);
    let rm = |force| Command::OsdRm { osd: OsdId(0), force };
    assert_eq!(refused(&mut state, &rm(true)).0, RefusalKind::Unsafe, "while it is up");
    ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(0), None)] });
    let (kind, text) = refused(&mut state, &rm(false));
    assert!(kind == RefusalKind::Unsafe && text.contains("8 PGs"), "{text}");
    ok(&mut state, &rm(true));
    assert!(state.rows().all(|(_, row)| row.lost));
    ok(&mut state, &boot(0, 5));
    assert!(state.rows().all(|(_, row)| row.lost), "a new store does not make them whole");
    assert_eq!(
        ok(&mut state, &Command::PgRecreate { pg: PG }),
        CommandReply::Done { epoch: state.map().epoch }
    );
    assert_eq!(state.row(PG).expect("made").primary, Some(OsdId(0)));
}

#[test]
fn of_copies_that_may_differ_one_begins_anew_and_the_others_join_it() {
    let mut state = cluster(3);
    ok(&mut state, &Command::PoolCreate(PoolCreate { size: Some(3), ..pool("a") }));
    activate_all(&mut state);
    for id in 0..3 {
        ok(&mut state, &Command::MarkDown { osds: vec![(OsdId(id), None)] });
        ok(&mut state, &Command::OsdRm { osd: OsdId(id), force: true });
    }
    for id in 0..3 {
        ok(&mut state, &boot(id, 5));
    }
    assert!(state.row(PG).expect("made").lost);
    ok(&mut state, &Command::PgRecreate { pg: PG });
    let row = state.row(PG).expect("made");
    assert_eq!((row.in_sync.len(), row.primary), (1, row.in_sync.first().copied()), "{row:?}");
}

#[test]
fn pools_take_the_widest_domain_and_refuse_what_the_map_cannot_give() {
    let mut state = cluster(6); // three hosts of two
    ok(&mut state, &Command::PoolCreate(pool("a")));
    assert_eq!(
        state.map().crush.rule_name(state.map().pools[&PoolId(1)].crush_rule),
        Some("replicated_host")
    );
    ok(&mut state, &Command::PoolCreate(PoolCreate { size: Some(4), ..pool("b") }));
    assert_eq!(state.map().crush.rule_name(state.map().pools[&PoolId(2)].crush_rule), Some("replicated_osd"));
    let racks = PoolCreate { failure_domain: Some("rack".to_owned()), ..pool("c") };
    let (kind, text) = refused(&mut state, &Command::PoolCreate(racks));
    assert!(
        kind == RefusalKind::Impossible && text.contains("racks") && text.contains("there are 0"),
        "{text}"
    );
    let (kind, text) = refused(&mut state, &Command::PoolCreate(PoolCreate { size: Some(7), ..pool("c") }));
    assert!(
        kind == RefusalKind::Impossible && text.contains("7 osds") && text.contains("there are 6"),
        "{text}"
    );
    assert_eq!(refused(&mut state, &Command::PoolCreate(pool("a"))).0, RefusalKind::Exists);
    assert_eq!(refused(&mut state, &Command::PoolCreate(pool("a b"))).0, RefusalKind::Invalid);
    assert_eq!(
        refused(&mut state, &Command::PoolCreate(PoolCreate { pg_num: Some(0), ..pool("d") })).0,
        RefusalKind::Invalid
    );
    assert_eq!(
        refused(&mut state, &Command::PoolCreate(PoolCreate { size: Some(11), ..pool("d") })).0,
        RefusalKind::Invalid
    );
    let set = |key: &str, value: &str| Command::PoolSet {
        name: "b".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    ok(&mut state, &set("size", "2"));
    ok(&mut state, &set("failure_domain", "host"));
    assert_eq!(refused(&mut state, &set("min_size", "3")).0, RefusalKind::Invalid);
    assert_eq!(refused(&mut state, &set("colour", "red")).0, RefusalKind::NotFound);
    ok(&mut state, &Command::PoolRm { name: "b".to_owned() });
    assert!(state.rows().all(|(pg, _)| pg.pool == PoolId(1)));
    assert_eq!(
        ok(&mut state, &Command::PoolCreate(pool("b"))),
        CommandReply::Pool { id: PoolId(3), epoch: state.map().epoch },
        "numbers are never reused"
    );
}

#[test]
fn numbers_are_given_out_once_a_store() {
    let mut state = cluster(2);
    let new = |id: Option<u32>, uuid: u8| Command::OsdNew { id: id.map(OsdId), uuid: Uuid([uuid; 16]) };
    let id_of = |reply| match reply {
        CommandReply::Osd { id, .. } => id,
        other => panic!("{other:?}"),
    };
    assert_eq!(id_of(ok(&mut state, &new(None, 50))), OsdId(2));
    assert_eq!(id_of(ok(&mut state, &new(None, 50))), OsdId(2));
    assert_eq!(refused(&mut state, &new(Some(0), 51)).0, RefusalKind::Exists);
    assert_eq!(refused(&mut state, &new(Some(4), 50)).0, RefusalKind::Exists);
    let mut twin = boot_of(5, 1);
    twin.uuid = Uuid([1; 16]); // the store of osd.0
    assert_eq!(refused(&mut state, &Command::OsdBoot(twin)).0, RefusalKind::Exists);
}

#[test]
fn settings_and_flags_are_checked() {
    let mut state = cluster(1);
    let set = |section: &str, key: &str, value: &str| Command::ConfigSet {
        section: section.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    ok(&mut state, &set("osd.0", "osd_max_backfills", "5"));
    assert_eq!(state.map().setting("osd.0", "osd_max_backfills"), Some("5"));
    assert_eq!(refused(&mut state, &set("osd.0", "osd_max_backfill", "5")).0, RefusalKind::NotFound);
    assert_eq!(refused(&mut state, &set("osd.0", "osd_max_backfills", "many")).0, RefusalKind::Invalid);
    assert_eq!(refused(&mut state, &set("disk", "osd_max_backfills", "1")).0, RefusalKind::Invalid);
    assert_eq!(refused(&mut state, &set("osd.9", "osd_max_backfills", "1")).0, RefusalKind::Invalid);
    assert_eq!(refused(&mut state, &set("gateway", "osd_max_backfills", "1")).0, RefusalKind::Invalid);
    let (_, text) = refused(&mut state, &set("mon", "mon_osd_beacon_grace", "0"));
    assert!(text.contains("4 to 3600"), "{text}");
    let (_, text) = refused(&mut state, &set("mon", "mon_osd_nearfull_ratio", "0.99"));
    assert!(text.contains("above mon_osd_full_ratio"), "{text}");
    ok(&mut state, &set("mon", "mon_osd_full_ratio", "0.99"));
    ok(&mut state, &set("mon", "mon_osd_nearfull_ratio", "0.97"));
    let rm = Command::ConfigRm { section: "mon".to_owned(), key: "mon_osd_full_ratio".to_owned() };
    assert_eq!(refused(&mut state, &rm).0, RefusalKind::Invalid);
    ok(&mut state, &Command::SetFlag { flag: "noup".to_owned(), on: true });
    assert_eq!(refused(&mut state, &boot(0, 2)).0, RefusalKind::Unsafe);
    assert_eq!(
        refused(&mut state, &Command::SetFlag { flag: "nope".to_owned(), on: true }).0,
        RefusalKind::NotFound
    );
}
