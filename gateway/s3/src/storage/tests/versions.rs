//! Buckets that keep versions, while shards split: nothing is lost, nothing leaks, pages join up.

use super::model::key;
use super::*;
use stdx::Rng;

/// The versions of each key, the newest last.
#[derive(Default)]
struct World {
    keys: BTreeMap<String, Vec<(VersionId, Option<Vec<u8>>)>>,
}

type Shown = Vec<(String, VersionId, bool, bool)>;

impl World {
    fn push(&mut self, key: &str, version: VersionId, data: Option<Vec<u8>>) {
        let all = self.keys.entry(key.into()).or_default();
        if version.is_null() {
            all.retain(|(v, _)| !v.is_null());
        }
        all.push((version, data));
    }
    fn listing(&self) -> Shown {
        let mut out = Vec::new();
        for (key, all) in &self.keys {
            for (i, (version, data)) in all.iter().enumerate().rev() {
                out.push((key.clone(), *version, data.is_none(), i + 1 == all.len()));
            }
        }
        out
    }
    fn current(&self) -> Vec<String> {
        let there =
            |all: &Vec<(VersionId, Option<Vec<u8>>)>| all.last().is_some_and(|(_, data)| data.is_some());
        self.keys.iter().filter(|(_, all)| there(all)).map(|(key, _)| key.clone()).collect()
    }
}

fn which(version: VersionId) -> Which {
    VersionId::parse(&version.to_string()).expect("an id reads back")
}

async fn list(s: &Store, b: &Bucket, max: u32) -> Shown {
    let (mut out, mut q) = (Vec::new(), VersionQuery { max, ..VersionQuery::default() });
    loop {
        let page = s.list_versions(b, &q).await.unwrap();
        assert!(page.versions.len() <= max as usize);
        out.extend(page.versions.into_iter().map(|v| (v.object.key, v.version, v.marker, v.latest)));
        if !page.truncated {
            return out;
        }
        q.key_marker = page.next_key_marker;
        q.version_marker = page.next_version_marker.map(which);
    }
}

async fn current(s: &Store, b: &Bucket) -> Vec<String> {
    let page = s.list(b, &ListQuery { max: 1000, ..ListQuery::default() }).await.unwrap();
    page.entries.into_iter().map(|e| e.key).collect()
}

async fn set(s: &Store, b: &Bucket, versioning: Versioning) -> Bucket {
    let change = |b: &mut Bucket| {
        b.set_versioning(versioning);
        Ok(())
    };
    s.bucket_change(b, change).await.unwrap()
}

