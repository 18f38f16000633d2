//! Stories of watchers: who hears a notify, who counts as silent, and what a failover leaves of it.

use super::bench::{Bench, object, osd, row};
use super::write;
use bytes::Bytes;
use osd_object::watch::WATCHERS_XATTR;
use osd_object::{Notified, ObjectRead, Op, OpResult, WatchId, Watcher};
use osd_pg::SessionId;
use std::time::Duration;
use stdx::Errno;
use wire_codec::OsdOutcome;
use wire_codec::watch::WatchNews;

const TIMEOUT: Duration = Duration::from_secs(10);

fn id(cookie: u64) -> WatchId {
    WatchId { client: 1, cookie }
}

fn watch(cookie: u64) -> Vec<Op> {
    let timeout_ms = TIMEOUT.as_millis() as u32;
    vec![Op::Watch { watcher: Watcher { id: id(cookie), timeout_ms, name: String::new() } }]
}

fn ping(cookie: u64) -> Vec<Op> {
    vec![Op::WatchPing { id: id(cookie) }]
}

fn notify(ms: u32) -> Vec<Op> {
    vec![Op::AssertExists, Op::Notify { timeout_ms: ms, payload: Bytes::from_static(b"news") }]
}

fn ack(notify: u64, cookie: u64, reply: &'static str) -> Vec<Op> {
    vec![Op::NotifyAck { notify, id: id(cookie), reply: Bytes::from_static(reply.as_bytes()) }]
}

/// Carries something out; its session.
fn done(b: &mut Bench, to: usize, ops: Vec<Op>) -> SessionId {
    let session = b.op(to, "o", ops);
    b.settle();
    match b.answer(session) {
        Some(OsdOutcome::Done { outcome: Ok(_), .. }) => session,
        other => panic!("{other:?}"),
    }
}

fn refused(b: &mut Bench, to: usize, ops: Vec<Op>) -> Errno {
    let session = b.op(to, "o", ops);
    b.settle();
    match b.answer(session) {
        Some(OsdOutcome::Done { outcome: Err(failure), .. }) => failure.code,
        other => panic!("{other:?}"),
    }
}

/// A bench with the object `o` and watchers of it at osd.0, with their sessions.
fn watched(cookies: &[u64]) -> (Bench, Vec<SessionId>) {
    let mut b = Bench::active();
    done(&mut b, 0, write("x"));
    let sessions = cookies.iter().map(|c| done(&mut b, 0, watch(*c))).collect();
    (b, sessions)
}

