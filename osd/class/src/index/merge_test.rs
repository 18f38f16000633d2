//! Merges, step by step: who serves when, and what a driver that was overtaken can no longer do.

use super::tests::{self, Shards, one};
use super::*;

fn stat(s: &mut Shards, shard: u64) -> ShardStat {
    from_bytes(s.raw(shard, "stat", Bytes::new()).expect("a shard")).expect("its state")
}

/// Shard 0 up to `m`, shard 5 from there, with keys in both.
fn two() -> Shards {
    let mut s = one();
    for key in ["a", "b", "c", "m", "n", "o", "p"] {
        s.put(0, 1, key, "before").expect("stored");
    }
    let take = SplitTake { child: 5, driver: 1, keys_max: 1, row_bytes_max: 1 };
    let split = s.call::<ShardStat>(0, "split_take", &take).expect("taken").split.expect("a split");
    let child = Header {
        bucket: 1,
        shard: 5,
        from: split.at.clone(),
        to: None,
        right: None,
        generation: 2,
        state: State::Filling { parent: 0, driver: 1 },
        splitting: None,
    };
    let _: Done = s.call(5, "init", &Init { header: child }).expect("made");
    copy(&mut s, 0, 5, 1, "absorb");
    let step = SplitStep { driver: 1 };
    let _: Done = s.call(0, "split_commit", &step).expect("committed");
    let _: Done = s.call(5, "activate", &step).expect("serves");
    while !s.call::<bool>(0, "split_finish", &step).expect("dropped") {}
    s
}

fn copy(s: &mut Shards, from: u64, to: u64, driver: u64, method: &str) {
    let page = SplitPage { driver, after: Bytes::new(), bytes_max: 1 << 20 };
    let rows: RowPage = s.call(from, "split_page", &page).expect("rows");
    let cursor = rows.rows.last().map(|(row, _)| row.clone()).unwrap_or_default();
    let rows = rows.rows.into_iter().map(|(row, value)| (row, Some(value))).collect();
    let _: Done = s.call(to, method, &Absorb { driver, rows }).expect("absorbed");
    let _: Done = s.call(from, "split_mark", &SplitMark { driver, cursor, copied: true }).expect("noted");
}

fn take(s: &mut Shards, driver: u64) -> Split {
    let take = MergeTake { left: 0, nonce: 77, driver };
    s.call::<ShardStat>(5, "merge_take", &take).expect("taken").split.expect("a merge")
}

fn open(s: &mut Shards, split: &Split, driver: u64, fresh: bool) -> Joining {
    let open =
        MergeOpen { right: 5, at: split.at.clone(), nonce: split.merge.expect("named"), driver, fresh };
    s.call(0, "merge_open", &open).expect("an answer")
}

fn activate(driver: u64) -> MergeActivate {
    MergeActivate { nonce: 77, driver, to: None, right: None, generation: 3 }
}

fn catch_up(s: &mut Shards, driver: u64) -> usize {
    let ask = SplitDelta { driver, max: 100, bytes_max: 1 << 20, after: Bytes::new() };
    let page: DeltaPage = s.call(5, "split_delta", &ask).expect("changes");
    let absorbed = page.changes.iter().map(|c| (c.row.clone(), c.stamp)).collect::<Vec<_>>();
    let n = absorbed.len();
    let rows = page.changes.into_iter().map(|c| (c.row, c.value)).collect();
    let _: Done = s.call(0, "merge_absorb", &Absorb { driver, rows }).expect("absorbed");
    let _: Done = s.call(5, "split_ack", &SplitAck { driver, absorbed }).expect("acknowledged");
    n
}

fn count(s: &mut Shards, shard: u64) -> u64 {
    let list = List {
        generation: ANY_GENERATION,
        start: if shard == 0 { Bytes::new() } else { Bytes::from_static(b"m") },
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        max: 100,
    };
    s.call::<ListPage>(shard, "list", &list).expect("listed").items.len() as u64
}

