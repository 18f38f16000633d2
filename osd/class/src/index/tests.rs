//! The class on its own: ranges, generations, splits step by step, and inputs that are nonsense. Random
//! work through it, with crashes, is tested where gateways drive it (gateway-s3, storage/tests).

use super::*;
use crate::Registry;
use crate::memory::apply_op;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectName, Op, OpResult};
use placement_map::PoolId;
use stdx::Rng;
use stdx::codec::Encode;
use stdx::time::WallTime;

pub(super) struct Shards {
    model: Model,
    seq: u64,
}

impl Shards {
    pub(super) fn new() -> Shards {
        Shards { model: Model::new(), seq: 0 }
    }
    pub(super) fn raw(&mut self, shard: u64, method: &str, input: Bytes) -> Result<Bytes, (Errno, Bytes)> {
        let object = ObjectId::head(PoolId(1), 0, ObjectName::new(shard.to_string()));
        let ops = [Op::Call { class: CLASS.into(), method: method.into(), input }];
        let at = WallTime(1_000_000_000);
        let (_, outcome) = apply_op(&mut self.model, &object, &ops, at, &Registry::standard(), &mut self.seq);
        match outcome.map_err(|f| (f.code, f.detail))?.pop() {
            Some(OpResult::Data(d)) => Ok(d),
            other => panic!("{other:?}"),
        }
    }
    pub(super) fn call<T: Decode>(
        &mut self,
        shard: u64,
        method: &str,
        input: &impl Encode,
    ) -> Result<T, Refusal> {
        let got = self.raw(shard, method, to_bytes(input));
        got.map(|d| from_bytes(d).unwrap()).map_err(|(_, detail)| from_bytes(detail).unwrap())
    }
    pub(super) fn put(
        &mut self,
        shard: u64,
        generation: u64,
        key: &str,
        data: &str,
    ) -> Result<PutReply, Refusal> {
        self.call(shard, "put_row", &put_row(generation, key, data))
    }
    fn get(&mut self, shard: u64, key: &str) -> Result<Option<Bytes>, Refusal> {
        let input = GetRow {
            generation: ANY_GENERATION,
            key: key.to_string().into(),
            inline: true,
            which: Which::Current,
        };
        Ok(self.call::<Option<GotRow>>(shard, "get_row", &input)?.map(|row| row.inline))
    }
}

pub(super) fn put_row(generation: u64, key: &str, data: &str) -> PutRow {
    PutRow {
        generation,
        key: key.to_string().into(),
        head: Head { size: data.len() as u64, ..Head::default() },
        detail: Detail::default(),
        inline: data.to_string().into(),
        conditions: Conditions::default(),
        gc_delay_ms: 0,
        versioning: Versioning::Off,
        nonce: 0,
    }
}

pub(super) fn delete_row(key: &str) -> DeleteRow {
    DeleteRow {
        generation: 1,
        key: key.to_string().into(),
        conditions: Conditions::default(),
        if_mtime_s: None,
        if_size: None,
        if_attrs: None,
        gc_delay_ms: 0,
        versioning: Versioning::Off,
        nonce: 0,
        which: Which::Current,
        bypass: false,
        if_seen: None,
    }
}

fn header(shard: u64, state: State) -> Header {
    Header {
        bucket: 1,
        shard,
        from: Bytes::new(),
        to: None,
        right: None,
        generation: 1,
        state,
        splitting: None,
    }
}

pub(super) fn one() -> Shards {
    let mut s = Shards::new();
    let _: Done = s.call(0, "init", &Init { header: header(0, State::Active) }).unwrap();
    s
}

pub(super) fn run(seq: u64) -> Part {
    Part {
        number: 1,
        size: 100,
        md5: [0; 16],
        mtime_ms: 0,
        checksum: Bytes::new(),
        tag: Tag { instance: 5, seq },
        object_bytes: 64,
    }
}

#[test]
fn a_caller_with_another_belief_is_told_what_the_shard_is() {
    let mut s = one();
    s.put(0, 1, "a", "x").unwrap();
    assert_eq!(s.put(0, 2, "a", "x"), Err(Refusal::Elsewhere { header: header(0, State::Active) }));
    s.put(0, ANY_GENERATION, "a", "y").unwrap();
    assert_eq!(s.get(0, "a").unwrap().unwrap(), "y");
    assert_eq!(s.put(7, 1, "a", "x"), Err(Refusal::Retired), "no such shard");
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    assert_eq!(s.raw(0, "put_row", to_bytes(&put_row(1, &long, "x"))).unwrap_err().0, Errno::EINVAL);
}

