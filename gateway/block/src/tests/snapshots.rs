//! Snapshots and clones against arrays of bytes, and what is refused.

use super::{DATA, OBJECT, OWNER, POOL, bytes, layout, objects, objects_in, open, world, world_of_two_pools};
use crate::{BlockError, Image, Images, ZeroMode};
use gateway_client::MemoryRados;
use osd_object::SnapId;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::Rng;

const SIZE: u64 = 5 * OBJECT + 512;

async fn read_snapshot(images: &Images<MemoryRados>, name: &str) -> Vec<u8> {
    let open = images.open_read_only(name).await.unwrap();
    bytes(&open, 0, open.size()).await
}

fn clones(rados: &MemoryRados) -> usize {
    rados.snapshot().objects.keys().filter(|o| o.snap != SnapId::HEAD).count()
}

/// One image and what it should hold.
struct Tried {
    name: String,
    open: Arc<Image<MemoryRados>>,
    now: Vec<u8>,
    snapshots: BTreeMap<String, Vec<u8>>,
    parent: Option<String>,
}

struct World {
    rng: Rng,
    rados: MemoryRados,
    images: Images<MemoryRados>,
    all: Vec<Tried>,
    made: u32,
}

impl World {
    async fn new(seed: u64) -> World {
        let (rados, images) = if seed % 3 == 1 { world_of_two_pools() } else { world() };
        images.create("i0", SIZE, layout()).await.unwrap();
        let open = open(&images, "i0").await;
        let now = vec![0; SIZE as usize];
        let first = Tried { name: "i0".into(), open, now, snapshots: BTreeMap::new(), parent: None };
        World { rng: Rng::new(seed), rados, images, all: vec![first], made: 0 }
    }