/// Notifies that were told since the last call: to whom, by number, where.
fn told(b: &mut Bench) -> Vec<(u64, u64, SessionId)> {
    let news = std::mem::take(&mut b.told).into_iter();
    news.map(|(session, event)| match event.news {
        WatchNews::Notify { notify, notifier: 1, payload } if &payload[..] == b"news" => {
            (event.id.cookie, notify, session)
        }
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Watches that ended, as their sessions were told.
fn ended(b: &mut Bench) -> Vec<(u64, SessionId)> {
    let news = std::mem::take(&mut b.told).into_iter();
    news.map(|(session, event)| {
        assert_eq!(event.news, WatchNews::Gone);
        (event.id.cookie, session)
    })
    .collect()
}

fn outcome(b: &Bench, session: SessionId) -> Option<Notified> {
    match b.answer(session)? {
        OsdOutcome::Done { outcome: Ok(results), .. } => match &results[..] {
            [OpResult::Done, OpResult::Notified(n)] => Some((**n).clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn listed(b: &mut Bench, to: usize) -> Vec<u64> {
    let session = done(b, to, vec![Op::ListWatchers]);
    match b.answer(session) {
        Some(OsdOutcome::Done { outcome: Ok(results), .. }) => match &results[..] {
            [OpResult::Watchers(all)] => all.iter().map(|w| w.id.cookie).collect(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// osd.0 dies and osd.1 takes over.
fn fail_over(b: &mut Bench) {
    b.stop(0);
    b.map(row(2, &[0, 1, 2], Some(1), false), &[1, 2]);
    b.settle();
    assert_eq!(b.row().in_sync, [osd(1), osd(2)]);
    b.pass(Duration::from_secs(2));
}

#[test]
fn a_notify_is_answered_with_who_heard_it_and_who_did_not() {
    let (mut b, sessions) = watched(&[1, 2, 3]);
    let n = b.op(0, "o", notify(3_000));
    b.settle();
    let told = told(&mut b);
    assert_eq!(
        told.iter().map(|t| (t.0, t.2)).collect::<Vec<_>>(),
        [1, 2, 3].map(|c| (c, sessions[c as usize - 1]))
    );
    let number = told[0].1;
    done(&mut b, 0, ack(number, 1, "one"));
    done(&mut b, 0, ack(number, 1, "twice"));
    done(&mut b, 0, ack(number + 1, 2, "another notify"));
    done(&mut b, 0, ack(number, 3, ""));
    b.pass(Duration::from_millis(2_900));
    assert_eq!(outcome(&b, n), None, "2 has time yet");
    b.pass(Duration::from_millis(200));
    let acks = vec![(id(1), Bytes::from_static(b"one")), (id(3), Bytes::new())];
    assert_eq!(outcome(&b, n), Some(Notified { acks, missed: vec![id(2)] }));
    let again = b.op(0, "o", notify(3_000));
    b.settle();
    let number = b.told[0].1.news.clone();
    let WatchNews::Notify { notify: number, .. } = number else { panic!("{number:?}") };
    for cookie in 1..=3 {
        assert_eq!(outcome(&b, again), None);
        done(&mut b, 0, ack(number, cookie, ""));
    }
    assert_eq!(outcome(&b, again).map(|n| n.missed), Some(vec![]), "at once, when the last has answered");
}

#[test]
fn with_nobody_there_a_notify_is_answered_at_once() {
    let (mut b, _) = watched(&[]);
    let n = b.op(0, "o", notify(30_000));
    b.settle();
    assert_eq!(outcome(&b, n), Some(Notified::default()));
    let bad = vec![Op::Notify { timeout_ms: 0, payload: Bytes::new() }];
    assert_eq!(refused(&mut b, 0, bad), Errno::EINVAL);
}

#[test]
fn one_who_is_silent_is_dropped_everywhere_and_nobody_waits_for_him() {
    let (mut b, sessions) = watched(&[1, 2]);
    b.pass(Duration::from_secs(8));
    let alive = done(&mut b, 0, ping(1));
    let n = b.op(0, "o", notify(60_000));
    b.settle();
    let heard = told(&mut b);
    assert_eq!(heard.iter().map(|t| t.2).collect::<Vec<_>>(), [alive, sessions[1]]);
    done(&mut b, 0, ack(heard[0].1, 1, ""));
    b.pass(Duration::from_secs(4));
    assert_eq!(outcome(&b, n).map(|n| n.missed), Some(vec![id(2)]), "long before the notify's time is over");
    assert_eq!(ended(&mut b), [(2, sessions[1])]);
    assert_eq!(listed(&mut b, 0), [1]);
    assert_eq!(refused(&mut b, 0, ping(2)), Errno::ENOTCONN);
    b.pass(Duration::from_secs(20));
    for n in 0..3 {
        assert_eq!(b.node(n).durable.xattr(&object("o"), WATCHERS_XATTR), Ok(None), "nobody pinged");
        assert_eq!(
            b.node(n).durable.meta(&object("o")).unwrap().unwrap().mtime.0,
            5,
            "the time is the writer's"
        );
    }
}

#[test]
fn a_new_primary_gives_everybody_his_whole_timeout() {
    let (mut b, _) = watched(&[1, 2]);
    b.pass(Duration::from_secs(9));
    done(&mut b, 0, ping(1));
    done(&mut b, 0, ping(2));
    fail_over(&mut b);
    // 1 comes back, 2 does not; nobody has spoken of watching to osd.1 before that.
    let session = done(&mut b, 1, ping(1));
    b.pass(Duration::from_secs(9));
    done(&mut b, 1, ping(1));
    assert_eq!(listed(&mut b, 1), [1, 2], "2 has its whole timeout from when osd.1 met it");
    b.pass(Duration::from_secs(3));
    assert_eq!(listed(&mut b, 1), [1]);
    assert_eq!(b.told, [], "2 has no session here");
    assert_ne!(session, SessionId(0));
    b.hang_up(1, session);
}

#[test]
fn a_notify_is_told_again_to_one_who_comes_back_and_goes_on_under_a_new_primary() {
    let (mut b, sessions) = watched(&[1]);
    b.hang_up(0, sessions[0]);
    let n = b.op(0, "o", notify(8_000));
    b.settle();
    assert_eq!(told(&mut b), [], "nobody is connected");
    let back = done(&mut b, 0, ping(1));
    let first = told(&mut b);
    assert_eq!(first.iter().map(|t| t.2).collect::<Vec<_>>(), [back]);
    // The notifier's connection breaks: it asks again, and the notify goes on.
    b.hang_up(0, n);
    let n = b.replay(0, n);
    b.settle();
    assert_eq!(told(&mut b), [], "not told anew");
    fail_over(&mut b);
    assert_eq!(b.answer(n), None, "osd.0 died in silence");
    let n = b.replay(1, n);
    b.settle();
    assert_eq!(outcome(&b, n), None);
    let back = done(&mut b, 1, ping(1));
    let second = told(&mut b);
    assert_eq!(second.iter().map(|t| t.2).collect::<Vec<_>>(), [back]);
    assert_ne!(first[0].1, second[0].1, "another notify by its number");
    done(&mut b, 1, ack(first[0].1, 1, "of before"));
    assert_eq!(outcome(&b, n), None);
    done(&mut b, 1, ack(second[0].1, 1, ""));
    assert_eq!(outcome(&b, n).map(|n| n.acks.len()), Some(1));
}

#[test]
fn a_watch_that_was_answered_is_known_to_the_next_primary_and_so_is_its_replay() {
    let (mut b, sessions) = watched(&[1]);
    fail_over(&mut b);
    let again = b.replay(1, sessions[0]);
    b.settle();
    assert!(matches!(b.answer(again), Some(OsdOutcome::Done { outcome: Ok(_), .. })));
    b.op(1, "o", notify(8_000));
    b.settle();
    assert_eq!(told(&mut b).iter().map(|t| t.2).collect::<Vec<_>>(), [again], "the replay's session hears");
}

#[test]
fn watches_end_with_the_object_once_that_is_certain() {
    let (mut b, sessions) = watched(&[1, 2]);
    done(&mut b, 0, vec![Op::Unwatch { id: id(2) }]);
    let n = b.op(0, "o", notify(60_000));
    b.settle();
    assert_eq!(told(&mut b).len(), 1);
    b.hold_disk(2);
    let gone = b.op(0, "o", vec![Op::Delete]);
    b.settle();
    assert_eq!((b.answer(gone), b.told.len()), (None, 0));
    b.release_disk(2);
    b.settle();
    assert_eq!(ended(&mut b), [(1, sessions[0])], "2 left by itself");
    assert_eq!(outcome(&b, n).map(|n| n.missed), Some(vec![id(1)]));
    assert_eq!(refused(&mut b, 0, ping(1)), Errno::ENOENT);
    done(&mut b, 0, write("new"));
    assert_eq!(listed(&mut b, 0), Vec::<u64>::new());
}

#[test]
fn nobody_is_dropped_while_too_few_members_could_remember_it() {
    let (mut b, sessions) = watched(&[1]);
    b.stop(1);
    b.stop(2);
    b.map(row(1, &[0], Some(0), true), &[0]);
    b.pass(Duration::from_secs(30));
    assert_eq!(b.told, []);
    assert_eq!(listed(&mut b, 0), [1]);
    // It was there all along.
    let alive = done(&mut b, 0, ping(1));
    b.pass(Duration::from_secs(5));
    b.op(0, "o", notify(1_000));
    b.settle();
    assert_eq!(told(&mut b).iter().map(|t| t.2).collect::<Vec<_>>(), [alive]);
    assert_ne!(alive, sessions[0]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut b, _) = watched(&[1]);
    let foreign = WatchId { client: 2, cookie: 1 };
    for op in [Op::WatchPing { id: foreign }, Op::Unwatch { id: foreign }] {
        assert_eq!(refused(&mut b, 0, vec![op]), Errno::EINVAL);
    }
    let mut with_write = write("y");
    with_write.extend(ping(1));
    assert_eq!(refused(&mut b, 0, with_write), Errno::EINVAL);
    for _ in 0..16 {
        b.op(0, "o", notify(60_000));
    }
    b.settle();
    assert_eq!(refused(&mut b, 0, notify(60_000)), Errno::EBUSY);
    let mut shards = Bench::active_shards();
    done(&mut shards, 0, write("x"));
    for ops in [watch(1), ping(1), vec![Op::ListWatchers], notify(1_000)] {
        assert_eq!(refused(&mut shards, 0, ops), Errno::EOPNOTSUPP);
    }
}
