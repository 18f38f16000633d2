//! Watching as operations have it: what is refused, what it leaves, and what snapshots do to it.

use super::*;
use crate::memory::{apply_op, apply_op_in};
use crate::registry::Registry;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectName, Op, OpResult, SnapContext, SnapId, Watcher};
use placement_map::PoolId;
use stdx::time::WallTime;

fn object() -> ObjectId {
    ObjectId::head(PoolId(1), 5, ObjectName::new("o"))
}
fn id(cookie: u64) -> WatchId {
    WatchId { client: 7, cookie }
}
fn watch(cookie: u64) -> Op {
    Op::Watch { watcher: Watcher { id: id(cookie), timeout_ms: 30_000, name: String::new() } }
}
fn run(model: &mut Model, seq: &mut u64, ops: &[Op]) -> OpOutcome {
    apply_op(model, &object(), ops, WallTime(3), &Registry::standard(), seq).1
}
fn code(outcome: OpOutcome) -> Errno {
    outcome.expect_err("it is refused").code
}

#[test]
fn an_absent_object_cannot_be_watched() {
    let (mut m, mut seq) = (Model::new(), 0);
    for op in [watch(1), Op::Unwatch { id: id(1) }, Op::WatchPing { id: id(1) }, Op::ListWatchers] {
        assert_eq!(code(run(&mut m, &mut seq, &[op])), Errno::ENOENT);
    }
    run(&mut m, &mut seq, &[Op::Create { exclusive: true }, watch(1)]).expect("made and watched in one");
    assert_eq!(code(run(&mut m, &mut seq, &[Op::WatchPing { id: id(2) }])), Errno::ENOTCONN);
    run(&mut m, &mut seq, &[Op::WatchPing { id: id(1) }]).expect("it is there");
    let told = run(&mut m, &mut seq, &[Op::Notify { timeout_ms: 1000, payload: Bytes::new() }]).unwrap();
    let [OpResult::Notified(told)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told.missed, [id(1)]);
    let huge = Bytes::from(vec![0; osd_object::watch::NOTIFY_BYTES_MAX + 1]);
    assert_eq!(code(run(&mut m, &mut seq, &[Op::Notify { timeout_ms: 1000, payload: huge }])), Errno::E2BIG);
}

#[test]
fn a_watch_is_nothing_that_clients_see_and_goes_with_the_object() {
    let (mut m, mut seq) = (Model::new(), 0);
    run(&mut m, &mut seq, &[Op::Create { exclusive: true }, watch(1), watch(2)]).unwrap();
    assert_eq!(run(&mut m, &mut seq, &[Op::GetXattrs]).unwrap(), [OpResult::Xattrs(vec![])]);
    assert_eq!(without(&m, &object(), &[id(5)]), Ok(None));
    let mutation = without(&m, &object(), &[id(1), id(5)]).unwrap().expect("one goes");
    m.apply(&osd_object::Transaction { mutations: vec![mutation] });
    assert_eq!(stored(&m, &object()).unwrap().all().iter().map(|w| w.id).collect::<Vec<_>>(), [id(2)]);
    run(&mut m, &mut seq, &[Op::Unwatch { id: id(2) }, Op::Unwatch { id: id(2) }]).unwrap();
    assert!(m.xattr(&object(), WATCHERS_XATTR).unwrap().is_none(), "nobody takes no space");
    run(&mut m, &mut seq, &[watch(3)]).unwrap();
    run(&mut m, &mut seq, &[Op::Delete]).unwrap();
    run(&mut m, &mut seq, &[Op::Create { exclusive: true }]).unwrap();
    assert_eq!(stored(&m, &object()).unwrap(), Watchers::default());
}

#[test]
fn clones_have_no_watchers_and_a_rollback_keeps_them() {
    let (mut m, mut seq) = (Model::new(), 0);
    run(&mut m, &mut seq, &[Op::WriteFull { data: Bytes::from_static(b"one") }, watch(1)]).unwrap();
    let snaps = SnapContext { seq: 1, snaps: vec![SnapId(1)] };
    let mut under = |m: &mut Model, ops: &[Op]| {
        apply_op_in(m, &object(), ops, WallTime(4), &Registry::standard(), (&mut seq, &snaps)).1.unwrap()
    };
    under(&mut m, &[Op::WriteFull { data: Bytes::from_static(b"two") }]);
    let clone = ObjectId { snap: SnapId(1), ..object() };
    assert!(m.xattr(&clone, WATCHERS_XATTR).unwrap().is_none());
    under(&mut m, &[watch(2)]);
    under(&mut m, &[Op::Rollback { snap: SnapId(1) }]);
    assert_eq!(&m.read(&object(), 0, 0).unwrap()[..], b"one");
    let left: Vec<WatchId> = stored(&m, &object()).unwrap().all().iter().map(|w| w.id).collect();
    assert_eq!(left, [id(1), id(2)]);
}
