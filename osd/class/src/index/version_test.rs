//! Versions of keys: random work against a list per key, and the cases that matter one by one.

use super::tests::{Shards, delete_row, one, put_row, run};
use super::*;
use std::collections::BTreeMap;
use stdx::Rng;

/// The versions of each key, the newest last: its name, and its bytes if it is no delete marker.
#[derive(Default)]
struct World {
    keys: BTreeMap<String, Vec<(Version, Option<String>)>>,
}

impl World {
    /// A new version on top of the others; the one called `null` goes if it is one itself.
    fn push(&mut self, key: &str, version: Version, data: Option<String>) {
        let all = self.keys.entry(key.into()).or_default();
        assert!(all.last().is_none_or(|(last, _)| last.seq < version.seq), "{key}: {all:?} {version:?}");
        if version.is_null() {
            all.retain(|(v, _)| !v.is_null());
        }
        all.push((version, data));
    }
    fn newest(&self, key: &str) -> Option<&(Version, Option<String>)> {
        self.keys.get(key)?.last()
    }
    fn find(&self, key: &str, which: Which) -> Option<&(Version, Option<String>)> {
        match which {
            Which::Current => self.newest(key),
            Which::Null => self.keys.get(key)?.iter().find(|(v, _)| v.is_null()),
            Which::Version(wanted) => self.keys.get(key)?.iter().find(|(v, _)| *v == wanted),
        }
    }
    /// All versions as a listing shows them: key, version, marker, latest.
    fn listing(&self) -> Vec<(String, Version, bool, bool)> {
        let mut out = Vec::new();
        for (key, all) in &self.keys {
            for (i, (version, data)) in all.iter().enumerate().rev() {
                out.push((key.clone(), *version, data.is_none(), i + 1 == all.len()));
            }
        }
        out
    }
}

fn get(s: &mut Shards, key: &str, which: Which) -> Option<(Version, Option<String>)> {
    let input = GetRow { generation: ANY_GENERATION, key: key.to_string().into(), inline: true, which };
    let got: Option<GotRow> = s.call(0, "get_row", &input).unwrap();
    got.map(|row| {
        let data = String::from_utf8(row.inline.to_vec()).unwrap();
        (row.version, (!row.marker).then_some(data))
    })
}

fn list(s: &mut Shards, page: u32, delimiter: &str) -> (Vec<(String, Version, bool, bool)>, Vec<String>) {
    let (mut out, mut prefixes) = (Vec::new(), Vec::new());
    let mut at = Some((Bytes::new(), None));
    while let Some((start, after)) = at {
        let input = VersionList {
            generation: ANY_GENERATION,
            start,
            after: after.map(Which::Version),
            prefix: Bytes::new(),
            delimiter: delimiter.to_string().into(),
            max: page,
        };
        let got: VersionPage = s.call(0, "list_versions", &input).unwrap();
        assert!(got.items.len() <= page as usize);
        for item in got.items {
            match item {
                VersionItem::Version { key, version, marker, latest, .. } => {
                    out.push((String::from_utf8(key.to_vec()).unwrap(), version, marker, latest));
                }
                VersionItem::Prefix { prefix } => prefixes.push(String::from_utf8(prefix.to_vec()).unwrap()),
            }
        }
        at = got.next;
    }
    (out, prefixes)
}

fn current_keys(s: &mut Shards) -> Vec<Bytes> {
    let input = List {
        generation: ANY_GENERATION,
        start: Bytes::new(),
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        max: PAGE_MAX,
    };
    let page: ListPage = s.call(0, "list", &input).unwrap();
    let key = |item| match item {
        ListItem::Object { key, .. } => key,
        ListItem::Prefix { prefix } => panic!("{prefix:?}"),
    };
    page.items.into_iter().map(key).collect()
}

fn counters(s: &mut Shards) -> Counters {
    s.call::<ShardStat>(0, "stat", &Done).unwrap().counters
}

