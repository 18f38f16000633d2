//! Random work against a world of maps; `crashes.rs` lets gateways die in the middle of it.

use super::*;
use stdx::Rng;

/// What a bucket holds, as its clients may believe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) objects: BTreeMap<String, Vec<u8>>,
    pub(super) uploads: BTreeMap<(String, UploadId), BTreeMap<u16, Vec<u8>>>,
}

/// One thing that a client does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(String, Vec<u8>),
    Delete(String),
    Get(String),
    List(ListQuery),
    UploadCreate(String),
    PartPut(String, UploadId, u16, Vec<u8>),
    Complete(String, UploadId, Vec<u16>),
    Abort(String, UploadId),
    Uploads(UploadQuery),
    Split,
    Collect,
    Sweep,
}

const DELIMITERS: [&str; 3] = ["/", "//", "b"];

pub(super) fn key(rng: &mut Rng) -> String {
    let mut out = String::new();
    for _ in 0..=rng.below(3) {
        out.push_str(["a", "b", "/", "\0", "é", "~", "c/"][rng.below(7) as usize]);
    }
    out
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![0; [0, 3, 16, 17, 100, 101, 350][rng.below(7) as usize]];
    rng.fill(&mut out);
    out
}

fn maybe<T>(rng: &mut Rng, value: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if rng.chance(1, 2) { Some(value(rng)) } else { None }
}

impl World {
    pub(super) fn choose(&self, rng: &mut Rng) -> Step {
        let n = rng.below(100);
        let upload = |rng: &mut Rng| {
            let n = self.uploads.len() as u64;
            if n == 0 { None } else { self.uploads.keys().nth(rng.below(n) as usize).cloned() }
        };
        match n {
            0..34 => Step::Put(key(rng), bytes(rng)),
            34..48 => Step::Delete(key(rng)),
            48..56 => Step::Get(key(rng)),
            56..66 => Step::List(ListQuery {
                prefix: maybe(rng, key).unwrap_or_default(),
                delimiter: maybe(rng, |r| DELIMITERS[r.below(3) as usize].to_string()),
                after: maybe(rng, key),
                max: rng.below(8) as u32,
            }),
            66..71 => Step::UploadCreate(key(rng)),
            71..81 => match upload(rng) {
                Some((key, id)) => Step::PartPut(key, id, 1 + rng.below(4) as u16, bytes(rng)),
                None => Step::Sweep,
            },
            81..86 => match upload(rng) {
                Some((key, id)) => {
                    let parts = &self.uploads[&(key.clone(), id)];
                    let some: Vec<u16> = parts
                        .iter()
                        .filter(|(_, data)| !data.is_empty())
                        .map(|(number, _)| *number)
                        .filter(|_| rng.chance(3, 4))
                        .collect();
                    if some.is_empty() { Step::Abort(key, id) } else { Step::Complete(key, id, some) }
                }
                None => Step::Sweep,
            },
            86..88 => upload(rng).map_or(Step::Sweep, |(key, id)| Step::Abort(key, id)),
            88..92 => Step::Uploads(UploadQuery {
                prefix: maybe(rng, key).unwrap_or_default(),
                delimiter: maybe(rng, |_| "/".to_string()),
                key_marker: maybe(rng, key),
                upload_id_marker: None,
                max: rng.below(5) as u32,
            }),
            92..96 => Step::Split,
            96..98 => Step::Collect,
            _ => Step::Sweep,
        }
    }

    /// What the step makes of the world, had it happened. (A new upload's id is not known beforehand.)
    pub(super) fn after(&self, step: &Step) -> World {
        let mut w = self.clone();
        match step {
            Step::Put(key, data) => {
                w.objects.insert(key.clone(), data.clone());
            }
            Step::Delete(key) => {
                w.objects.remove(key);
            }
            Step::PartPut(key, id, number, data) => {
                w.uploads.get_mut(&(key.clone(), *id)).unwrap().insert(*number, data.clone());
            }
            Step::Complete(key, id, numbers) => {
                let parts = w.uploads.remove(&(key.clone(), *id)).unwrap();
                w.objects.insert(key.clone(), numbers.iter().flat_map(|n| parts[n].clone()).collect());
            }
            Step::Abort(key, id) => {
                w.uploads.remove(&(key.clone(), *id));
            }
            _ => {}
        }
        w
    }

    /// What a listing must show: keys and common prefixes together, in order, and whether it is cut.
    fn listing(&self, names: impl Iterator<Item = String>, q: &ListQuery) -> (Vec<(String, bool)>, bool) {
        let mut out: Vec<(String, bool)> = Vec::new();
        let delimiter = q.delimiter.as_deref();
        for name in names.filter(|k| k.starts_with(&q.prefix)) {
            let rest = &name[q.prefix.len()..];
            let common =
                delimiter.and_then(|d| rest.find(d).map(|at| &name[..q.prefix.len() + at + d.len()]));
            let item = common.map_or((name.clone(), false), |c| (c.to_string(), true));
            let behind = q.after.as_ref().is_none_or(|a| name > *a && (!item.1 || item.0 != *a));
            if behind && out.last() != Some(&item) {
                out.push(item);
            }
        }
        let cut = q.max > 0 && out.len() > q.max as usize;
        out.truncate(q.max as usize);
        (out, cut)
    }