    fn fresh(&mut self, kind: char) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }

    async fn reopen(&mut self, at: usize, change: impl AsyncFnOnce(&Images<MemoryRados>, &str)) {
        let tried = &mut self.all[at];
        let name = tried.name.clone();
        let old = tried.open.clone();
        // The last handle closes it.
        let placeholder = self.images.open_read_only(&name).await.unwrap();
        drop(std::mem::replace(&mut tried.open, placeholder));
        old.close().await.unwrap();
        change(&self.images, &name).await;
        self.all[at].open = open(&self.images, &name).await;
    }

    async fn step(&mut self) {
        let at = self.rng.below(self.all.len() as u64) as usize;
        let size = self.all[at].now.len() as u64;
        let offset = self.rng.below(size);
        let most = if self.rng.chance(1, 3) { size } else { 3000 };
        let len = (1 + self.rng.below(most)).min(size - offset);
        let range = offset as usize..(offset + len) as usize;
        let pick = |rng: &mut Rng, of: &BTreeMap<String, Vec<u8>>| -> Option<String> {
            if of.is_empty() { None } else { of.keys().nth(rng.below(of.len() as u64) as usize).cloned() }
        };
        match self.rng.below(20) {
            0..6 => {
                let fill = vec![1 + self.rng.below(255) as u8; len as usize];
                self.all[at].now[range].copy_from_slice(&fill);
                self.all[at].open.write(offset, fill.into()).await.unwrap();
            }
            6..9 => {
                self.all[at].now[range].fill(0);
                let mode = if self.rng.chance(1, 4) { ZeroMode::Allocate } else { ZeroMode::Punch };
                self.all[at].open.zero(offset, len, mode).await.unwrap();
            }
            9..12 => {
                // While it is in use.
                let snap = self.fresh('s');
                let tried = &mut self.all[at];
                self.images.snap_create(&tried.name, &snap).await.unwrap();
                tried.snapshots.insert(snap, tried.now.clone());
            }
            12 => {
                let Some(snap) = pick(&mut self.rng, &self.all[at].snapshots) else { return };
                let label = format!("{}@{snap}", self.all[at].name);
                if self.all.iter().any(|t| t.parent.as_ref() == Some(&label)) {
                    return;
                }
                let name = self.all[at].name.clone();
                match self.images.snap_protect(&name, &snap, false).await {
                    Ok(()) => {}
                    // A snapshot of a clone that was flattened still needs it.
                    Err(BlockError::HasChildren { .. }) => return,
                    Err(other) => panic!("{other}"),
                }
                self.images.snap_remove(&name, &snap).await.unwrap();
                self.all[at].snapshots.remove(&snap);
            }
            13 => {
                let Some(snap) = pick(&mut self.rng, &self.all[at].snapshots) else { return };
                let mut refused = false;
                let mut size = 0;
                self.reopen(at, async |images, name| match images.snap_rollback(name, &snap, OWNER).await {
                    Ok(()) => size = images.info(name).await.unwrap().header.size,
                    Err(BlockError::Invalid(why)) => {
                        assert!(why.contains("flattened"), "{why}");
                        refused = true;
                    }
                    Err(other) => panic!("{other}"),
                })
                .await;
                if !refused {
                    let tried = &mut self.all[at];
                    tried.now = tried.snapshots[&snap].clone();
                    assert_eq!(size, tried.now.len() as u64);
                }
            }
            14 if self.all.len() < 4 => {
                let Some(snap) = pick(&mut self.rng, &self.all[at].snapshots) else { return };
                let (parent, name) = (self.all[at].name.clone(), self.fresh('c'));
                self.images.snap_protect(&parent, &snap, true).await.unwrap();
                self.images.clone_snapshot(&parent, &snap, &self.images, &name).await.unwrap();
                let open = open(&self.images, &name).await;
                let now = self.all[at].snapshots[&snap].clone();
                let parent = Some(format!("{parent}@{snap}"));
                self.all.push(Tried { name, open, now, snapshots: BTreeMap::new(), parent });
            }
            15 => {
                self.reopen(at, async |images, name| {
                    images.flatten(name, OWNER, |_, _| {}).await.unwrap();
                })
                .await;
                if self.all[at].snapshots.is_empty() {
                    self.all[at].parent = None;
                }
            }
            16 => {
                let to = 512 * (1 + self.rng.below(2 * SIZE / 512));
                self.reopen(at, async |images, name| {
                    images.resize(name, to, true, OWNER).await.unwrap();
                })
                .await;
                self.all[at].now.resize(to as usize, 0);
            }
            17 => {
                let extents = self.all[at].open.extents(offset, len, false).await.unwrap();
                let mut place = offset as usize;
                for e in extents {
                    let end = place + e.len as usize;
                    assert!(
                        !e.hole || self.all[at].now[place..end].iter().all(|b| *b == 0),
                        "a hole hides data"
                    );
                    place = end;
                }
            }
            _ => assert!(bytes(&self.all[at].open, offset, len).await == self.all[at].now[range]),
        }
    }

    async fn check(&self) {
        for tried in &self.all {
            assert!(bytes(&tried.open, 0, tried.now.len() as u64).await == tried.now, "{}", tried.name);
            for (snap, then) in &tried.snapshots {
                assert!(
                    read_snapshot(&self.images, &format!("{}@{snap}", tried.name)).await == *then,
                    "{snap}"
                );
            }
        }
    }
}

