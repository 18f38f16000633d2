//! What people are told while a cluster is made, loses OSDs and heals.

use super::{Answer, Query, Severity, Volatile, answer};
use crate::command::{Bootstrap, Command, OsdBoot, PoolCreate};
use crate::ids::{OsdId, PgId, PoolId};
use crate::osd::{Uuid, WEIGHT_ONE};
use crate::pg_row::{RowChange, RowChangeKind};
use crate::state::ClusterState;
use crate::stats::{Beacon, OsdStats, PgStats, doing};
use stdx::time::WallTime;

const NOW: WallTime = WallTime(100_000_000_000);
const PG: PgId = PgId { pool: PoolId(1), seed: 0 };

fn run(state: &mut ClusterState, command: Command) {
    state.apply(WallTime(NOW.0 / 2), &command).reply.expect("taken");
}

fn boot(state: &mut ClusterState, id: u32, host: u32) {
    let osd = OsdBoot {
        id: OsdId(id),
        uuid: Uuid([id as u8 + 1; 16]),
        addr: "10.0.0.1:6800".parse().expect("an address"),
        nonce: u64::from(state.map().epoch.0),
        location: vec![("host".to_owned(), format!("h{host}"))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: crate::FEATURE_LEVEL,
    };
    run(state, Command::OsdBoot(osd));
}

/// Three OSDs on one host, one pool of one PG.
fn cluster() -> ClusterState {
    let mut state = ClusterState::default();
    let monitors = vec![("mon.0".to_owned(), "10.0.0.1:3300".parse().expect("an address"))];
    run(
        &mut state,
        Command::Bootstrap(Bootstrap {
            fsid: Uuid([1; 16]),
            monitors,
            config: vec![],
            feature_level: crate::FEATURE_LEVEL,
        }),
    );
    for id in 0..3 {
        boot(&mut state, id, 0);
    }
    run(
        &mut state,
        Command::PoolCreate(PoolCreate { name: "a".to_owned(), pg_num: Some(1), ..PoolCreate::default() }),
    );
    state
}

fn propose(state: &mut ClusterState, kind: RowChangeKind) {
    let row = state.row(PG).expect("made");
    let change = RowChange { pg: PG, from: row.primary.expect("served"), revision: row.revision, kind };
    run(state, Command::Rows(vec![change]));
}

fn activate(state: &mut ClusterState) {
    let in_sync = state.row(PG).expect("made").in_sync.clone();
    propose(state, RowChangeKind::Activate { in_sync });
}

fn state_of(state: &ClusterState, seen: &Volatile) -> String {
    match answer(state, seen, &Query::PgLs, NOW).expect("answered") {
        Answer::PgLs { pgs } => pgs[0].state.clone(),
        other => panic!("{other:?}"),
    }
}

fn codes(state: &ClusterState, seen: &Volatile) -> (Severity, Vec<String>) {
    match answer(state, seen, &Query::Health, NOW).expect("answered") {
        Answer::Health(health) => {
            (health.status, health.checks.into_iter().map(|check| check.code).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_words_follow_a_pg_through_loss_and_return() {
    let (mut state, mut seen) = (cluster(), Volatile::default());
    assert_eq!(state_of(&state, &seen), "peering");
    assert_eq!(codes(&state, &seen), (Severity::Warn, vec!["PG_AVAILABILITY".to_owned()]));
    activate(&mut state);
    assert_eq!(state_of(&state, &seen), "active+clean");
    assert_eq!(codes(&state, &seen), (Severity::Ok, vec![]));

    let lost = state.row(PG).expect("made").in_sync[2];
    run(&mut state, Command::MarkDown { osds: vec![(lost, None)] });
    assert_eq!(state_of(&state, &seen), "active+undersized+degraded");
    assert_eq!(codes(&state, &seen).1, ["OSD_DOWN", "PG_DEGRADED"]);

    // It is back and is being filled, as the primary reports; a report of an older interval says nothing.
    boot(&mut state, lost.0, 0);
    let primary = state.row(PG).expect("made").primary.expect("served");
    let interval = state.row(PG).expect("made").interval;
    let report = |interval| PgStats {
        pg: PG,
        interval,
        doing: doing::RECOVERING,
        objects: 10,
        bytes: 1000,
        missing_copies: 4,
        recovered_objects_per_second: 2,
        recovered_bytes_per_second: 200,
        head: (1, 9),
        scrubbed_at: NOW,
        deep_scrubbed_at: NOW,
        inconsistent: 0,
        inconsistent_examples: Vec::new(),
    };
    let up_from = state.map().incarnation(primary).expect("up");
    let epoch = state.map().epoch;
    let beacon = |interval| Beacon {
        osd: primary,
        up_from,
        epoch,
        stats: OsdStats::default(),
        pgs: vec![report(interval)],
    };
    seen.beacon(&beacon(interval));
    seen.beacon(&beacon(interval - 1));
    assert_eq!(state_of(&state, &seen), "active+undersized+degraded+recovering");
    let Ok(Answer::Status(status)) = answer(&state, &seen, &Query::Status, NOW) else { panic!("no answer") };
    let recovery = status.recovery.expect("under way");
    assert_eq!((recovery.copies_left, recovery.copies_total, recovery.seconds_left), (4, 30, Some(2)));

    propose(&mut state, RowChangeKind::Grow { add: vec![lost] });
    seen = Volatile::default();
    if !state.row(PG).expect("made").activated {
        activate(&mut state);
    }
    assert_eq!(state_of(&state, &seen), "active+clean");

    // Out where nobody can take its copy: it keeps it.
    run(&mut state, Command::MarkOut { osds: vec![lost], automatic: false });
    assert_eq!(state_of(&state, &seen), "active+clean+remapped");
    run(&mut state, Command::MarkDown { osds: (0..3).map(|id| (OsdId(id), None)).collect() });
    assert_eq!(state_of(&state, &seen), "down");
    assert_eq!(codes(&state, &seen).0, Severity::Err);
}

#[test]
fn every_check_says_what_next_and_what_to_do() {
    let (mut state, mut seen) = (cluster(), Volatile::default());
    run(&mut state, Command::MarkDown { osds: vec![(OsdId(0), None), (OsdId(1), None)] });
    run(&mut state, Command::SetFlag { flag: "noout".to_owned(), on: true });
    seen.quorum.members.insert("mon.9".to_owned());
    let full = OsdStats { total_bytes: 100, used_bytes: 96, slow_ops: 3, ..OsdStats::default() };
    seen.osds.insert(OsdId(2), full);
    if state.row(PG).is_some_and(|row| row.primary.is_some()) {
        activate(&mut state);
    }
    let Ok(Answer::Health(health)) = answer(&state, &seen, &Query::Health, NOW) else { panic!("no answer") };
    let found: Vec<&str> = health.checks.iter().map(|check| check.code.as_str()).collect();
    for wanted in
        ["MON_DOWN", "OSD_DOWN", "OSD_FULL", "PG_BELOW_MIN_SIZE", "PG_DEGRADED", "OSDMAP_FLAGS", "SLOW_OPS"]
    {
        assert!(found.contains(&wanted), "{wanted} is missing in {found:?}");
    }
    assert!(health.checks.windows(2).all(|pair| pair[0].severity >= pair[1].severity), "the worst first");
    for check in &health.checks {
        assert!(!check.summary.is_empty() && !check.next.is_empty() && !check.action.is_empty(), "{check:?}");
    }
    assert!(
        health
            .checks
            .iter()
            .any(|check| check.detail == ["osd.0 is down for 50 s", "osd.1 is down for 50 s"])
    );
}

#[test]
fn more_hosts_bring_the_advice_to_use_them() {
    let mut state = cluster();
    activate(&mut state);
    boot(&mut state, 3, 1);
    boot(&mut state, 4, 2);
    let Ok(Answer::Health(health)) = answer(&state, &Volatile::default(), &Query::Health, NOW) else {
        panic!("no answer")
    };
    let advice = health.checks.iter().find(|check| check.code == "POOL_FAILURE_DOMAIN").expect("given");
    assert_eq!(advice.detail, ["nacre pool set a failure_domain host"]);
}

#[test]
fn stopping_is_judged_by_what_would_be_left() {
    let mut state = cluster();
    activate(&mut state);
    let blocked = |osds: &[u32]| {
        let osds = osds.iter().copied().map(OsdId).collect();
        match answer(&state, &Volatile::default(), &Query::OkToStop(osds), NOW) {
            Ok(Answer::PgLs { pgs }) => pgs.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((blocked(&[0]), blocked(&[0, 1]), blocked(&[7])), (0, 1, 0));
}

#[test]
fn trees_tables_and_answers_travel() {
    let mut state = cluster();
    activate(&mut state);
    let seen = Volatile::default();
    let placement = Query::ObjectPlacement {
        pool: "a".to_owned(),
        namespace: String::new(),
        locator: String::new(),
        name: "o".to_owned(),
    };
    for query in [
        Query::Status,
        Query::Health,
        Query::OsdTree,
        Query::OsdDf,
        Query::PgLs,
        Query::PgQuery(PG),
        Query::PoolLs,
        Query::MonLs,
        Query::ConfigLs,
        placement,
    ] {
        let query: Query = stdx::codec::from_bytes(stdx::codec::to_bytes(&query)).expect("a query travels");
        let found = answer(&state, &seen, &query, NOW).expect("answered");
        let back: Answer = stdx::codec::from_bytes(stdx::codec::to_bytes(&found)).expect("an answer travels");
        assert_eq!(back, found);
    }
    let Ok(Answer::OsdTree { nodes }) = answer(&state, &seen, &Query::OsdTree, NOW) else {
        panic!("no answer")
    };
    let shown: Vec<(u32, &str)> = nodes.iter().map(|node| (node.depth, node.name.as_str())).collect();
    assert_eq!(shown, [(0, "default"), (1, "h0"), (2, "osd.0"), (2, "osd.1"), (2, "osd.2")]);
    let nowhere = PgId { pool: PoolId(9), seed: 0 };
    assert!(answer(&state, &seen, &Query::PgQuery(nowhere), NOW).is_err());
}