    /// Does the step, and checks what it answers. An error is the cluster's: the caller decides.
    pub(super) async fn take(&mut self, s: &Store, b: &Bucket, step: &Step) -> Result<(), S3Error> {
        let next = self.after(step);
        match step {
            Step::Put(key, data) => {
                put(s, b, key, data).await?;
            }
            Step::Delete(key) => {
                let was = delete(s, b, key).await?;
                assert_eq!(was, self.objects.contains_key(key), "delete {key:?}");
            }
            Step::Get(key) => {
                assert_eq!(get(s, b, key).await?.as_ref(), self.objects.get(key), "get {key:?}")
            }
            Step::List(q) => {
                let got = s.list(b, q).await?;
                let mut items: Vec<(String, bool)> =
                    got.entries.iter().map(|e| (e.key.clone(), false)).collect();
                items.extend(got.common_prefixes.iter().map(|p| (p.clone(), true)));
                items.sort();
                let (want, cut) = self.listing(self.objects.keys().cloned(), q);
                assert_eq!((&items, got.truncated), (&want, cut), "{q:?}");
                assert_eq!(got.next_after, want.last().filter(|_| cut).map(|i| i.0.clone()));
                for e in got.entries {
                    assert_eq!(e.size, self.objects[&e.key].len() as u64);
                }
            }
            Step::UploadCreate(key) => {
                let id = s.upload_create(b, key, ObjectAttrs::default(), None).await?;
                self.uploads.insert((key.clone(), id), BTreeMap::new());
                return Ok(());
            }
            Step::PartPut(key, id, number, data) => {
                let p = s.part_put(b, key, *id, *number, &mut TestBody::new(data.clone(), 37)).await?;
                assert_eq!(p.etag.md5, md5(data));
            }
            Step::Complete(key, id, numbers) => {
                let parts = &self.uploads[&(key.clone(), *id)];
                let named = numbers.iter().map(|n| CompletePart {
                    number: *n,
                    etag: Some(ETag { md5: md5(&parts[n]), parts: 0 }),
                    checksum: None,
                });
                let named = named.collect();
                s.upload_complete(b, key, *id, named, Conditions::default(), |_, _| Ok(None)).await?;
            }
            Step::Abort(key, id) => s.upload_abort(b, key, *id).await?,
            Step::Uploads(q) => {
                let got = s.upload_list(b, q).await?;
                let as_list = ListQuery {
                    prefix: q.prefix.clone(),
                    delimiter: q.delimiter.clone(),
                    after: q.key_marker.clone(),
                    max: u32::MAX,
                };
                let mut keys: Vec<String> = self.uploads.keys().map(|(key, _)| key.clone()).collect();
                keys.dedup();
                let (want, _) = self.listing(keys.into_iter(), &as_list);
                let mut all = Vec::new();
                for (name, common) in want {
                    let n = self.uploads.keys().filter(|(key, _)| *key == name).count();
                    all.extend(std::iter::repeat_n((name, common), if common { 1 } else { n }));
                }
                let mut items: Vec<(String, bool)> =
                    got.uploads.iter().map(|u| (u.key.clone(), false)).collect();
                items.extend(got.common_prefixes.iter().map(|p| (p.clone(), true)));
                items.sort();
                assert_eq!(got.truncated, q.max > 0 && all.len() > q.max as usize, "{q:?}");
                all.truncate(q.max as usize);
                assert_eq!(items, all, "{q:?}");
            }
            Step::Split => s.split_waiting().await,
            Step::Collect => s.collect_garbage().await?,
            Step::Sweep => s.sweep().await?,
        }
        *self = next;
        Ok(())
    }

    /// Everything that the bucket holds, read back by pages.
    pub(super) async fn read(s: &Store, b: &Bucket) -> World {
        let mut w = World::default();
        let mut q = ListQuery { max: 7, ..ListQuery::default() };
        loop {
            let page = s.list(b, &q).await.unwrap();
            for e in page.entries {
                let data = get(s, b, &e.key).await.unwrap().unwrap();
                assert_eq!(e.size, data.len() as u64);
                w.objects.insert(e.key, data);
            }
            q.after = page.next_after;
            if !page.truncated {
                break;
            }
        }
        let mut q = UploadQuery { max: 3, ..UploadQuery::default() };
        loop {
            let page = s.upload_list(b, &q).await.unwrap();
            for u in page.uploads {
                let rows = s.parts(b, &u.key, u.id, 0, 10_000).await.unwrap();
                let mut parts = BTreeMap::new();
                for part in rows.parts {
                    let run = manifest::Run::of(&part);
                    let entry = Entry {
                        seal: None,
                        key: u.key.clone(),
                        size: part.size,
                        etag: ETag { md5: part.md5, parts: 0 },
                        mtime: u.initiated,
                        checksum: None,
                        attrs: ObjectAttrs::default(),
                        parts: Vec::new(),
                        version: VersionId::default(),
                        data: manifest::Manifest::Runs(vec![run]),
                    };
                    parts.insert(part.number, collect(s.read(&entry, 0, part.size)).await.unwrap());
                }
                w.uploads.insert((u.key, u.id), parts);
            }
            (q.key_marker, q.upload_id_marker) = (page.next_key_marker, page.next_upload_id_marker);
            if !page.truncated {
                break;
            }
        }
        w
    }
}

#[test]
fn random_work_answers_as_a_map_would() {
    for seed in 0..40 {
        println!("seed {seed}");
        let r = cluster();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            let b = user_and_bucket(&s).await;
            let (mut rng, mut world) = (Rng::new(seed), World::default());
            for _ in 0..300 {
                let step = world.choose(&mut rng);
                world.take(&s, &b, &step).await.unwrap_or_else(|e| panic!("seed {seed}: {step:?}: {e}"));
            }
            s.split_waiting().await;
            assert!(chain(&s, &b).await.len() > 1);
            assert_eq!(World::read(&s, &b).await, world);
            audit_data(&r);
            settle(&s, &[b]).await;
            assert!(audit(&r).garbage.is_empty());
            audit_data(&r);
        });
    }
}
