//! The executor against the model: what each step does, and that a failure leaves nothing behind.

use super::*;
use crate::memory::apply_op;
use crate::registry::{ClassError, Method, ObjectClass};
use osd_object::hint::HINT_XATTR;
use osd_object::model::Model;
use osd_object::op::Compare;
use osd_object::{AllocHint, ObjectName};
use placement_map::PoolId;

/// A class for these tests: a counter in the omap.
struct Counter;

impl ObjectClass for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }
    fn methods(&self) -> &'static [Method] {
        const { &[Method::read("get"), Method::write("add"), Method::write("fail")] }
    }
    fn call(&self, method: &str, ctx: &mut MethodContext<'_, '_>, input: Bytes) -> Result<Bytes, ClassError> {
        let now = ctx.object().omap_get(b"n")?.map_or(0, |v| v[0]);
        match method {
            "get" => Ok(Bytes::from(vec![now])),
            "add" => {
                let step = *input.first().ok_or(Errno::EINVAL)?;
                let next = Bytes::from(vec![now.wrapping_add(step)]);
                ctx.object_mut().omap_set(vec![(Bytes::from_static(b"n"), next.clone())]);
                Ok(next)
            }
            _ => {
                ctx.object_mut().omap_set(vec![(Bytes::from_static(b"n"), Bytes::from_static(b"?"))]);
                Err(ClassError::with_detail(Errno::ESTALE, Bytes::from_static(b"go there")))
            }
        }
    }
}

struct World {
    model: Model,
    seq: u64,
    registry: Registry,
}

fn world() -> World {
    World { model: Model::new(), seq: 0, registry: Registry::new(&[&Counter]) }
}

fn id() -> ObjectId {
    ObjectId::head(PoolId(1), 7, ObjectName::new("o"))
}

impl World {
    fn run(&mut self, ops: &[Op]) -> OpOutcome {
        apply_op(&mut self.model, &id(), ops, WallTime(9), &self.registry, &mut self.seq).1
    }
    fn code(&mut self, ops: &[Op]) -> (Errno, u32) {
        let before = self.model.clone();
        let f = self.run(ops).expect_err("must fail");
        assert_eq!(self.model, before, "a failed operation leaves nothing behind");
        (f.code, f.step)
    }
}

fn b(s: &'static str) -> Bytes {
    Bytes::from_static(s.as_bytes())
}

fn call(method: &str, input: &'static str) -> Op {
    Op::Call { class: "counter".into(), method: method.into(), input: b(input) }
}

#[test]
fn writes_create_and_reads_see_the_state_before() {
    let mut w = world();
    assert_eq!(
        w.run(&[Op::WriteFull { data: b("hello") }, Op::Append { data: b("!") }]),
        Ok(vec![OpResult::Done; 2])
    );
    let got =
        w.run(&[Op::Read { offset: 1, len: 0 }, Op::Write { offset: 0, data: b("J") }, Op::Stat]).unwrap();
    assert_eq!(got[0], OpResult::Data(b("ello!")));
    assert_eq!(w.run(&[Op::Read { offset: 0, len: 2 }]), Ok(vec![OpResult::Data(b("Je"))]));
    assert_eq!(w.run(&[Op::Read { offset: 6, len: 9 }]), Ok(vec![OpResult::Data(b(""))]));
    assert_eq!(w.run(&[Op::WriteFull { data: b("x") }]), Ok(vec![OpResult::Done]));
    assert_eq!(w.run(&[Op::Read { offset: 0, len: 0 }]), Ok(vec![OpResult::Data(b("x"))]));
    let meta = w.model.meta(&id()).unwrap().unwrap();
    assert_eq!((meta.version, meta.mtime, meta.size), (Version { interval: 1, seq: 3 }, WallTime(9), 1));
}

#[test]
fn a_hint_is_taken_by_what_makes_the_object_and_never_shown() {
    let mut w = world();
    let hint = |bytes| AllocHint { expected_object_bytes: bytes, ..AllocHint::default() };
    let set = |bytes| Op::SetAllocHint { hint: hint(bytes) };
    w.run(&[set(5), Op::Append { data: b("x") }]).unwrap();
    let kept = |w: &World| w.model.xattr(&id(), HINT_XATTR).unwrap();
    assert_eq!(kept(&w), Some(hint(5).to_value()));
    w.run(&[set(6), Op::Append { data: b("y") }]).unwrap();
    assert_eq!(kept(&w), Some(hint(5).to_value()), "it exists already");
    assert_eq!(w.run(&[Op::GetXattrs]), Ok(vec![OpResult::Xattrs(Vec::new())]));
    assert_eq!(w.code(&[Op::GetXattr { name: HINT_XATTR.into() }]), (Errno::EINVAL, 0));
}

