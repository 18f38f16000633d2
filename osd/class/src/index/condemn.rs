//! What the removal of a bucket with all that is in it does to a shard: it stops serving at once, and is emptied later,
//! page by page.

use super::api::{Empty, Refusal, Retire};
use super::key;
use super::merge::give_up;
use super::rows::State;
use super::scan::Scan;
use super::shard::{Shard, refuse};
use super::version::{Place, take_out};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::ops::Bound;
use stdx::Errno;

/// Objects and versions that one call of `empty` removes at most: a transaction that no other waits long for.
const EMPTY_MAX: u32 = 512;

/// Refuses everything from here on, whatever is in the shard. EBUSY while it splits: finish the split first.
pub(super) fn condemn(ctx: &mut MethodContext<'_, '_>, input: Retire) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    match shard.header.state {
        State::Filling { parent, .. } => return Err(refuse(Refusal::NotYet { parent })),
        State::Active if shard.header.splitting.is_some() => return Err(Errno::EBUSY.into()),
        State::Retired { token } if token > input.token => return Err(refuse(Refusal::NotDriver)),
        State::Active | State::Retired { .. } => {}
    }
    give_up(&mut shard)?;
    shard.header.state = State::Retired { token: input.token };
    shard.close();
    Ok(())
}

/// Of a bucket that is gone: removes some objects and versions, whose data becomes garbage. Whether none is left.
pub(super) fn empty(ctx: &mut MethodContext<'_, '_>, input: Empty) -> Result<bool, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if !matches!(shard.header.state, State::Retired { .. }) {
        return Err(Errno::EBUSY.into());
    }
    let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
    let most = input.max.clamp(1, EMPTY_MAX) as usize;
    let found = some_objects(&shard, most + 1)?;
    for (key, place) in found.iter().take(most) {
        let object = shard.object(key, *place)?.ok_or(Errno::EIO)?;
        for run in &object.detail.runs {
            shard.discard(key, run, due_ms);
        }
        take_out(&mut shard, key, *place, &object);
    }
    shard.close();
    Ok(found.len() <= most)
}

/// The first objects and versions, at most `most`.
fn some_objects(shard: &Shard<'_, '_, '_>, most: usize) -> Result<Vec<(Bytes, Place)>, ClassError> {
    let mut found = Vec::new();
    for section in [key::OBJECT, key::VERSION] {
        let start = Bound::Included(Bytes::from(vec![section]));
        let mut scan = Scan::new(shard.draft(), start, key::section_end(section));
        while found.len() < most
            && let Some((row, _)) = scan.next()?
        {
            let (key, rest) = key::parse(&row).ok_or(Errno::EIO)?;
            let place = match section {
                key::OBJECT => Place::Current,
                _ => Place::Past(key::parse_version(rest).ok_or(Errno::EIO)?),
            };
            found.push((key, place));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::index::tests::{Shards, one, put_row};
    use crate::index::{
        Bulk, BulkReply, Detail, Done, Empty, Head, Part, PutReply, PutRow, Refusal, Retire, ShardStat, Tag,
        Versioning,
    };
    use bytes::Bytes;

    fn stat(s: &mut Shards) -> ShardStat {
        let got = s.raw(0, "stat", Bytes::new()).expect("a shard");
        stdx::codec::from_bytes(got).expect("its state")
    }

    /// A row whose bytes are a run.
    fn with_run(key: &str, seq: u64, nonce: u64) -> PutRow {
        let run = Part {
            number: 0,
            size: 100,
            md5: [0; 16],
            mtime_ms: 1,
            checksum: Bytes::new(),
            tag: Tag { instance: 1, seq },
            object_bytes: 50,
        };
        let versioning = if nonce == 0 { Versioning::Off } else { Versioning::Enabled };
        PutRow {
            head: Head { size: 100, ..Head::default() },
            detail: Detail { runs: vec![run], ..Detail::default() },
            inline: Bytes::new(),
            versioning,
            nonce,
            ..put_row(1, key, "")
        }
    }

    #[test]
    fn a_condemned_shard_serves_nothing_and_is_emptied_page_by_page() {
        let mut s = one();
        for n in 0..20 {
            s.put(0, 1, &format!("{n:02}"), "inline").expect("stored");
        }
        for n in 1..6 {
            let _: PutReply = s.call(0, "put_row", &with_run("07", n, n)).expect("stored");
        }
        let empty = Empty { gc_delay_ms: 5, max: 7 };
        assert!(s.raw(0, "empty", stdx::codec::to_bytes(&empty)).is_err(), "it serves");
        assert_eq!(s.call::<Done>(0, "retire", &Retire { token: 5 }).err(), Some(Refusal::NotEmpty));
        let _: Done = s.call(0, "condemn", &Retire { token: 5 }).expect("condemned");
        assert_eq!(s.call::<Done>(0, "condemn", &Retire { token: 4 }).err(), Some(Refusal::NotDriver));
        assert_eq!(s.put(0, 1, "x", "").err(), Some(Refusal::Retired));
        // Whoever clears up after it retires what may stand open yet, and finds it retired, full as it is.
        let _: Done = s.call(0, "retire", &Retire { token: u64::MAX }).expect("retired");
        let mut pages = 1;
        while !s.call::<bool>(0, "empty", &empty).expect("emptied") {
            pages += 1;
        }
        assert_eq!(pages, 4, "25 objects and versions, 7 at once");
        let c = stat(&mut s).counters;
        assert_eq!((c.entries(), c.garbage, c.object_bytes, c.row_bytes), (0, 5, 0, 0));
    }

    #[test]
    fn a_load_in_bulk_takes_what_is_this_shards_and_in_order() {
        let mut s = one();
        s.put(0, 1, "k3", "old").expect("stored");
        let rows = |keys: &[&str]| keys.iter().map(|key| put_row(1, key, "new")).collect::<Vec<_>>();
        let keys = ["k1", "k2", "k3"];
        let done: BulkReply =
            s.call(0, "put_rows", &Bulk { generation: 1, rows: rows(&keys) }).expect("stored");
        assert_eq!((done.stored, done.stat.keys), (3, 3));
        for bad in [&["b", "a"][..], &["a", "a"], &[]] {
            let bulk = Bulk { generation: 1, rows: rows(bad) };
            assert!(s.raw(0, "put_rows", stdx::codec::to_bytes(&bulk)).is_err(), "{bad:?}");
        }
        let c = stat(&mut s).counters;
        assert_eq!((c.keys, c.object_bytes), (3, 9), "what is refused changes nothing");
    }
}
