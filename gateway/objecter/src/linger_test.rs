//! Watches that are kept up, against an objecter whose cluster is the test itself.

use crate::fake_cluster::{POOL, first_map};
use crate::{Effect, Objecter, Watch};
use bytes::Bytes;
use osd_object::op::OpFailure;
use osd_object::{ObjectName, Op, Version, WatchId};
use placement_map::{ClusterMap, Epoch, Mapping, OsdId};
use std::sync::Arc;
use std::time::Duration;
use stdx::{Errno, Time};
use wire_codec::watch::{WatchEvent, WatchNews};
use wire_codec::{OpTarget, OsdOp, OsdOpReply, OsdOutcome};

const TIMEOUT: Duration = Duration::from_secs(8);

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// A client with a watch whose object osd.0 serves, in a pool of one PG at two OSDs.
fn watching() -> (Objecter, ClusterMap) {
    let map = first_map(2, 1);
    let mut o = Objecter::new(7, Arc::new(map.clone()), Arc::new(Mapping::default()));
    for osd in [OsdId(0), OsdId(1)] {
        o.session_up(osd);
    }
    o.keep_watch(Watch { pool: POOL, name: ObjectName::new("o"), cookie: 3, timeout: TIMEOUT });
    (o, map)
}

fn id() -> WatchId {
    WatchId { client: 7, cookie: 3 }
}

/// The pings that went out, and the news.
fn effects(o: &mut Objecter) -> (Vec<(OsdId, OsdOp)>, Vec<WatchNews>) {
    let (mut pings, mut news) = (Vec::new(), Vec::new());
    while let Some(effect) = o.poll() {
        match effect {
            Effect::Send { osd, op } => {
                let OpTarget::Object { ops, .. } = &op.target else { panic!("{op:?}") };
                assert_eq!(ops[..], [Op::WatchPing { id: id() }]);
                pings.push((osd, op));
            }
            Effect::News { cookie: 3, news: n } => news.push(n),
            Effect::Connect { .. } | Effect::NeedMap { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    (pings, news)
}

fn answer(o: &mut Objecter, now: Time, (osd, op): (OsdId, OsdOp), code: Option<Errno>) {
    let outcome = match code {
        None => Ok(vec![osd_object::OpResult::Done]),
        Some(code) => Err(OpFailure { code, step: 0, detail: Bytes::new() }),
    };
    let outcome = OsdOutcome::Done { version: Version::ZERO, outcome };
    o.handle_reply(now, osd, OsdOpReply { request: op.request, epoch: op.epoch, outcome });
}

#[test]
fn a_watch_pings_several_times_within_its_timeout() {
    let (mut o, _) = watching();
    for second in [0, 2, 4, 6] {
        assert!(o.next_timeout().unwrap() <= at(second));
        o.tick(at(second));
        let (mut pings, news) = effects(&mut o);
        assert_eq!((pings.len(), news.len(), pings[0].0), (1, 0, OsdId(0)));
        assert_eq!(o.next_timeout(), None, "one at a time");
        answer(&mut o, at(second), pings.remove(0), None);
        assert_eq!(o.next_timeout(), Some(at(second + 2)));
    }
    o.forget_watch(3);
    assert_eq!(o.next_timeout(), None);
    o.tick(at(100));
    assert!(effects(&mut o).0.is_empty());
}

#[test]
fn a_new_primary_and_a_new_session_hear_a_ping_at_once() {
    let (mut o, mut map) = watching();
    o.tick(at(0));
    let (mut pings, _) = effects(&mut o);
    answer(&mut o, at(0), pings.remove(0), None);
    map.epoch = Epoch(2);
    map.pg_temp.values_mut().for_each(|osds| *osds = vec![OsdId(1)]);
    o.handle_map(Arc::new(map.clone()), Arc::new(Mapping::default()));
    assert_eq!(o.next_timeout(), Some(Time::ZERO));
    o.tick(at(1));
    let (mut pings, _) = effects(&mut o);
    assert_eq!(pings.iter().map(|p| p.0).collect::<Vec<_>>(), [OsdId(1)]);
    // Before it is answered the primary moves back: the same ping follows it.
    map.epoch = Epoch(3);
    map.pg_temp.values_mut().for_each(|osds| *osds = vec![OsdId(0)]);
    o.handle_map(Arc::new(map), Arc::new(Mapping::default()));
    let (again, _) = effects(&mut o);
    assert_eq!(
        again.iter().map(|p| (p.0, p.1.request)).collect::<Vec<_>>(),
        [(OsdId(0), pings.remove(0).1.request)]
    );
    answer(&mut o, at(1), again.into_iter().next().unwrap(), None);
    o.tick(at(1));
    let (mut pings, _) = effects(&mut o);
    assert_eq!(pings.len(), 1, "it moved twice");
    answer(&mut o, at(1), pings.remove(0), None);
    o.session_lost(OsdId(0));
    o.tick(at(1));
    assert!(effects(&mut o).0.is_empty(), "there is no session");
    o.session_up(OsdId(0));
    assert_eq!(effects(&mut o).0.len(), 1);
}

#[test]
fn news_come_once_and_end_with_the_watch() {
    let (mut o, _) = watching();
    let notify = |notify| WatchNews::Notify { notify, notifier: 1, payload: Bytes::new() };
    for (client, number) in [(7, 1), (7, 1), (8, 2), (7, 2)] {
        o.handle_event(WatchEvent { id: WatchId { client, ..id() }, news: notify(number) });
    }
    assert_eq!(effects(&mut o).1, [notify(1), notify(2)]);
    o.tick(at(0));
    let (mut pings, _) = effects(&mut o);
    answer(&mut o, at(0), pings.remove(0), Some(Errno::EIO));
    o.tick(at(2));
    let (mut pings, news) = effects(&mut o);
    assert_eq!((pings.len(), news.len()), (1, 0), "that may pass");
    answer(&mut o, at(2), pings.remove(0), Some(Errno::ENOTCONN));
    assert_eq!(effects(&mut o).1, [WatchNews::Gone]);
    o.handle_event(WatchEvent { id: id(), news: WatchNews::Gone });
    o.tick(at(60));
    let (pings, news) = effects(&mut o);
    assert_eq!((pings.len(), news.len(), o.next_timeout()), (0, 0, None));
}

#[test]
fn a_watch_ends_with_its_pool() {
    let (mut o, mut map) = watching();
    map.epoch = Epoch(2);
    map.pools.clear();
    o.handle_map(Arc::new(map), Arc::new(Mapping::default()));
    o.tick(at(0));
    assert_eq!(effects(&mut o).1, [WatchNews::Gone]);
    assert_eq!((o.next_timeout(), o.in_flight()), (None, 0));
}