#[test]
fn a_fence_stands_between_a_run_and_its_row() {
    let mut s = one();
    let with_run = |seq| PutRow {
        head: Head { size: 100, ..Head::default() },
        detail: Detail { runs: vec![run(seq)], ..Detail::default() },
        inline: Bytes::new(),
        ..put_row(1, "k", "")
    };
    let fence = |seq, instance| Fence { generation: 1, key: "k".into(), tag: run(seq).tag, instance };
    // Disowned: this run never commits, the next one does.
    assert!(!s.call::<bool>(0, "fence", &fence(1, false)).unwrap());
    assert_eq!(s.call::<PutReply>(0, "put_row", &with_run(1)), Err(Refusal::Revoked));
    s.call::<PutReply>(0, "put_row", &with_run(2)).unwrap();
    assert!(s.call::<bool>(0, "fence", &fence(2, false)).unwrap(), "it is in use");
    // Replaced: it is garbage, and still spoken for.
    s.put(0, 1, "k", "small").unwrap();
    assert!(s.call::<bool>(0, "fence", &fence(2, true)).unwrap());
    // Revoked as a whole: no run of that instance commits here any more; what needs no run does.
    assert_eq!(s.call::<PutReply>(0, "put_row", &with_run(3)), Err(Refusal::Revoked));
    s.put(0, 1, "k", "small again").unwrap();
    let due: GarbagePage =
        s.call(0, "gc_list", &GarbageList { after: Bytes::new(), now_ms: 1 << 40, max: 9 }).unwrap();
    assert_eq!(due.due.iter().map(|g| g.tag.seq).collect::<Vec<_>>(), [2]);
}

#[test]
fn garbage_waits_for_its_time() {
    let mut s = one();
    let mut put = PutRow {
        head: Head { size: 100, ..Head::default() },
        detail: Detail { runs: vec![run(1)], ..Detail::default() },
        inline: Bytes::new(),
        ..put_row(1, "k", "")
    };
    put.gc_delay_ms = 500;
    s.call::<PutReply>(0, "put_row", &put).unwrap();
    put.detail.runs = vec![run(2)];
    s.call::<PutReply>(0, "put_row", &put).unwrap();
    let list = |now_ms| GarbageList { after: Bytes::new(), now_ms, max: 9 };
    let n = |s: &mut Shards, now| s.call::<GarbagePage>(0, "gc_list", &list(now)).unwrap().due.len();
    assert_eq!([n(&mut s, 1000), n(&mut s, 1499), n(&mut s, 1500)], [0, 0, 1]);
    let page: GarbagePage = s.call(0, "gc_list", &list(1500)).unwrap();
    let rows = vec![page.due[0].row.clone(), page.due[0].row.clone()];
    let _: Done = s.call(0, "gc_done", &rows).unwrap();
    assert_eq!(n(&mut s, 1500), 0);
}

#[test]
fn the_middle_is_found_step_by_step() {
    let mut s = one();
    let ask = |from: MiddleStep, rows_max| SplitMiddle { from, rows_max };
    let search = |s: &mut Shards, rows_max| {
        let (mut at, mut steps) = (MiddleStep::default(), 0);
        while !at.over {
            at = s.call(0, "split_middle", &ask(at, rows_max)).unwrap();
            steps += 1;
        }
        (at.at, steps)
    };
    assert_eq!(search(&mut s, 5).0, None, "there is nothing");
    s.put(0, 1, "k000", "x").unwrap();
    assert_eq!(search(&mut s, 5).0, None, "one key");
    for i in 1..100 {
        s.put(0, 1, &format!("k{i:03}"), "x").unwrap();
    }
    for rows_max in [1, 7, 1000] {
        let (at, steps) = search(&mut s, rows_max);
        assert_eq!(at.as_deref(), Some(&b"k050"[..]));
        assert_eq!(steps, 51_u32.div_ceil(rows_max));
    }
    let take = SplitTake { child: 9, driver: 1, keys_max: 5, row_bytes_max: u64::MAX };
    let at = |at: &'static str| SplitTakeAt { take: take.clone(), at: Bytes::from_static(at.as_bytes()) };
    assert_eq!(s.call::<ShardStat>(0, "split_take_at", &at("")), Err(Refusal::Unsplittable));
    let stat: ShardStat = s.call(0, "split_take_at", &at("k050")).unwrap();
    assert_eq!(stat.split.unwrap().at, "k050");
    assert_eq!(search(&mut s, 5).0, None, "a split is under way");
}