#[test]
fn a_merge_changes_hands_by_way_of_nobody() {
    let mut s = two();
    let (left, right) = (stat(&mut s, 0).counters.keys, stat(&mut s, 5).counters.keys);
    assert_eq!((left + right, left > 0, right > 0), (7, true, true));
    let split = take(&mut s, 1);
    assert_eq!(open(&mut s, &split, 1, true), Joining::Open);
    copy(&mut s, 5, 0, 1, "merge_absorb");
    // Both go on serving, and neither shows what is on its way.
    s.put(5, ANY_GENERATION, "p", "later").expect("stored");
    s.put(5, ANY_GENERATION, "z", "new").expect("stored");
    s.put(0, ANY_GENERATION, "a", "later").expect("stored");
    assert_eq!((count(&mut s, 0), stat(&mut s, 0).counters.keys), (left, left));
    assert!(catch_up(&mut s, 1) > 0);
    // Another driver: the first one can do nothing any more.
    let again = take(&mut s, 2);
    assert_eq!((again.merge, again.copied, again.handed), (Some(77), true, false));
    assert_eq!(s.call::<Done>(5, "merge_commit", &SplitStep { driver: 1 }).err(), Some(Refusal::NotDriver));
    assert_eq!(open(&mut s, &again, 2, false), Joining::Open);
    let late = Absorb { driver: 1, rows: Vec::new() };
    assert_eq!(s.call::<Done>(0, "merge_absorb", &late).err(), Some(Refusal::NotDriver));
    assert_eq!(s.call::<Done>(0, "merge_activate", &activate(1)).err(), Some(Refusal::NotDriver));
    let _: Done = s.call(5, "merge_commit", &SplitStep { driver: 2 }).expect("handed over");
    assert_eq!(s.put(5, ANY_GENERATION, "p", "x").err(), Some(Refusal::NotYet { parent: 5 }));
    assert!(
        matches!(s.put(0, ANY_GENERATION, "p", "x"), Err(Refusal::Elsewhere { .. })),
        "nor does the left one"
    );
    assert_eq!(catch_up(&mut s, 2), 0);
    for _ in 0..2 {
        let _: Done = s.call(0, "merge_activate", &activate(2)).expect("serves");
    }
    assert_eq!(open(&mut s, &again, 2, false), Joining::Done);
    assert_eq!(s.call::<Joining>(0, "merge_drop", &MergeEnd { nonce: 77 }), Ok(Joining::Done));
    let _: Done = s.call(5, "merge_finish", &SplitStep { driver: 2 }).expect("gone");
    let _: Done = s.call(0, "merge_forget", &MergeEnd { nonce: 77 }).expect("forgotten");
    let now = stat(&mut s, 0);
    assert_eq!((now.header.to, now.header.right, now.counters.keys), (None, None, 8));
    assert_eq!(count(&mut s, 0), 8);
    assert!(s.raw(5, "stat", Bytes::new()).is_err());
    let sizes = ["later", "before", "before", "before", "before", "before", "later", "new"];
    assert_eq!(now.counters.object_bytes, sizes.iter().map(|x| x.len() as u64).sum::<u64>());
}

#[test]
fn a_merge_is_given_up_without_a_trace() {
    for handed in [false, true] {
        let mut s = two();
        let before = stat(&mut s, 0);
        let split = take(&mut s, 1);
        assert_eq!(open(&mut s, &split, 1, true), Joining::Open);
        copy(&mut s, 5, 0, 1, "merge_absorb");
        if handed {
            let _: Done = s.call(5, "merge_commit", &SplitStep { driver: 1 }).expect("handed over");
        }
        // The left one splits: that comes first.
        let split_take = SplitTake { child: 9, driver: 1, keys_max: 1, row_bytes_max: 1 };
        let at = s.call::<ShardStat>(0, "split_take", &split_take).expect("taken").split.expect("a split").at;
        assert!(at < split.at, "{at:?}: a key of its own");
        assert_eq!(s.call::<Done>(0, "merge_activate", &activate(1)).err(), Some(Refusal::NotDriver));
        assert_eq!(open(&mut s, &split, 1, false), Joining::Apart);
        assert_eq!(s.call::<Joining>(0, "merge_drop", &MergeEnd { nonce: 77 }), Ok(Joining::Apart));
        let _: Done = s.call(5, "merge_abort", &SplitStep { driver: 1 }).expect("serves again");
        s.put(5, ANY_GENERATION, "p", "x").expect("stored");
        let now = stat(&mut s, 5);
        assert!(now.split.is_none() && now.header.splitting.is_none() && now.header.state == State::Active);
        assert_eq!(stat(&mut s, 0).counters.row_bytes, before.counters.row_bytes);
        assert_eq!(
            s.raw(5, "merge_finish", to_bytes(&SplitStep { driver: 1 })).err().map(|e| e.0),
            Some(Errno::ESTALE)
        );
    }
}

#[test]
fn what_an_older_attempt_left_is_not_served() {
    let mut s = two();
    let split = take(&mut s, 1);
    assert_eq!(open(&mut s, &split, 1, true), Joining::Open);
    copy(&mut s, 5, 0, 1, "merge_absorb");
    let _: Done = s.call(5, "merge_abort", &SplitStep { driver: 1 }).expect("given up at one end only");
    let _: PutReply = s
        .call(5, "delete_row", &DeleteRow { generation: ANY_GENERATION, ..tests::delete_row("p") })
        .expect("deleted");
    let again = MergeTake { left: 0, nonce: 78, driver: 2 };
    let split = s.call::<ShardStat>(5, "merge_take", &again).expect("taken").split.expect("a merge");
    assert_eq!(open(&mut s, &split, 2, false), Joining::Apart, "of this one nothing is there");
    assert_eq!(open(&mut s, &split, 2, true), Joining::Open);
    copy(&mut s, 5, 0, 2, "merge_absorb");
    let _: Done = s.call(5, "merge_commit", &SplitStep { driver: 2 }).expect("handed over");
    let _: Done = s.call(0, "merge_activate", &MergeActivate { nonce: 78, ..activate(2) }).expect("serves");
    assert_eq!((count(&mut s, 0), stat(&mut s, 0).counters.keys), (6, 6));
    // Shard 0 never goes, and one that takes another in does not either.
    let zero = MergeTake { left: 3, nonce: 1, driver: 1 };
    assert_eq!(s.raw(0, "merge_take", to_bytes(&zero)).err().map(|e| e.0), Some(Errno::EBUSY));
}
