//! Scripts for the failure detector: who says what when, and what follows.

use crate::detector::FailureDetector;
use placement_map::{Bootstrap, ClusterMap, ClusterState, Command, Epoch, OsdBoot, OsdId, Uuid, WEIGHT_ONE};
use std::time::Duration;
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::mon::FailureReport;

/// A cluster with so many OSDs on so many hosts, all up.
fn cluster(osds: u32, hosts: u32) -> ClusterState {
    let mut state = ClusterState::default();
    let addr = "127.0.0.1:1".parse().expect("an address");
    let monitors = vec![("mon.0".to_owned(), addr)];
    run(
        &mut state,
        Command::Bootstrap(Bootstrap {
            fsid: Uuid([1; 16]),
            monitors,
            config: vec![],
            feature_level: placement_map::FEATURE_LEVEL,
        }),
    );
    for id in 0..osds {
        boot(&mut state, id, hosts);
    }
    state
}

fn boot(state: &mut ClusterState, id: u32, hosts: u32) {
    let osd = OsdBoot {
        id: OsdId(id),
        uuid: Uuid([id as u8 + 1; 16]),
        addr: "127.0.0.1:1".parse().expect("an address"),
        nonce: u64::from(state.map().epoch.0),
        location: vec![("host".to_owned(), format!("host{}", id % hosts))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: placement_map::FEATURE_LEVEL,
    };
    run(state, Command::OsdBoot(osd));
}

fn run(state: &mut ClusterState, command: Command) {
    state.apply(WallTime(1), &command).reply.expect("taken");
}

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

fn report(map: &ClusterMap, from: u32, target: u32) -> FailureReport {
    let incarnation = map.incarnation(OsdId(target)).unwrap_or(Epoch(0));
    FailureReport { from: OsdId(from), target: OsdId(target), incarnation, refused: false, withdrawn: false }
}

fn down(map: &ClusterMap, ids: &[u32]) -> Vec<Command> {
    let osds = ids.iter().map(|id| (OsdId(*id), map.incarnation(OsdId(*id)))).collect();
    vec![Command::MarkDown { osds }]
}

#[test]
fn two_reporters_on_two_hosts_are_wanted_where_there_are_two() {
    let state = cluster(6, 3);
    let map = state.map();
    let mut detector = FailureDetector::new();
    assert_eq!(detector.decide(at(0), map), vec![]);
    detector.report(at(100), &report(map, 1, 0));
    detector.report(at(100), &report(map, 4, 0)); // the same host as osd.1
    assert_eq!(detector.decide(at(100), map), vec![]);
    detector.report(at(200), &report(map, 2, 0));
    assert_eq!(detector.decide(at(200), map), down(map, &[0]));
}

#[test]
fn on_one_host_single_reporters_count_as_many_as_exist() {
    let state = cluster(3, 1);
    let map = state.map();
    let mut detector = FailureDetector::new();
    detector.decide(at(0), map);
    detector.report(at(100), &report(map, 1, 0));
    assert_eq!(detector.decide(at(100), map), vec![]);
    detector.report(at(150), &report(map, 2, 0));
    assert_eq!(detector.decide(at(150), map), down(map, &[0]));

    let state = cluster(2, 1);
    let map = state.map();
    let mut detector = FailureDetector::new();
    detector.decide(at(0), map);
    detector.report(at(100), &report(map, 1, 0));
    assert_eq!(detector.decide(at(100), map), down(map, &[0]), "there is only one who can report");
}

#[test]
fn one_refused_connection_is_proof_and_all_that_fail_together_are_one_command() {
    let state = cluster(4, 4);
    let map = state.map();
    let mut detector = FailureDetector::new();
    detector.decide(at(0), map);
    for target in [0, 1] {
        detector.report(at(100), &FailureReport { refused: true, ..report(map, 3, target) });
    }
    assert_eq!(detector.decide(at(100), map), down(map, &[0, 1]));
}

#[test]
fn reports_age_are_withdrawn_and_die_with_the_incarnation() {
    let mut state = cluster(3, 3);
    let mut detector = FailureDetector::new();
    detector.decide(at(0), state.map());
    detector.report(at(0), &report(state.map(), 1, 0));
    detector.report(at(3900), &report(state.map(), 2, 0));
    assert_eq!(detector.decide(at(4000), state.map()), vec![], "the first one is too old");
    detector.report(at(4100), &report(state.map(), 1, 0));
    detector.report(at(4200), &FailureReport { withdrawn: true, ..report(state.map(), 1, 0) });
    assert_eq!(detector.decide(at(4200), state.map()), vec![], "it answers again");
    let old = report(state.map(), 1, 0);
    detector.report(at(4300), &old);
    boot(&mut state, 0, 3);
    detector.report(at(4300), &old);
    assert_eq!(detector.decide(at(4400), state.map()), vec![], "that was the incarnation before");
    detector.report(at(4500), &report(state.map(), 0, 0));
    assert_eq!(detector.decide(at(4500), state.map()), vec![], "nobody reports itself");
}

#[test]
fn silence_is_failure_after_the_grace_and_a_new_leader_gives_a_full_one() {
    let state = cluster(2, 2);
    let map = state.map();
    let mut detector = FailureDetector::new();
    assert_eq!(detector.decide(at(1000), map), vec![]);
    detector.beacon(at(3000), OsdId(0), map.incarnation(OsdId(0)).expect("up"));
    assert_eq!(detector.next_timeout(map), Some(at(7000)));
    assert_eq!(detector.decide(at(6999), map), vec![]);
    assert_eq!(detector.decide(at(7000), map), down(map, &[1]));
    assert_eq!(detector.decide(at(9000), map), down(map, &[0, 1]));
}

#[test]
fn an_osd_down_for_long_goes_out_unless_too_many_are() {
    let mut state = cluster(4, 4);
    let mut detector = FailureDetector::new();
    detector.decide(at(0), state.map());
    run(&mut state, Command::MarkDown { osds: vec![(OsdId(0), None), (OsdId(1), None), (OsdId(2), None)] });
    run(&mut state, Command::SetFlag { flag: "nodown".to_owned(), on: true });
    assert_eq!(detector.decide(at(1000), state.map()), vec![]);
    assert_eq!(detector.decide(at(600_999), state.map()), vec![]);
    // 4 of 4 are in, then 3 of 4; the third would leave 2 of 4.
    let out = Command::MarkOut { osds: vec![OsdId(0), OsdId(1)], automatic: true };
    assert_eq!(detector.decide(at(601_000), state.map()), vec![out]);
    run(&mut state, Command::SetFlag { flag: "noout".to_owned(), on: true });
    assert_eq!(detector.decide(at(602_000), state.map()), vec![]);
}

#[test]
fn nodown_holds_back_every_verdict() {
    let mut state = cluster(3, 3);
    run(&mut state, Command::SetFlag { flag: "nodown".to_owned(), on: true });
    let mut detector = FailureDetector::new();
    detector.decide(at(0), state.map());
    detector.report(at(1), &FailureReport { refused: true, ..report(state.map(), 1, 0) });
    assert_eq!(detector.decide(at(9000), state.map()), vec![]);
}

#[test]
fn a_leader_that_stood_still_counts_nobodys_silence() {
    let state = cluster(3, 3);
    let map = state.map();
    let mut detector = FailureDetector::new();
    let look = |ms: u64, detector: &mut FailureDetector| {
        detector.look(at(ms));
        detector.decide(at(ms), map)
    };
    assert_eq!(look(0, &mut detector), vec![]);
    assert_eq!(look(2000, &mut detector), vec![]);
    assert_eq!(look(60_000, &mut detector), vec![], "their beacons wait to be read");
    let incarnation = |n| map.incarnation(OsdId(n)).expect("up");
    detector.beacon(at(60_001), OsdId(0), incarnation(0));
    detector.beacon(at(60_001), OsdId(1), incarnation(1));
    for ms in [62_000, 63_900] {
        assert_eq!(look(ms, &mut detector), vec![]);
    }
    assert_eq!(look(65_000, &mut detector), down(map, &[2]), "two seconds before, the rest behind");
}

#[test]
fn a_grace_shorter_than_beacons_take_takes_nobody_down() {
    let state = cluster(2, 2);
    let mut map = state.map().clone();
    // As a map may hold it that was made before such values were refused.
    map.config.insert(("mon".to_owned(), "mon_osd_beacon_grace".to_owned()), "0".to_owned());
    let mut detector = FailureDetector::new();
    assert_eq!(detector.decide(at(0), &map), vec![]);
    assert_eq!(detector.decide(at(2000), &map), vec![]);
    for id in [OsdId(0), OsdId(1)] {
        detector.beacon(at(2100), id, map.incarnation(id).expect("up"));
    }
    assert_eq!(detector.decide(at(4000), &map), vec![]);
    assert_eq!(detector.decide(at(6100), &map), down(&map, &[0, 1]));
}