#[test]
fn random_work_answers_as_lists_would() {
    for seed in 0..12 {
        let (mut rng, mut s, mut world) = (Rng::new(seed), one(), World::default());
        let mut versioning = Versioning::Off;
        for n in 0..400u64 {
            let key = ["a", "a/b", "a/c", "b", "\0"][rng.below(5) as usize];
            let nonce = n + 1;
            if n > 40 && rng.chance(1, 30) {
                versioning = if rng.chance(1, 2) { Versioning::Enabled } else { Versioning::Suspended };
            }
            let which = match (rng.below(3), world.keys.get(key).filter(|all| !all.is_empty())) {
                (0, Some(all)) => Which::Version(all[rng.below(all.len() as u64) as usize].0),
                (1, _) => Which::Null,
                _ => Which::Current,
            };
            match rng.below(10) {
                0..4 => {
                    let data = format!("{n:>width$}", width = 1 + rng.below(400) as usize);
                    let mut put = PutRow { versioning, nonce, ..put_row(1, key, &data) };
                    if rng.chance(1, 4) {
                        // A detail that has a row of its own.
                        put.detail.attrs = vec![7; 300].into();
                    }
                    let reply: PutReply = s.call(0, "put_row", &put).unwrap();
                    let had = world.newest(key).is_some_and(|(_, data)| data.is_some());
                    assert_eq!(reply.replaced, had);
                    let first = versioning == Versioning::Off;
                    assert!(!first || reply.version == Version::default());
                    if first {
                        world.keys.remove(key);
                    }
                    world.push(key, reply.version, Some(data));
                }
                4..6 => {
                    let gone = DeleteRow { versioning, nonce, ..delete_row(key) };
                    let reply: PutReply = s.call(0, "delete_row", &gone).unwrap();
                    assert_eq!(reply.marker, versioning != Versioning::Off);
                    if reply.marker {
                        world.push(key, reply.version, None);
                    } else {
                        world.keys.remove(key);
                    }
                }
                6..8 if which != Which::Current => {
                    let found = world.find(key, which).cloned();
                    let gone = DeleteRow { versioning, which, ..delete_row(key) };
                    let reply: PutReply = s.call(0, "delete_row", &gone).unwrap();
                    assert_eq!(reply.replaced, found.is_some(), "seed {seed} {key:?} {which:?}");
                    if let Some((version, data)) = found {
                        assert_eq!((reply.version, reply.marker), (version, data.is_none()));
                        world.keys.get_mut(key).unwrap().retain(|(v, _)| *v != version);
                    }
                }
                8 => {
                    let attrs = Bytes::from(vec![1; [0, 10, 500][rng.below(3) as usize]]);
                    let seen = match get_attrs(&mut s, key, which) {
                        Some(seen) => seen,
                        None => continue,
                    };
                    let stale = SetAttrs {
                        generation: 1,
                        key: key.to_string().into(),
                        which,
                        seen: "other".into(),
                        attrs: attrs.clone(),
                    };
                    assert_eq!(s.call::<Stat>(0, "set_attrs", &stale), Err(Refusal::Changed));
                    let set = SetAttrs { seen, ..stale };
                    let _: Stat = s.call(0, "set_attrs", &set).unwrap();
                    assert_eq!(get_attrs(&mut s, key, which), Some(attrs));
                }
                _ => {
                    assert_eq!(get(&mut s, key, which).as_ref(), world.find(key, which), "{key:?} {which:?}");
                }
            }
            let page = 1 + rng.below(7) as u32;
            let want = world.listing();
            assert_eq!(list(&mut s, page, "").0, want, "seed {seed} step {n}");
            let current: Vec<Bytes> = (world.keys.keys())
                .filter(|key| world.newest(key).is_some_and(|(_, data)| data.is_some()))
                .map(|key| Bytes::from(key.clone()))
                .collect();
            assert_eq!(current_keys(&mut s), current, "seed {seed} step {n}");
            let c = counters(&mut s);
            assert_eq!((c.keys as usize, c.entries() as usize), (current.len(), want.len()));
            let bytes: usize =
                world.keys.values().flatten().filter_map(|(_, d)| d.as_ref()).map(String::len).sum();
            assert_eq!(c.object_bytes as usize, bytes);
        }
        // With everything gone nothing stays, and it costs nothing.
        for (key, version, ..) in world.listing() {
            let gone = DeleteRow { which: Which::Version(version), ..delete_row(&key) };
            s.call::<PutReply>(0, "delete_row", &gone).unwrap();
        }
        let c = counters(&mut s);
        assert_eq!((c.keys, c.versions, c.row_bytes, c.object_bytes), (0, 0, 0, 0), "seed {seed}");
    }
}

fn get_attrs(s: &mut Shards, key: &str, which: Which) -> Option<Bytes> {
    let input = GetRow { generation: ANY_GENERATION, key: key.to_string().into(), inline: false, which };
    let got: Option<GotRow> = s.call(0, "get_row", &input).unwrap();
    got.filter(|row| !row.marker).map(|row| row.detail.attrs)
}

fn enabled(key: &str, data: &str, nonce: u64) -> PutRow {
    PutRow { versioning: Versioning::Enabled, nonce, ..put_row(1, key, data) }
}

#[test]
fn common_prefixes_hide_all_versions_behind_them() {
    let mut s = one();
    for n in 1..4 {
        for key in ["a/1", "a/2", "b", "c/1"] {
            s.call::<PutReply>(0, "put_row", &enabled(key, "x", n)).unwrap();
        }
        let gone = DeleteRow { versioning: Versioning::Enabled, nonce: n + 9, ..delete_row("c/1") };
        s.call::<PutReply>(0, "delete_row", &gone).unwrap();
    }
    for page in 1..6 {
        let (versions, prefixes) = list(&mut s, page, "/");
        assert_eq!(versions.iter().map(|v| v.0.as_str()).collect::<Vec<_>>(), ["b"; 3]);
        assert_eq!(prefixes, ["a/", "c/"]);
    }
}