#[tokio::test]
async fn images_and_their_snapshots_and_clones_are_arrays_of_bytes() {
    for seed in 0..30 {
        let mut w = World::new(seed).await;
        for _ in 0..120 {
            w.step().await;
        }
        w.check().await;
        // Children first, and nothing is left of anything.
        while let Some(tried) = w.all.pop() {
            tried.open.close().await.unwrap();
            for snap in tried.snapshots.keys() {
                w.images.snap_protect(&tried.name, snap, false).await.unwrap();
                w.images.snap_remove(&tried.name, snap).await.unwrap();
            }
            w.images.remove(&tried.name, OWNER).await.unwrap();
        }
        assert_eq!(clones(&w.rados), 0, "seed {seed}");
        assert_eq!(objects(&w.rados).await, ["rbd_directory".to_string()].into(), "seed {seed}");
        if seed % 3 == 1 {
            assert!(objects_in(&w.rados, DATA).await.is_empty(), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn a_clone_takes_only_what_is_written_and_a_flatten_leaves_holes() {
    let (rados, images) = world();
    images.create("base", 8 * OBJECT, layout()).await.unwrap();
    let base = open(&images, "base").await;
    base.write(OBJECT, vec![7; 2 * OBJECT as usize].into()).await.unwrap();
    images.snap_create("base", "s").await.unwrap();
    let refused = images.clone_snapshot("base", "s", &images, "c").await.unwrap_err();
    assert!(matches!(refused, BlockError::NotProtected { .. }), "{refused}");
    images.snap_protect("base", "s", true).await.unwrap();
    images.clone_snapshot("base", "s", &images, "c").await.unwrap();
    base.write(OBJECT, vec![9; 10].into()).await.unwrap();

    assert_eq!(images.usage("c").await.unwrap().objects, 0);
    let clone = open(&images, "c").await;
    assert!(bytes(&clone, OBJECT, 10).await == [7; 10], "the parent goes on without it");
    clone.write(OBJECT + 5, vec![1].into()).await.unwrap();
    clone.discard(2 * OBJECT, OBJECT).await.unwrap();
    assert!(bytes(&clone, 2 * OBJECT, OBJECT).await.iter().all(|b| *b == 0), "what is cleared stays so");
    clone.close().await.unwrap();
    let usage = images.usage("c").await.unwrap();
    assert_eq!((usage.objects, usage.used), (1, OBJECT));

    let children = images.children("base", "s").await.unwrap();
    assert_eq!(children.iter().map(|c| c.name.as_deref()).collect::<Vec<_>>(), [Some("c")]);
    assert!(matches!(images.snap_protect("base", "s", false).await, Err(BlockError::HasChildren { .. })));
    assert!(matches!(images.snap_remove("base", "s").await, Err(BlockError::Protected { .. })));
    assert!(images.flatten("c", OWNER, |_, _| {}).await.unwrap());
    assert!(!images.flatten("c", OWNER, |_, _| {}).await.unwrap());
    assert_eq!(images.usage("c").await.unwrap().objects, 1, "holes stay holes");
    assert_eq!(images.children("base", "s").await.unwrap(), []);
    images.snap_protect("base", "s", false).await.unwrap();
    images.snap_remove("base", "s").await.unwrap();
    assert_eq!(clones(&rados), 0, "what only it kept is freed");
    let clone = open(&images, "c").await;
    assert!(bytes(&clone, OBJECT, 5).await == [7; 5]);
}

#[tokio::test]
async fn what_snapshots_do_not_allow_is_refused_by_name() {
    let (_, images) = world();
    images.create("a", SIZE, layout()).await.unwrap();
    images.snap_create("a", "s").await.unwrap();
    assert!(matches!(images.snap_create("a", "s").await, Err(BlockError::SnapshotExists { .. })));
    assert!(matches!(images.snap_create("a", "x@y").await, Err(BlockError::Invalid(_))));
    assert!(matches!(images.snap_create("b", "s").await, Err(BlockError::NoSuchImage { .. })));
    assert!(matches!(images.snap_remove("a", "t").await, Err(BlockError::NoSuchSnapshot { .. })));
    assert!(matches!(images.remove("a", OWNER).await, Err(BlockError::HasSnapshots { count: 1, .. })));
    let image = open(&images, "a").await;
    assert!(matches!(images.snap_rollback("a", "s", "other").await, Err(BlockError::InUse { .. })));
    let snapshot = images.open_read_only("a@s").await.unwrap();
    assert!(matches!(snapshot.write(0, vec![1].into()).await, Err(BlockError::ReadOnly { .. })));
    images.snap_remove("a", "s").await.unwrap();
    let gone = snapshot.read(0, 512).await.unwrap_err();
    assert_eq!(gone.code(), stdx::Errno::ESTALE, "no zeros in place of what is gone: {gone}");
    image.close().await.unwrap();
    images.remove("a", OWNER).await.unwrap();
    assert_eq!(Images::new(world().0, POOL).list().await.unwrap(), []);
}

#[tokio::test]
async fn writers_wait_for_a_snapshot_being_made_and_for_none_that_was_given_up() {
    use gateway_client::Fault;
    let (rados, images) = world();
    images.create("a", SIZE, layout()).await.unwrap();
    let image = open(&images, "a").await;
    image.write(0, vec![1; 512].into()).await.unwrap();
    let before = rados.operations();
    images.snap_create("a", "probe").await.unwrap();
    let steps = rados.operations() - before;
    assert!(steps < 10, "the same whatever the size: {steps} operations");
    for at in 0..steps {
        // Its maker dies there.
        let name = format!("s{at}");
        rados.inject(at, 1, Fault::Refuse(stdx::Errno::EIO));
        let made = images.snap_create("a", &name).await;
        rados.heal();
        let then = bytes(&image, 0, SIZE).await;
        image.write(at * 700, vec![2 + at as u8; 300].into()).await.unwrap();
        let listed = images.snapshots("a").await.unwrap().iter().any(|s| s.name == name);
        assert!(listed == made.is_ok(), "{name}: what is listed is whole");
        if made.is_ok() {
            assert!(read_snapshot(&images, &format!("a@{name}")).await == then, "{name}");
        }
    }
}

#[tokio::test]
async fn data_lies_in_the_pool_that_was_named_and_all_else_beside_the_name() {
    let (rados, images) = world_of_two_pools();
    images.create("a", 4 * OBJECT, layout()).await.unwrap();
    let header = images.info("a").await.unwrap().header;
    assert_eq!(header.data_pool.as_deref(), Some(DATA));
    // Whoever opens it need not know.
    let plain = Images::new(rados.clone(), POOL);
    let image = open(&plain, "a").await;
    image.write(0, vec![3; 3 * OBJECT as usize].into()).await.unwrap();
    plain.snap_create("a", "s").await.unwrap();
    image.write(OBJECT, vec![4; OBJECT as usize].into()).await.unwrap();
    image.close().await.unwrap();
    assert_eq!(objects_in(&rados, DATA).await.len(), 3, "live pieces");
    assert_eq!(clones(&rados), 1);
    assert!(objects(&rados).await.iter().all(|name| !name.starts_with("rbd_data")));

    plain.snap_protect("a", "s", true).await.unwrap();
    plain.clone_snapshot("a", "s", &plain, "beside").await.unwrap();
    assert_eq!(plain.info("beside").await.unwrap().header.data_pool, None, "a clone says its own");
    images.clone_snapshot("a", "s", &images, "like").await.unwrap();
    for name in ["beside", "like"] {
        let clone = open(&plain, name).await;
        clone.write(2 * OBJECT, vec![5; 512].into()).await.unwrap();
        assert!(bytes(&clone, OBJECT, OBJECT).await.iter().all(|b| *b == 3), "what the parent was");
        clone.close().await.unwrap();
        plain.remove(name, OWNER).await.unwrap();
    }
    plain.snap_rollback("a", "s", OWNER).await.unwrap();
    plain.snap_protect("a", "s", false).await.unwrap();
    plain.snap_remove("a", "s").await.unwrap();
    let image = open(&plain, "a").await;
    assert!(bytes(&image, 0, 3 * OBJECT).await.iter().all(|b| *b == 3));
    image.close().await.unwrap();
    plain.remove("a", OWNER).await.unwrap();
    assert!(objects_in(&rados, DATA).await.is_empty() && clones(&rados) == 0, "nothing is left of it");

    let nowhere = Images::new(rados.clone(), POOL).with_data_pool(Some("nowhere".to_string()));
    let refused = nowhere.create("b", OBJECT, layout()).await.unwrap_err();
    assert!(refused.to_string().contains("no pool"), "{refused}");
    assert_eq!(plain.list().await.unwrap(), []);
}