#[test]
fn a_split_changes_hands_at_one_transaction() {
    let mut s = one();
    for i in 0..10 {
        s.put(0, 1, &format!("k{i}"), "old").unwrap();
    }
    let take = |driver| SplitTake { child: 9, driver, keys_max: 5, row_bytes_max: u64::MAX };
    let stat: ShardStat = s.call(0, "split_take", &take(1)).unwrap();
    let at = stat.split.unwrap().at;
    assert_eq!(at, "k5");
    let filling = |driver| Header {
        from: at.clone(),
        generation: 2,
        ..header(9, State::Filling { parent: 0, driver })
    };
    let _: Done = s.call(9, "init", &Init { header: filling(1) }).unwrap();
    let page = |driver, after| SplitPage { driver, after, bytes_max: 1 };
    // One row at a time; what changes behind the cursor and before it both arrive.
    let mut after = Bytes::new();
    let mut n = 0;
    loop {
        let got: RowPage = s.call(0, "split_page", &page(1, after.clone())).unwrap();
        if got.done {
            let mark = SplitMark { driver: 1, cursor: after.clone(), copied: true };
            let _: Done = s.call(0, "split_mark", &mark).unwrap();
            break;
        }
        n += 1;
        after = got.rows.last().unwrap().0.clone();
        let rows = got.rows.into_iter().map(|(k, v)| (k, Some(v))).collect();
        let _: Done = s.call(9, "absorb", &Absorb { driver: 1, rows }).unwrap();
        if n == 4 {
            s.put(0, 1, "k6", "new").unwrap();
            s.put(0, 1, "k99", "new").unwrap();
            s.call::<PutReply>(0, "delete_row", &delete_row("k7")).unwrap();
        }
    }
    assert_eq!(s.put(9, 2, "k6", "x"), Err(Refusal::NotYet { parent: 0 }));
    // Another driver takes over: the first one is out, at the parent and at the child.
    let _: ShardStat = s.call(0, "split_take", &take(2)).unwrap();
    let _: Done = s.call(9, "init", &Init { header: filling(2) }).unwrap();
    assert_eq!(s.call::<RowPage>(0, "split_page", &page(1, Bytes::new())), Err(Refusal::NotDriver));
    let late = Absorb { driver: 1, rows: Vec::new() };
    assert_eq!(s.call::<Done>(9, "absorb", &late).err(), Some(Refusal::NotDriver));

    let _: Done = s.call(0, "split_commit", &SplitStep { driver: 2 }).unwrap();
    let Err(Refusal::Elsewhere { header: parent }) = s.put(0, 1, "k1", "x") else { panic!() };
    assert_eq!((parent.to, parent.right, parent.generation), (Some(at.clone()), Some(9), 2));
    assert!(matches!(s.put(0, 2, "k6", "x"), Err(Refusal::Elsewhere { .. })));
    assert_eq!(
        s.put(9, 2, "k6", "x"),
        Err(Refusal::NotYet { parent: 0 }),
        "the last changes are missing yet"
    );
    let ask = || SplitDelta { driver: 2, max: 100, bytes_max: 1 << 20, after: Bytes::new() };
    let deltas: DeltaPage = s.call(0, "split_delta", &ask()).unwrap();
    assert!(!deltas.changes.is_empty());
    let acks = deltas.changes.iter().map(|d| (d.row.clone(), d.stamp)).collect();
    let rows = deltas.changes.into_iter().map(|d| (d.row, d.value)).collect();
    let _: Done = s.call(9, "absorb", &Absorb { driver: 2, rows }).unwrap();
    let _: Done = s.call(0, "split_ack", &SplitAck { driver: 2, absorbed: acks }).unwrap();
    assert!(s.call::<DeltaPage>(0, "split_delta", &ask()).unwrap().changes.is_empty());
    let _: Done = s.call(9, "activate", &SplitStep { driver: 2 }).unwrap();
    while !s.call::<bool>(0, "split_finish", &SplitStep { driver: 2 }).unwrap() {}

    let have = |s: &mut Shards, shard, keys: &[&str]| -> Vec<Option<Bytes>> {
        keys.iter().map(|k| s.get(shard, k).unwrap()).collect()
    };
    let (old, new) = (Some(Bytes::from("old")), Some(Bytes::from("new")));
    assert_eq!(have(&mut s, 0, &["k0", "k4"]), [old.clone(), old.clone()]);
    assert_eq!(have(&mut s, 9, &["k5", "k6", "k7", "k99"]), [old, new.clone(), None, new]);
    let counters = |s: &mut Shards, shard| s.call::<ShardStat>(shard, "stat", &Done).unwrap().counters.keys;
    assert_eq!([counters(&mut s, 0), counters(&mut s, 9)], [5, 5]);
    let stat: ShardStat = s.call(0, "stat", &Done).unwrap();
    assert!(stat.split.is_none() && stat.header.splitting.is_none());
}