#[test]
fn a_run_of_an_older_version_is_spoken_for_until_the_version_goes() {
    let mut s = one();
    let mut put = enabled("k", "", 1);
    (put.head.size, put.detail.runs) = (100, vec![run(1)]);
    let first: PutReply = s.call(0, "put_row", &put).unwrap();
    s.call::<PutReply>(0, "put_row", &enabled("k", "small", 2)).unwrap();
    let fence = Fence { generation: 1, key: "k".into(), tag: run(1).tag, instance: false };
    assert!(s.call::<bool>(0, "fence", &fence).unwrap(), "an older version names it");
    let due = |s: &mut Shards| {
        let ask = GarbageList { after: Bytes::new(), now_ms: 1 << 40, max: 9 };
        s.call::<GarbagePage>(0, "gc_list", &ask).unwrap().due.len()
    };
    assert_eq!(due(&mut s), 0);
    let gone = DeleteRow { which: Which::Version(first.version), ..delete_row("k") };
    s.call::<PutReply>(0, "delete_row", &gone).unwrap();
    assert_eq!(due(&mut s), 1);
}

#[test]
fn a_gateway_that_has_not_heard_of_versioning_loses_no_version() {
    let mut s = one();
    let first: PutReply = s.call(0, "put_row", &enabled("k", "first", 1)).unwrap();
    s.call::<PutReply>(0, "put_row", &put_row(1, "k", "late")).unwrap();
    assert_eq!(get(&mut s, "k", Which::Version(first.version)).unwrap().1.unwrap(), "first");
    assert_eq!(get(&mut s, "k", Which::Null).unwrap().1.unwrap(), "late");
    let hidden: PutReply = s.call(0, "delete_row", &delete_row("k")).unwrap();
    assert!(hidden.marker && hidden.version.is_null());
    assert_eq!(get(&mut s, "k", Which::Version(first.version)).unwrap().1.unwrap(), "first");
    let zero = PutRow { nonce: 0, ..enabled("k", "x", 0) };
    assert_eq!(s.raw(0, "put_row", stdx::codec::to_bytes(&zero)).unwrap_err().0, Errno::EINVAL);
}

#[test]
fn conditions_of_deletes() {
    let mut s = one();
    let with = |change: &dyn Fn(&mut DeleteRow)| {
        let mut gone = DeleteRow { versioning: Versioning::Enabled, nonce: 7, ..delete_row("k") };
        change(&mut gone);
        gone
    };
    let other = Conditions { if_match: Some(Match::Tags(Vec::new())), if_none_match: None };
    // What is not there needs no deleting, and no marker.
    let reply: PutReply = s.call(0, "delete_row", &with(&|d| d.conditions = other.clone())).unwrap();
    assert!(!reply.replaced && !reply.marker);
    let mut put = enabled("k", "data", 1);
    put.head.mtime_ms = 5_999;
    s.call::<PutReply>(0, "put_row", &put).unwrap();
    let wrong: [&dyn Fn(&mut DeleteRow); 4] =
        [&|d| d.conditions = other.clone(), &|d| d.if_mtime_s = Some(6), &|d| d.if_size = Some(5), &|d| {
            d.if_attrs = Some("x".into())
        }];
    for (i, wrong) in wrong.into_iter().enumerate() {
        let expected = if i == 3 { Refusal::Changed } else { Refusal::Precondition };
        assert_eq!(s.call::<PutReply>(0, "delete_row", &with(wrong)), Err(expected), "{i}");
    }
    let right = with(&|d| (d.if_mtime_s, d.if_size, d.if_attrs) = (Some(5), Some(4), Some(Bytes::new())));
    assert!(s.call::<PutReply>(0, "delete_row", &right).unwrap().marker);
    // A delete marker is there, and matches no ETag.
    assert_eq!(
        s.call::<PutReply>(0, "delete_row", &with(&|d| d.conditions = other.clone())),
        Err(Refusal::Precondition)
    );
    assert_eq!(
        s.call::<Done>(0, "retire", &Retire { token: 1 }).err(),
        Some(Refusal::NotEmpty),
        "hidden versions keep a bucket"
    );
}

#[test]
fn rows_of_before_there_were_versions_are_read() {
    struct Old {
        head: Head,
        detail: Option<Detail>,
    }
    stdx::codec_versioned!(Old, 1 { head, detail });
    let old = Old { head: Head { size: 3, ..Head::default() }, detail: Some(Detail::default()) };
    let row: ObjectRow = stdx::codec::from_bytes(stdx::codec::to_bytes(&old)).unwrap();
    assert_eq!((row.head.size, row.version, row.marker), (3, Version::default(), false));
}
