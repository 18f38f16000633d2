//! The objecter against a cluster that does its worst, from seeds; and its rules one by one.

use crate::fake_cluster::{FakeCluster, POOL, first_map, osd, pool, write};
use crate::{Effect, Objecter, Outcome, Request, Ticket};
use osd_object::{RequestId, Version};
use placement_map::{ClusterMap, Epoch, Flag, Mapping, OsdId, PgId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Errno, Rng, Time};
use wire_codec::{OsdOp, OsdOpReply, OsdOutcome};

const CLIENT: u64 = 7;

fn objecter(map: &ClusterMap) -> Objecter {
    Objecter::new(CLIENT, Arc::new(map.clone()), Arc::new(Mapping::default()))
}
fn give(o: &mut Objecter, map: &ClusterMap) {
    o.handle_map(Arc::new(map.clone()), Arc::new(Mapping::default()));
}
fn next(map: &ClusterMap, change: impl FnOnce(&mut ClusterMap)) -> ClusterMap {
    let mut m = map.clone();
    m.epoch = Epoch(m.epoch.0 + 1);
    change(&mut m);
    m
}
fn drain(o: &mut Objecter) -> Vec<Effect> {
    std::iter::from_fn(|| o.poll()).collect()
}
fn sent(effects: &[Effect]) -> Vec<(OsdId, u64)> {
    let f = |e: &Effect| match e {
        Effect::Send { osd, op } => Some((*osd, op.request.seq)),
        _ => None,
    };
    effects.iter().filter_map(f).collect()
}
fn reply(seq: u64, epoch: u32, outcome: OsdOutcome) -> OsdOpReply {
    OsdOpReply { request: RequestId { client: CLIENT, seq }, epoch: Epoch(epoch), outcome }
}
fn done() -> OsdOutcome {
    OsdOutcome::Done { version: Version { interval: 1, seq: 1 }, outcome: Ok(Vec::new()) }
}
const OSD0: OsdId = OsdId(0);
const OSD1: OsdId = OsdId(1);
fn pg0() -> PgId {
    PgId { pool: POOL, seed: 0 }
}

#[test]
fn a_request_waits_for_a_session_then_goes_out_and_completes_once() {
    let map = first_map(2, 1);
    let mut o = objecter(&map);
    let t = o.submit(write("a"));
    assert!(matches!(drain(&mut o)[..], [Effect::Connect { osd: OSD0, .. }]));
    o.submit(write("b"));
    assert_eq!(drain(&mut o), [], "asked for once");
    o.session_up(OSD0);
    assert_eq!(sent(&drain(&mut o)), [(OSD0, 1), (OSD0, 2)]);
    o.handle_reply(Time(0), OSD0, reply(1, 1, done()));
    o.handle_reply(Time(0), OSD0, reply(1, 1, done()));
    let effects = drain(&mut o);
    assert!(
        matches!(&effects[..], [Effect::Complete { ticket, outcome: Outcome::Done { .. } }] if *ticket == t)
    );
    assert_eq!(o.in_flight(), 1);
}

#[test]
fn a_new_primary_or_a_new_incarnation_gets_everything_again_in_order() {
    let map = first_map(2, 1);
    let mut o = objecter(&map);
    o.session_up(OSD0);
    o.session_up(OSD1);
    o.submit(write("a"));
    o.submit(write("b"));
    drain(&mut o);
    let moved = next(&map, |m| {
        m.pg_temp.insert(pg0(), vec![OSD1]);
    });
    give(&mut o, &moved);
    assert_eq!(sent(&drain(&mut o)), [(OSD1, 1), (OSD1, 2)]);
    let idle = next(&moved, |_| {});
    give(&mut o, &idle);
    assert_eq!(sent(&drain(&mut o)), [], "nothing changed for this PG");
    let reborn = next(&idle, |m| {
        m.osds.insert(OSD1, osd(1, 4));
    });
    give(&mut o, &reborn);
    assert_eq!(sent(&drain(&mut o)), [(OSD1, 1), (OSD1, 2)]);
    // An epoch was skipped: the aim may have left and come back.
    let later = next(&next(&reborn, |_| {}), |_| {});
    give(&mut o, &later);
    assert_eq!(sent(&drain(&mut o)), [(OSD1, 1), (OSD1, 2)]);
    give(&mut o, &map);
    assert_eq!(o.map().epoch, later.epoch, "an old map is ignored");
}

#[test]
fn without_a_primary_requests_wait_and_a_down_stand_in_is_none() {
    let mut map = first_map(1, 1);
    map.osds.get_mut(&OSD0).unwrap().up = false;
    let mut o = objecter(&map);
    o.session_up(OSD0);
    o.submit(write("a"));
    assert_eq!(drain(&mut o), []);
    give(&mut o, &next(&map, |m| m.osds.get_mut(&OSD0).unwrap().up = true));
    assert_eq!(sent(&drain(&mut o)), [(OSD0, 1)]);
}

