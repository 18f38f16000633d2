//! Commits that are sent again long after they were carried out, when no OSD remembers the request: they change nothing.

use super::tests::{Shards, one, put_row, run};
use super::*;

fn put(runs: Vec<Part>) -> PutRow {
    PutRow {
        head: Head { size: runs.iter().map(|r| r.size).sum(), mtime_ms: 5, ..Head::default() },
        detail: Detail { attrs: "old".into(), runs, ..Detail::default() },
        inline: Bytes::new(),
        ..put_row(1, "k", "")
    }
}

/// What is current, what is garbage, and all counters but that of changes.
fn state(s: &mut Shards) -> (Option<GotRow>, Vec<u64>, Counters) {
    let ask = GetRow { generation: 1, key: "k".into(), inline: true, which: Which::Current };
    let row = s.call::<Option<GotRow>>(0, "get_row", &ask).unwrap();
    let all = GarbageList { after: Bytes::new(), now_ms: 1 << 40, max: 9 };
    let garbage = s.call::<GarbagePage>(0, "gc_list", &all).unwrap();
    let counters = s.call::<ShardStat>(0, "stat", &Done).unwrap().counters;
    (row, garbage.due.iter().map(|g| g.tag.seq).collect(), counters)
}

#[test]
fn a_put_does_not_make_garbage_of_its_own_run() {
    let mut s = one();
    let none = Conditions { if_none_match: Some(Match::Any), ..Conditions::default() };
    let first = PutRow { conditions: none, ..put(vec![run(1)]) };
    let done: PutReply = s.call(0, "put_row", &first).unwrap();
    let was = state(&mut s);
    let again: PutReply = s.call(0, "put_row", &first).unwrap();
    assert_eq!((again.head, again.version), (done.head, done.version));
    assert_eq!(state(&mut s), was);
    assert_eq!(was.1, [0u64; 0]);
    // Replaced by another since: what came later stays.
    let _: PutReply = s.call(0, "put_row", &put(vec![run(2)])).unwrap();
    let was = state(&mut s);
    let _: PutReply = s.call(0, "put_row", &put(vec![run(1)])).unwrap();
    assert_eq!(state(&mut s), was);
    assert_eq!(was.1, [1]);
}

#[test]
fn a_put_makes_one_version_only() {
    let mut s = one();
    let versioned = |nonce, seq| PutRow { versioning: Versioning::Enabled, nonce, ..put(vec![run(seq)]) };
    let first: PutReply = s.call(0, "put_row", &versioned(11, 1)).unwrap();
    let _: PutReply = s.call(0, "put_row", &versioned(12, 2)).unwrap();
    let was = state(&mut s);
    let again: PutReply = s.call(0, "put_row", &versioned(11, 1)).unwrap();
    assert_eq!(again.version, first.version);
    assert_eq!(state(&mut s), was);
    // Also of bytes that lie in the row.
    let small = |nonce| PutRow { versioning: Versioning::Enabled, nonce, ..put_row(1, "k", "small") };
    let _: PutReply = s.call(0, "put_row", &small(13)).unwrap();
    let _: PutReply = s.call(0, "put_row", &versioned(14, 4)).unwrap();
    let was = state(&mut s);
    let _: PutReply = s.call(0, "put_row", &small(13)).unwrap();
    assert_eq!(state(&mut s), was);
}

#[test]
fn a_part_is_put_once() {
    let mut s = one();
    let row = UploadRow { initiated_ms: 1, attrs: Bytes::new(), checksum_algorithm: 0, checksum_kind: 0 };
    let _: Stat =
        s.call(0, "upload_create", &UploadCreate { generation: 1, key: "k".into(), upload: 9, row }).unwrap();
    let part = |seq| PartPut { generation: 1, key: "k".into(), upload: 9, part: run(seq) };
    for (seq, garbage) in [(1, &[][..]), (1, &[]), (2, &[1]), (1, &[1]), (2, &[1])] {
        let _: Stat = s.call(0, "part_put", &part(seq)).unwrap();
        assert_eq!(state(&mut s).1, garbage, "{seq}");
    }
    let list = PartList { generation: 1, key: "k".into(), upload: 9, after: 0, max: 9 };
    let page: PartPage = s.call(0, "part_list", &list).unwrap();
    assert_eq!(page.parts, [run(2)]);
}

#[test]
fn a_move_that_was_made_is_not_refused() {
    let mut s = one();
    let _: PutReply = s.call(0, "put_row", &put(vec![run(1)])).unwrap();
    let to = |seq| MoveRow {
        generation: 1,
        key: "k".into(),
        which: Which::Null,
        seen: (Version::default(), 5),
        seen_attrs: "old".into(),
        storage_class: "COLD".into(),
        attrs: "new".into(),
        runs: vec![run(seq)],
        sealed_as: Vec::new(),
        inline: Bytes::new(),
        gc_delay_ms: 0,
    };
    let _: Stat = s.call(0, "move_row", &to(2)).unwrap();
    let was = state(&mut s);
    let _: Stat = s.call(0, "move_row", &to(2)).unwrap();
    assert_eq!(state(&mut s), was);
    assert_eq!(s.call::<Stat>(0, "move_row", &to(3)), Err(Refusal::Changed), "another one is");
    // Replaced since.
    let _: PutReply = s.call(0, "put_row", &put(vec![run(4)])).unwrap();
    let was = state(&mut s);
    let _: Stat = s.call(0, "move_row", &to(2)).unwrap();
    assert_eq!(state(&mut s), was);
}

#[test]
fn whether_a_run_is_in_use_is_asked_without_a_fence() {
    let mut s = one();
    let ask = |seq| Fence { generation: 1, key: "k".into(), tag: run(seq).tag, instance: false };
    assert!(!s.call::<bool>(0, "referred", &ask(1)).unwrap());
    let _: PutReply = s.call(0, "put_row", &put(vec![run(1)])).unwrap();
    assert!(s.call::<bool>(0, "referred", &ask(1)).unwrap());
    let _: PutReply = s.call(0, "put_row", &put(vec![run(2)])).unwrap();
    assert!(s.call::<bool>(0, "referred", &ask(1)).unwrap(), "it is garbage, and still spoken for");
}
