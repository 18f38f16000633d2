//! Two takers and one lock: who gets it, who is told so, and what a late one may still do.

use super::*;
use crate::memory::apply_op;
use crate::registry::Registry;
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, ObjectName, Op, OpResult};
use placement_map::PoolId;
use stdx::codec::Encode;
use stdx::time::WallTime;

struct World {
    model: Model,
    seq: u64,
}

impl World {
    fn new() -> World {
        let mut world = World { model: Model::new(), seq: 0 };
        world.run(vec![Op::Create { exclusive: true }]).unwrap();
        world
    }
    fn run(&mut self, ops: Vec<Op>) -> OpOutcome {
        let object = ObjectId::head(PoolId(1), 7, ObjectName::new("header"));
        apply_op(&mut self.model, &object, &ops, WallTime(0), &Registry::standard(), &mut self.seq).1
    }
    fn call<I: Encode>(&mut self, method: &str, input: &I) -> Result<Bytes, (Errno, Bytes)> {
        let op = Op::Call { class: CLASS.into(), method: method.into(), input: to_bytes(input) };
        match self.run(vec![op]) {
            Ok(mut results) => match results.remove(0) {
                OpResult::Data(d) => Ok(d),
                other => panic!("{other:?}"),
            },
            Err(f) => Err((f.code, f.detail)),
        }
    }
    fn take(&mut self, cookie: u64, over: Option<Stamp>) -> Result<LockRow, (Errno, LockRow)> {
        let holder = Holder { owner: format!("gateway.{cookie}"), cookie, lease_ms: 1000 };
        let read = |b: Bytes| from_bytes::<LockRow>(b).unwrap();
        self.call("take", &Take { holder, over }).map(read).map_err(|(code, detail)| (code, read(detail)))
    }
    fn row(&mut self) -> LockRow {
        from_bytes(self.call("stat", &Done).unwrap()).unwrap()
    }
}

#[test]
fn the_second_taker_is_refused_and_told_who_has_it() {
    let mut w = World::new();
    assert_eq!(w.row(), LockRow::default());
    let first = w.take(1, None).unwrap();
    assert_eq!(first.generation, 1);
    assert_eq!(w.take(1, None).unwrap(), first, "asking twice changes nothing");
    let (code, row) = w.take(2, None).unwrap_err();
    assert_eq!((code, row.holder.unwrap().owner.as_str()), (Errno::EBUSY, "gateway.1"));
    w.call("release", &Held { generation: 1, cookie: 1 }).unwrap();
    let second = w.take(2, None).unwrap();
    assert_eq!((second.generation, second.unclean), (2, 0), "an orderly change leaves nobody to fence");
}

#[test]
fn a_holder_that_gives_signs_of_life_is_not_taken_over() {
    let mut w = World::new();
    let seen = w.take(1, None).unwrap().stamp();
    w.call("renew", &Held { generation: 1, cookie: 1 }).unwrap();
    let (code, row) = w.take(2, Some(seen)).unwrap_err();
    assert_eq!((code, row.renewals), (Errno::EBUSY, 1));
    let now = w.row().stamp();
    let second = w.take(2, Some(now)).unwrap();
    assert_eq!((second.generation, second.unclean), (2, 1));
    for method in ["renew", "release", "assert"] {
        let late = w.call(method, &Held { generation: 1, cookie: 1 });
        assert_eq!(late.unwrap_err().0, Errno::ESTALE, "{method} of who lost it");
    }
}

#[test]
fn a_guarded_operation_of_a_late_holder_does_not_happen() {
    let mut w = World::new();
    w.take(1, None).unwrap();
    let write = |generation, cookie| {
        vec![
            assert_held(Held { generation, cookie }),
            Op::SetXattr { name: "size".into(), value: Bytes::from(vec![generation as u8]) },
        ]
    };
    w.run(write(1, 1)).unwrap();
    assert_eq!(w.call("break", &Break { generation: 7 }).unwrap_err().0, Errno::EBUSY);
    w.call("break", &Break { generation: 1 }).unwrap();
    assert_eq!(w.run(write(1, 1)).unwrap_err().code, Errno::ESTALE);
    let second = w.take(2, None).unwrap();
    assert_eq!((second.generation, second.unclean), (2, 1));
    assert_eq!(w.run(write(1, 2)).unwrap_err().code, Errno::ESTALE);
    w.run(write(2, 2)).unwrap();
}

#[test]
fn nonsense_is_refused_and_a_lock_makes_no_object() {
    let mut w = World::new();
    let garbage = Op::Call { class: CLASS.into(), method: "take".into(), input: Bytes::from_static(b"\xff") };
    assert_eq!(w.run(vec![garbage]).unwrap_err().code, Errno::EINVAL);
    let holder = Holder { owner: "x".repeat(OWNER_BYTES_MAX + 1), cookie: 1, lease_ms: 1 };
    assert_eq!(w.call("take", &Take { holder, over: None }).unwrap_err().0, Errno::EINVAL);
    w.run(vec![Op::Delete]).unwrap();
    assert_eq!(w.call("stat", &Done).unwrap_err().0, Errno::ENOENT);
    w.run(vec![Op::Create { exclusive: true }]).unwrap();
    w.run(vec![Op::OmapSet { rows: vec![(Bytes::from_static(ROW), Bytes::from_static(b"?"))] }]).unwrap();
    assert_eq!(w.call("stat", &Done).unwrap_err().0, Errno::EIO, "damage is not taken for a free lock");
}