#[test]
fn a_pause_holds_everything_back_and_its_end_sends_all_of_it() {
    let map = first_map(2, 1);
    let mut o = objecter(&map);
    o.session_up(OSD0);
    o.submit(write("a"));
    assert_eq!(sent(&drain(&mut o)), [(OSD0, 1)]);
    let paused = next(&map, |m| m.flags.set(Flag::Pause, true));
    give(&mut o, &paused);
    o.submit(write("b"));
    o.session_up(OSD0);
    assert_eq!(sent(&drain(&mut o)), [], "nothing goes out, new or old");
    o.handle_reply(Time(0), OSD0, reply(1, 1, done()));
    assert!(matches!(drain(&mut o)[..], [Effect::Complete { .. }]), "what was under way is answered");
    o.submit(write("c"));
    give(&mut o, &next(&paused, |m| m.flags.set(Flag::Pause, false)));
    assert_eq!(sent(&drain(&mut o)), [(OSD0, 2), (OSD0, 3)]);
}

#[test]
fn not_primary_holds_the_pg_until_a_newer_map_or_a_pause() {
    let map = first_map(1, 1);
    let mut o = objecter(&map);
    o.session_up(OSD0);
    o.submit(write("a"));
    o.submit(write("b"));
    drain(&mut o);
    // By a newer map than ours.
    o.handle_reply(Time(0), OSD0, reply(1, 2, OsdOutcome::NotPrimary));
    o.handle_reply(Time(0), OSD0, reply(2, 2, OsdOutcome::NotPrimary));
    assert_eq!(drain(&mut o), [Effect::NeedMap { have: Epoch(1) }], "asked for once");
    o.submit(write("c"));
    assert_eq!(sent(&drain(&mut o)), [], "a successor does not overtake");
    let map = next(&map, |_| {});
    give(&mut o, &map);
    assert_eq!(sent(&drain(&mut o)), [(OSD0, 1), (OSD0, 2), (OSD0, 3)]);
    // By a map as old as ours: the pause ends it, and grows while it goes on.
    let mut now = Time(0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        o.handle_reply(now, OSD0, reply(1, 2, OsdOutcome::NotPrimary));
        let at = o.next_timeout().unwrap();
        pauses.push(at.since(now).as_millis());
        o.tick(at - Duration::from_nanos(1));
        drain(&mut o);
        o.tick(at);
        assert_eq!(sent(&drain(&mut o)).len(), 3);
        now = at;
    }
    assert_eq!(
        pauses,
        [50, 100, 200, 400, 800, 1000, 1000].map(|p: u128| p),
        "from the start after the aim served"
    );
}

#[test]
fn deadlines_give_up_and_missing_pools_are_told() {
    let map = first_map(1, 1);
    let mut o = objecter(&map);
    o.submit(Request { deadline: Some(Time(50)), ..write("a") });
    o.submit(write("b"));
    drain(&mut o);
    assert_eq!(o.next_timeout(), Some(Time(50)));
    o.tick(Time(50));
    let gone = |seq, code| Effect::Complete { ticket: Ticket(seq), outcome: Outcome::Failed(code) };
    assert_eq!(drain(&mut o), [gone(1, Errno::ETIMEDOUT)]);
    assert_eq!(o.next_timeout(), None);
    give(&mut o, &next(&map, |m| m.pools.clear()));
    assert_eq!(drain(&mut o), [gone(2, Errno::ENOENT)]);
    o.submit(write("c"));
    assert_eq!(drain(&mut o), [gone(3, Errno::ENOENT)]);
    assert_eq!(o.in_flight(), 0);
}

#[test]
fn a_split_moves_requests_to_their_new_pg() {
    let map = first_map(2, 1);
    let mut o = objecter(&map);
    o.session_up(OSD0);
    o.session_up(OSD1);
    for i in 0..20 {
        o.submit(write(&format!("o{i}")));
    }
    drain(&mut o);
    let split = next(&map, |m| {
        m.pools.insert(POOL, pool(2));
        m.pg_temp.insert(PgId { pool: POOL, seed: 1 }, vec![OSD1]);
    });
    give(&mut o, &split);
    let again = sent(&drain(&mut o));
    assert!(!again.is_empty() && again.len() < 20, "those that moved");
    assert!(again.iter().all(|(osd, _)| *osd == OSD1));
}