#[test]
fn random_work_over_splits_answers_as_lists_would() {
    for seed in 0..8 {
        let r = cluster();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            let mut b = user_and_bucket(&s).await;
            let (mut rng, mut world) = (Rng::new(seed), World::default());
            for n in 0..200u32 {
                let key = key(&mut rng);
                if n > 20 && rng.chance(1, 25) {
                    let to = if rng.chance(2, 3) { Versioning::Enabled } else { Versioning::Suspended };
                    b = set(&s, &b, to).await;
                }
                match rng.below(10) {
                    0..5 => {
                        let mut data = vec![0; [0, 3, 16, 17, 100, 250][rng.below(6) as usize]];
                        rng.fill(&mut data);
                        let done = put(&s, &b, &key, &data).await.unwrap();
                        world.push(&key, done.version, Some(data));
                    }
                    5 => {
                        let id = s.upload_create(&b, &key, ObjectAttrs::default(), None).await.unwrap();
                        let data = vec![n as u8; 120];
                        s.part_put(&b, &key, id, 1, &mut TestBody::new(data.clone(), 50)).await.unwrap();
                        let etag = Some(ETag { md5: md5(&data), parts: 0 });
                        let named = vec![CompletePart { number: 1, etag, checksum: None }];
                        let none = Conditions::default();
                        let done =
                            s.upload_complete(&b, &key, id, named, none, |_, _| Ok(None)).await.unwrap();
                        world.push(&key, done.version, Some(data));
                    }
                    6 => {
                        let gone = Deletion { key: key.clone(), ..Deletion::default() };
                        let done = s.delete(&b, &gone).await.unwrap();
                        assert_eq!(done.marker, b.versioning() != Versioning::Off);
                        if done.marker {
                            world.push(&key, done.version, None);
                        } else {
                            world.keys.remove(&key);
                        }
                    }
                    7 => {
                        let all = world.listing();
                        if all.is_empty() {
                            continue;
                        }
                        let (key, version, marker, _) = all[rng.below(all.len() as u64) as usize].clone();
                        let gone =
                            Deletion { key: key.clone(), which: which(version), ..Deletion::default() };
                        let done = s.delete(&b, &gone).await.unwrap();
                        assert_eq!((done.existed, done.marker), (true, marker), "seed {seed}: {key:?}");
                        world.keys.get_mut(&key).unwrap().retain(|(v, _)| *v != version);
                    }
                    8 => {
                        s.split_waiting().await;
                        s.collect_garbage().await.unwrap();
                    }
                    _ => {
                        for (key, version, marker, _) in world.listing() {
                            let all = &world.keys[&key];
                            let data = &all.iter().find(|(v, _)| *v == version).unwrap().1;
                            let found = s.find(&b, &key, which(version), true).await.unwrap();
                            assert_eq!(matches!(found, Found::Marker { .. }), marker);
                            if let Found::Object(e) = found {
                                assert_eq!(
                                    collect(s.read(&e, 0, e.size)).await.unwrap(),
                                    *data.as_ref().unwrap()
                                );
                            }
                        }
                    }
                }
                let max = 1 + rng.below(9) as u32;
                assert_eq!(list(&s, &b, max).await, world.listing(), "seed {seed} step {n}");
                assert_eq!(current(&s, &b).await, world.current(), "seed {seed} step {n}");
            }
            s.split_waiting().await;
            assert!(chain(&s, &b).await.len() > 1);
            settle(&s, std::slice::from_ref(&b)).await;
            audit_data(&r);
            assert!(audit(&r).garbage.is_empty());
            for (key, version, ..) in world.listing() {
                let gone = Deletion { key, which: which(version), ..Deletion::default() };
                assert!(s.delete(&b, &gone).await.unwrap().existed);
            }
            settle(&s, std::slice::from_ref(&b)).await;
            assert!(objects(&r, 2).is_empty(), "all data is freed");
            s.bucket_delete("bucket").await.unwrap();
        });
    }
}

#[test]
fn ids_of_versions_are_read_strictly() {
    assert_eq!(VersionId::parse("null"), Some(Which::Null));
    let id = VersionId(osd_class::index::Version { seq: 1, nonce: 2 });
    assert_eq!(VersionId::parse(&id.to_string()), Some(Which::Version(id.0)));
    for bad in ["", "Null", "1", &"0".repeat(32), &"g".repeat(32), &"é".repeat(16)] {
        assert_eq!(VersionId::parse(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn attributes_change_under_an_object_and_nobody_overwrites_another() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = user_and_bucket(&s).await;
    put(&s, &b, "k", b"data").await.unwrap();
    let add = |name: String| {
        let (s, b) = (s.clone(), b.clone());
        async move {
            let change = |a: &mut ObjectAttrs| {
                a.extra.insert(name.clone(), Bytes::from(vec![1; 50]));
                Ok(())
            };
            s.change_attrs(&b, "k", Which::Current, change).await
        }
    };
    let all = futures_util::future::join_all((0..8).map(|n| add(format!("n{n}")))).await;
    assert!(all.into_iter().all(|done| matches!(done, Ok(Some(_)))));
    let entry = s.entry(&b, "k").await.unwrap().unwrap();
    assert_eq!(entry.attrs.extra.len(), 8);
    assert_eq!(collect(s.read(&entry, 0, 4)).await.unwrap(), b"data");
    let missing = s.change_attrs(&b, "other", Which::Current, |_| Ok(())).await.unwrap();
    assert_eq!(missing, None);
    audit(&r);
}