#[test]
fn a_split_of_one_key_is_refused() {
    let mut s = one();
    let take = SplitTake { child: 9, driver: 1, keys_max: 0, row_bytes_max: 0 };
    assert_eq!(s.call::<ShardStat>(0, "split_take", &take), Err(Refusal::Unsplittable));
    s.put(0, 1, "only", "x").unwrap();
    assert_eq!(s.call::<ShardStat>(0, "split_take", &take), Err(Refusal::Unsplittable));
    s.put(0, 1, "other", "x").unwrap();
    assert!(s.call::<ShardStat>(0, "split_take", &take).is_ok());
}

#[test]
fn a_retired_shard_serves_nobody_and_only_its_attempt_reopens_it() {
    let mut s = one();
    s.put(0, 1, "k", "x").unwrap();
    assert_eq!(s.call::<Done>(0, "retire", &Retire { token: 3 }).err(), Some(Refusal::NotEmpty));
    s.call::<PutReply>(0, "delete_row", &delete_row("k")).unwrap();
    let _: Done = s.call(0, "retire", &Retire { token: 3 }).unwrap();
    let _: Done = s.call(0, "retire", &Retire { token: 5 }).unwrap();
    assert_eq!(s.call::<Done>(0, "retire", &Retire { token: 4 }).err(), Some(Refusal::NotDriver));
    assert_eq!(s.put(0, 1, "k", "x"), Err(Refusal::Retired));
    let _: Done = s.call(0, "unretire", &Retire { token: 4 }).unwrap();
    assert_eq!(s.put(0, 1, "k", "x"), Err(Refusal::Retired), "an earlier attempt's give-back comes late");
    let _: Done = s.call(0, "unretire", &Retire { token: 5 }).unwrap();
    s.put(0, 1, "k", "x").unwrap();
}

/// Nonsense from a client is refused, whatever it is: no method panics, and none damages the shard.
#[test]
fn nonsense_is_refused_by_every_method() {
    let mut rng = Rng::new(11);
    let valid = to_bytes(&put_row(1, "key", "value"));
    for round in 0..300 {
        let mut s = one();
        s.put(0, 1, "a", "x").unwrap();
        s.put(0, 1, "b", "x").unwrap();
        if round % 3 == 0 {
            let take = SplitTake { child: 9, driver: 1, keys_max: 0, row_bytes_max: 0 };
            let _: ShardStat = s.call(0, "split_take", &take).unwrap();
        }
        for method in Index.methods() {
            let mut input = match rng.below(3) {
                0 => valid.to_vec(),
                1 => vec![0; rng.below(60) as usize],
                _ => {
                    let mut random = vec![0; rng.below(60) as usize];
                    rng.fill(&mut random);
                    random
                }
            };
            if !input.is_empty() && rng.chance(2, 3) {
                let at = rng.below(input.len() as u64) as usize;
                input[at] = rng.below(256) as u8;
            }
            // The answer is whatever it is; that there is one is the point.
            let _ = s.raw(0, method.name, input.into());
        }
        let stat = s.raw(0, "stat", Bytes::new()).map(|_| ()).map_err(|e| e.0);
        assert!(matches!(stat, Ok(()) | Err(Errno::ESTALE)), "{stat:?}");
    }
}