/// The worst, from one seed.
fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let (osds, pgs, requests) = (2 + (seed % 2) as u32, 1 + (seed % 3) as u32, 150usize);
    let names = 1 + seed % 5;
    let mut c = FakeCluster::new(first_map(osds, pgs));
    let mut o = objecter(c.truth());
    let mut now = Time(0);
    let mut submitted: BTreeMap<Ticket, String> = BTreeMap::new();
    let mut completed: Vec<Ticket> = Vec::new();
    let mut steps = 0;
    while completed.len() < requests {
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: {} of {requests} completed, then nothing", completed.len());
        // After a while faults stop, and everything must come to its end.
        let storm = steps < 1500;
        let id = OsdId(rng.below(u64::from(osds)) as u32);
        match rng.below(if storm { 40 } else { 35 }) {
            0..8 if submitted.len() < requests => {
                let name = format!("o{}", rng.below(names));
                submitted.insert(o.submit(write(&name)), name);
            }
            0..16 => c.receive(id),
            16..24 => {
                if let Some(r) = c.osds.get_mut(&id).unwrap().outbox.pop_front() {
                    for _ in 0..1 + rng.below(2) {
                        o.handle_reply(now, id, r.clone());
                    }
                }
            }
            24..29 => {
                let knows = c.osds[&id].knows;
                let ahead = c.truth().epoch.0 - knows;
                c.learn(id, knows + if ahead > 0 { 1 + rng.below(u64::from(ahead)) as u32 } else { 0 });
            }
            29..33 => {
                let have = o.map().epoch.0;
                let ahead = c.truth().epoch.0 - have;
                if ahead > 0 {
                    let step = if rng.chance(1, 3) { 1 } else { 1 + rng.below(u64::from(ahead)) as u32 };
                    give(&mut o, &c.maps[(have + step) as usize - 1].clone());
                }
            }
            33 | 34 => {
                now = now + Duration::from_millis(rng.below(100));
                o.tick(now);
                if !c.osds[&id].session && c.truth().is_up(id) {
                    c.osds.get_mut(&id).unwrap().session = true;
                    o.session_up(id);
                }
            }
            35 | 36 => {
                // A primary moves, or is nobody for a while.
                let pg = PgId { pool: POOL, seed: rng.below(u64::from(pgs)) as u32 };
                let to = rng.chance(3, 4).then_some(id);
                c.publish(|m| {
                    match to {
                        Some(osd) => m.pg_temp.insert(pg, vec![osd]),
                        None => m.pg_temp.remove(&pg),
                    };
                });
            }
            37 if rng.chance(1, 3) => {
                // A process restarts.
                c.publish(|m| {
                    m.osds.insert(id, osd(id.0, m.epoch.0));
                });
                c.restart(id);
                o.session_lost(id);
            }
            38 if rng.chance(1, 3) => {
                // A session breaks; what was on its way is lost.
                let f = c.osds.get_mut(&id).unwrap();
                if f.session {
                    (f.session, f.inbox, f.outbox) = Default::default();
                    o.session_lost(id);
                }
            }
            _ => {
                // The PG is split, once.
                if steps > 700 && c.truth().pools[&POOL].pg_num == pgs {
                    c.publish(|m| {
                        m.pools.insert(POOL, pool(pgs + 1));
                        m.pg_temp.insert(PgId { pool: POOL, seed: pgs }, vec![id]);
                    });
                }
            }
        }
        if steps == 1500 {
            let all: Vec<PgId> = c.truth().pgs().collect();
            c.publish(|m| {
                for pg in all {
                    m.pg_temp.entry(pg).or_insert_with(|| vec![OSD0]);
                }
            });
        }
        for e in drain(&mut o) {
            match e {
                Effect::Send { osd, op } => deliver(&mut c, osd, op),
                Effect::Complete { ticket, outcome } => {
                    assert!(matches!(outcome, Outcome::Done { .. }), "seed {seed}: {outcome:?}");
                    assert!(!completed.contains(&ticket), "seed {seed}: {ticket:?} completed twice");
                    completed.push(ticket);
                }
                Effect::Connect { .. } | Effect::NeedMap { .. } => {}
                Effect::News { .. } => panic!("nobody watches"),
            }
        }
    }
    let mut executed = 0;
    for (name, order) in &c.order {
        assert!(order.windows(2).all(|w| w[0] < w[1]), "seed {seed}: {name} in order {order:?}");
        assert!(order.iter().all(|seq| submitted[&Ticket(*seq)] == *name));
        executed += order.len();
    }
    assert_eq!(executed, requests, "seed {seed}: each exactly once");
    assert_eq!((o.in_flight(), o.next_timeout()), (0, None), "seed {seed}: nothing is left behind");
}

fn deliver(c: &mut FakeCluster, osd: OsdId, op: OsdOp) {
    let f = c.osds.get_mut(&osd).unwrap();
    if f.session {
        f.inbox.push_back(op);
    }
}

#[test]
fn every_request_completes_once_in_order_whatever_the_cluster_does() {
    for seed in 0..1000 {
        run(seed);
    }
}