#[test]
fn a_data_read_behind_a_data_write_is_refused() {
    let mut w = world();
    w.run(&[Op::WriteFull { data: b("x") }]).unwrap();
    let read = Op::Read { offset: 0, len: 0 };
    assert_eq!(w.code(&[Op::Append { data: b("y") }, read.clone()]), (Errno::EINVAL, 1));
    assert_eq!(w.code(&[Op::Delete, read.clone()]), (Errno::ENOENT, 1));
    let set = Op::SetXattr { name: "a".into(), value: b("1") };
    assert!(w.run(&[set, read]).is_ok(), "attributes are no data");
}

#[test]
fn guards_stop_the_whole_operation() {
    let mut w = world();
    let write = Op::Append { data: b("y") };
    assert_eq!(w.code(&[write.clone(), Op::AssertVersion { seq: 1 }]), (Errno::ERANGE, 1));
    assert_eq!(w.code(&[Op::AssertExists, write.clone()]), (Errno::ENOENT, 0));
    w.run(&[Op::AssertVersion { seq: 0 }, write.clone()]).unwrap();
    w.run(&[Op::AssertVersion { seq: 1 }, Op::OmapSet { rows: vec![(b("k"), b("5"))] }]).unwrap();
    let cmp = |compare, value| Op::CmpOmap { key: b("k"), compare, value };
    assert_eq!(w.code(&[write.clone(), cmp(Compare::Gt, b("5"))]), (Errno::ECANCELED, 1));
    assert!(w.run(&[cmp(Compare::Ge, b("5")), cmp(Compare::Lt, b("6"))]).is_ok());
    assert_eq!(
        w.code(&[Op::CmpXattr { name: "a".into(), compare: Compare::Ne, value: b("") }]),
        (Errno::ECANCELED, 0)
    );
    assert_eq!(w.code(&[Op::Create { exclusive: true }]), (Errno::EEXIST, 0));
    assert!(w.run(&[Op::Create { exclusive: false }]).is_ok());
}

#[test]
fn absent_objects_answer_enoent_and_deletes_are_total() {
    let mut w = world();
    let on_absent = [
        Op::Stat,
        Op::Read { offset: 0, len: 1 },
        Op::GetXattr { name: "a".into() },
        Op::GetXattrs,
        Op::OmapGet { keys: vec![b("k")] },
        Op::OmapGetRange { range: osd_object::OmapRange::all() },
        Op::Delete,
        Op::RmXattr { name: "a".into() },
        Op::OmapRm { keys: vec![b("k")] },
        Op::OmapRmRange { start: b(""), end: None },
    ];
    for op in on_absent {
        assert_eq!(w.code(&[op]), (Errno::ENOENT, 0));
    }
    let set = Op::SetXattr { name: "a".into(), value: b("1") };
    w.run(&[set, Op::OmapSet { rows: vec![(b("k"), b("v"))] }, Op::Write { offset: 4, data: b("z") }])
        .unwrap();
    assert_eq!(w.code(&[Op::GetXattr { name: "other".into() }]), (Errno::ENODATA, 0));
    w.run(&[Op::Delete]).unwrap();
    assert!(w.model.objects.is_empty());
    w.run(&[Op::Create { exclusive: true }]).unwrap();
    assert_eq!(w.run(&[Op::GetXattrs]), Ok(vec![OpResult::Xattrs(vec![])]));
    w.run(&[Op::Delete, Op::WriteFull { data: b("anew") }]).unwrap();
    assert_eq!(w.run(&[Op::Read { offset: 0, len: 0 }]), Ok(vec![OpResult::Data(b("anew"))]));
}

