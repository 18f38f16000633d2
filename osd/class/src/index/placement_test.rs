//! Bytes of a version in another place: what stays, what becomes garbage, and who is refused.

use super::tests::{Shards, one, put_row, run};
use super::*;

fn with_runs(key: &str, runs: Vec<Part>) -> PutRow {
    PutRow {
        head: Head { size: runs.iter().map(|r| r.size).sum(), md5: [7; 16], mtime_ms: 5, ..Head::default() },
        detail: Detail { attrs: "old".into(), runs, ..Detail::default() },
        inline: Bytes::new(),
        ..put_row(1, key, "")
    }
}

fn to(runs: Vec<Part>, inline: &'static str) -> MoveRow {
    MoveRow {
        generation: 1,
        key: "k".into(),
        which: Which::Null,
        seen: (Version::default(), 5),
        seen_attrs: "old".into(),
        storage_class: "COLD".into(),
        attrs: "new".into(),
        runs,
        sealed_as: Vec::new(),
        inline: inline.into(),
        gc_delay_ms: 0,
    }
}

fn got(s: &mut Shards) -> GotRow {
    let ask = GetRow { generation: 1, key: "k".into(), inline: true, which: Which::Current };
    s.call::<Option<GotRow>>(0, "get_row", &ask).unwrap().unwrap()
}

fn garbage(s: &mut Shards) -> Vec<u64> {
    let all = GarbageList { after: Bytes::new(), now_ms: 1 << 40, max: 9 };
    s.call::<GarbagePage>(0, "gc_list", &all).unwrap().due.iter().map(|g| g.tag.seq).collect()
}

#[test]
fn the_same_version_lies_elsewhere() {
    let mut s = one();
    let before: PutReply = s.call(0, "put_row", &with_runs("k", vec![run(1), run(2)])).unwrap();
    let counters = |s: &mut Shards| s.call::<ShardStat>(0, "stat", &Done).unwrap().counters;
    let was = counters(&mut s);
    let _: Stat = s.call(0, "move_row", &to(vec![run(1), run(3)], "")).unwrap();
    let row = got(&mut s);
    assert_eq!((row.head.storage_class.as_str(), row.head.mtime_ms, row.head.md5), ("COLD", 5, [7; 16]));
    assert_eq!((row.version, &row.detail.attrs[..]), (before.version, &b"new"[..]));
    assert_eq!(row.detail.runs.iter().map(|r| r.tag.seq).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(garbage(&mut s), [2], "what it still names is none");
    let now = counters(&mut s);
    assert_eq!((now.keys, now.object_bytes, now.garbage), (was.keys, was.object_bytes, 1));
    // Rows are counted as if it had been put so.
    let mut other = one();
    let mut put = with_runs("k", vec![run(1), run(3)]);
    (put.head.storage_class, put.detail.attrs) = ("COLD".into(), "new".into());
    let _: PutReply = other.call(0, "put_row", &put).unwrap();
    assert_eq!(counters(&mut other).row_bytes, now.row_bytes);
}

#[test]
fn inline_bytes_go_and_come() {
    let mut s = one();
    let inline = PutRow {
        head: Head { size: 100, mtime_ms: 5, ..Head::default() },
        detail: Detail { attrs: "old".into(), ..Detail::default() },
        inline: vec![b'x'; 100].into(),
        ..put_row(1, "k", "")
    };
    let _: PutReply = s.call(0, "put_row", &inline).unwrap();
    let _: Stat = s.call(0, "move_row", &to(vec![run(4)], "")).unwrap();
    assert_eq!((got(&mut s).inline.len(), got(&mut s).detail.runs.len()), (0, 1));
    let back = MoveRow { inline: vec![b'x'; 100].into(), seen_attrs: "new".into(), ..to(Vec::new(), "") };
    let _: Stat = s.call(0, "move_row", &back).unwrap();
    assert_eq!((got(&mut s).inline.len(), got(&mut s).detail.runs.len()), (100, 0));
    assert_eq!(garbage(&mut s), [4]);
}

#[test]
fn who_has_seen_something_else_is_refused() {
    let mut s = one();
    assert_eq!(s.call::<Stat>(0, "move_row", &to(vec![run(2)], "")), Err(Refusal::Absent));
    let _: PutReply = s.call(0, "put_row", &with_runs("k", vec![run(1)])).unwrap();
    let later = MoveRow { seen: (Version::default(), 6), ..to(vec![run(2)], "") };
    assert_eq!(s.call::<Stat>(0, "move_row", &later), Err(Refusal::Changed));
    let other = MoveRow { seen_attrs: "x".into(), ..to(vec![run(2)], "") };
    assert_eq!(s.call::<Stat>(0, "move_row", &other), Err(Refusal::Changed));
    for bad in [
        to(vec![run(2), run(3)], ""),
        to(Vec::new(), "short"),
        to(vec![run(2)], "both"),
        MoveRow { sealed_as: vec![run(1).tag; 2], ..to(vec![run(2)], "") },
    ] {
        assert_eq!(s.raw(0, "move_row", to_bytes(&bad)).unwrap_err().0, Errno::EINVAL);
    }
    let fence = Fence { generation: 1, key: "k".into(), tag: run(2).tag, instance: true };
    assert!(!s.call::<bool>(0, "fence", &fence).unwrap());
    assert_eq!(s.call::<Stat>(0, "move_row", &to(vec![run(2)], "")), Err(Refusal::Revoked));
    // What it has already is its own, though its writer was revoked.
    let _: Stat = s.call(0, "move_row", &to(vec![run(1)], "")).unwrap();
}