#[test]
fn methods_run_inside_and_their_refusal_undoes_them() {
    let mut w = world();
    assert_eq!(w.run(&[call("add", "\u{3}"), call("add", "\u{4}")]).unwrap()[1], OpResult::Data(b("\u{7}")));
    assert_eq!(w.run(&[call("get", "")]), Ok(vec![OpResult::Data(b("\u{7}"))]));
    assert_eq!(w.code(&[call("add", "\u{1}"), call("nothing", "")]), (Errno::EOPNOTSUPP, 1));
    assert_eq!(w.code(&[call("add", "")]), (Errno::EINVAL, 0));
    let failure = w.run(&[call("fail", "")]).unwrap_err();
    assert_eq!((failure.code, failure.detail), (Errno::ESTALE, b("go there")));
    assert_eq!(w.run(&[call("get", "")]), Ok(vec![OpResult::Data(b("\u{7}"))]));
    assert_eq!(w.registry.access(&[call("get", "")]), Access::Read);
    assert_eq!(w.registry.access(&[call("get", ""), call("add", "")]), Access::Write);
}

#[test]
fn a_write_that_repeats_the_state_still_gets_a_version() {
    let mut w = world();
    w.run(&[Op::WriteFull { data: b("") }]).unwrap();
    w.run(&[Op::WriteFull { data: b("") }]).unwrap();
    assert_eq!(w.seq, 2);
    w.run(&[call("get", ""), Op::Stat]).unwrap();
    assert_eq!(w.seq, 2, "reads do not");
}

#[test]
fn objects_have_a_greatest_size() {
    let mut w = world();
    let max = osd_object::draft::OBJECT_BYTES_MAX;
    assert_eq!(w.code(&[Op::Write { offset: max, data: b("x") }]), (Errno::EFBIG, 0));
    assert_eq!(w.code(&[Op::Write { offset: u64::MAX, data: b("x") }]), (Errno::EFBIG, 0));
    assert_eq!(w.code(&[Op::Truncate { size: max + 1 }]), (Errno::EFBIG, 0));
}

#[test]
fn an_answer_fits_a_message_whatever_is_asked() {
    let mut w = world();
    let big = |n: usize| Bytes::from(vec![1; n]);
    w.run(&[Op::WriteFull { data: big(9 << 20) }]).unwrap();
    let read = Op::Read { offset: 0, len: 0 };
    assert!(w.run(std::slice::from_ref(&read)).is_ok());
    assert_eq!(w.code(&[read.clone(), read.clone()]), (Errno::EOVERFLOW, 1));
    w.run(&[Op::Truncate { size: 16 << 20 }]).unwrap();
    assert!(w.run(std::slice::from_ref(&read)).is_ok(), "as much as a message is meant for");
    w.run(&[Op::Truncate { size: 20 << 20 }]).unwrap();
    assert_eq!(w.code(&[read]), (Errno::EOVERFLOW, 0));
    w.run(&[Op::OmapSet { rows: vec![(b("a"), big(6 << 20)), (b("b"), big(6 << 20))] }]).unwrap();
    let keys = vec![b("a"); 3];
    assert_eq!(w.code(&[Op::OmapGet { keys }]), (Errno::EOVERFLOW, 0));
    let range = osd_object::OmapRange { bytes_max: u32::MAX, ..osd_object::OmapRange::all() };
    let page = w.run(&[Op::OmapGetRange { range }]).unwrap();
    assert!(
        matches!(&page[0], OpResult::Rows(page) if page.rows.len() == 1 && page.more),
        "a page ends early"
    );
    assert_eq!(w.code(&vec![Op::Stat; 1 << 19]).0, Errno::EOVERFLOW, "many small ones too");
}

#[test]
fn what_recovery_sends_in_one_piece_has_a_greatest_size() {
    let mut w = world();
    let big = |n: usize| Bytes::from(vec![1; n]);
    let set = |name: String, n| Op::SetXattr { name, value: big(n) };
    assert_eq!(w.code(&[set("a".into(), 70 << 10)]), (Errno::E2BIG, 0));
    for n in 0..16 {
        w.run(&[set(format!("x{n}"), 63 << 10)]).unwrap();
    }
    assert_eq!(w.code(&[set("y".into(), 63 << 10)]), (Errno::E2BIG, 0));
    w.run(&[set("x1".into(), 62 << 10)]).expect("replacing one is no growth");
    assert_eq!(w.code(&[Op::OmapSet { rows: vec![(b("k"), big(8 << 20))] }]), (Errno::E2BIG, 0));
}
