//! Random writes, snapshots, rollbacks and trims, against whole copies taken at each snapshot.

use super::*;
use crate::Registry;
use osd_object::model::Model;
use osd_object::{ObjectName, OpResult, Version};
use placement_map::PoolId;
use std::collections::BTreeMap;
use stdx::Rng;

/// An object as a client sees it.
type State = Option<(Vec<u8>, BTreeMap<String, Bytes>, BTreeMap<Bytes, Bytes>)>;

struct World {
    rng: Rng,
    model: Model,
    head: ObjectId,
    registry: Registry,
    now: State,
    /// What each live snapshot must show.
    then: BTreeMap<u64, State>,
    newest: u64,
    version: u64,
}

fn see(model: &Model, object: &ObjectId) -> State {
    let stored = resolve(model, object).ok()?;
    let o = model.objects.get(&stored)?;
    let xattrs = o.xattrs.iter().filter(|(name, _)| !name.starts_with('\0'));
    Some((o.data.clone(), xattrs.map(|(k, v)| (k.clone(), v.clone())).collect(), o.omap.clone()))
}

impl World {
    fn new(seed: u64) -> World {
        World {
            rng: Rng::new(seed),
            model: Model::new(),
            head: ObjectId::head(PoolId(1), 7, ObjectName::new("o")),
            registry: Registry::standard(),
            now: None,
            then: BTreeMap::new(),
            newest: 0,
            version: 0,
        }
    }

    fn context(&self) -> SnapContext {
        SnapContext { seq: self.newest, snaps: self.then.keys().rev().map(|s| SnapId(*s)).collect() }
    }

    fn ops(&mut self) -> Vec<Op> {
        let rng = &mut self.rng;
        let mut data = vec![0; 1 + rng.below(40) as usize];
        rng.fill(&mut data);
        let data: Bytes = data.into();
        let offset = rng.below(80);
        let key = Bytes::from(vec![b'a' + rng.below(4) as u8]);
        vec![match rng.below(12) {
            0 => Op::WriteFull { data },
            1..4 => Op::Write { offset, data },
            4 => Op::Append { data },
            5 => Op::Truncate { size: rng.below(90) },
            6 => Op::Zero { offset, len: rng.below(40) },
            7 => Op::Delete,
            8 => Op::WriteSame { offset, len: data.len() as u64 * 3, data },
            9 => Op::SetXattr { name: "x".into(), value: data },
            10 => Op::OmapSet { rows: vec![(key, data)] },
            _ => Op::OmapRm { keys: vec![key] },
        }]
    }

    fn write(&mut self, ops: &[Op]) {
        let context = self.context();
        let mut done =
            execute_snapped(&self.model, &self.head, ops, WallTime::default(), &self.registry, &context);
        // The same on an object without snapshots.
        let mut plain = Model::new();
        if let Some((data, xattrs, omap)) = &self.now {
            let object = osd_object::model::ModelObject {
                meta: osd_object::ObjectMeta { size: data.len() as u64, ..Default::default() },
                data: data.clone(),
                xattrs: xattrs.clone(),
                omap: omap.clone(),
            };
            plain.objects.insert(self.head.clone(), object);
        }
        let rollback = ops.iter().any(|op| matches!(op, Op::Rollback { .. }));
        if !rollback {
            let wanted = crate::execute(&plain, &self.head, ops, WallTime::default(), &self.registry);
            assert_eq!(done.outcome, wanted.outcome, "snapshots change no answer");
            plain.apply(&wanted.transaction);
            self.now = see(&plain, &self.head);
        }
        if done.changed {
            self.version += 1;
            let version = Version { interval: 1, seq: self.version };
            let transaction = done.stamped(&self.head.clone(), version, WallTime::default());
            self.model.apply(&transaction);
        }
    }

    fn step(&mut self) {
        match self.rng.below(10) {
            0..6 => {
                let ops = self.ops();
                self.write(&ops);
            }
            6..8 => {
                self.newest += 1 + self.rng.below(3);
                self.then.insert(self.newest, self.now.clone());
            }
            8 => {
                let Some((snap, state)) = self.pick() else { return };
                self.write(&[Op::Rollback { snap: SnapId(snap) }]);
                self.now = state;
            }
            _ => {
                let Some((snap, _)) = self.pick() else { return };
                self.then.remove(&snap);
                let live: Vec<u64> = self.then.keys().copied().collect();
                let trimmed = trim(&self.model, &self.head, |s| !live.contains(&s.0)).expect("readable");
                self.model.apply(&trimmed.transaction);
            }
        }
    }

    fn pick(&mut self) -> Option<(u64, State)> {
        let n = self.rng.below(self.then.len().max(1) as u64) as usize;
        self.then.iter().nth(n).map(|(snap, state)| (*snap, state.clone()))
    }

    fn check(&self) {
        assert_eq!(see(&self.model, &self.head), self.now, "the live object");
        for (snap, state) in &self.then {
            let object = ObjectId { snap: SnapId(*snap), ..self.head.clone() };
            assert_eq!(&see(&self.model, &object), state, "at snapshot {snap}");
        }
        let snapped = Snapped::of(&self.model, &self.head).expect("readable");
        let stored = self.model.objects.keys().filter(|o| o.snap != SnapId::HEAD).count();
        assert_eq!(stored, snapped.set.clones.len(), "no clone is leaked, none is lost");
        assert!(snapped.set.clones.iter().all(|c| c.snaps.iter().all(|s| self.then.contains_key(&s.0))));
        let bytes_of = |snap: SnapId| {
            let object = ObjectId { snap, ..self.head.clone() };
            self.model.objects.get(&object).map(|o| o.data.clone()).unwrap_or_default()
        };
        let newer = snapped.set.clones.iter().skip(1).map(|c| c.id).chain([SnapId::HEAD]);
        for (clone, next) in snapped.set.clones.iter().zip(newer) {
            let (mine, theirs) = (bytes_of(clone.id), bytes_of(next));
            assert_eq!(clone.size, mine.len() as u64);
            for (at, len) in clone.overlap.ranges() {
                let range = *at as usize..(at + len) as usize;
                assert_eq!(mine.get(range.clone()), theirs.get(range), "overlap of clone {:?}", clone.id);
            }
        }
    }
}

#[test]
fn every_snapshot_shows_what_was_there_whatever_happens_later() {
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            world.step();
            world.check();
        }
        world.then.clear();
        let trimmed = trim(&world.model, &world.head, |_| true).expect("readable");
        world.model.apply(&trimmed.transaction);
        assert_eq!(
            world.model.objects.len(),
            usize::from(world.now.is_some()),
            "seed {seed}: nothing is left behind"
        );
    }
}

#[test]
fn what_clients_may_not_touch_is_refused() {
    let mut world = World::new(1);
    world.write(&[Op::WriteFull { data: "before".into() }]);
    (world.newest, world.then) = (4, BTreeMap::from([(4, world.now.clone())]));
    world.write(&[Op::WriteFull { data: "after".into() }]);
    let run = |ops: &[Op]| {
        execute_snapped(
            &world.model,
            &world.head,
            ops,
            WallTime::default(),
            &world.registry,
            &SnapContext::default(),
        )
    };
    let code = |ops: &[Op]| run(ops).outcome.expect_err("refused").code;
    for name in [SNAPSET, WHITEOUT] {
        assert_eq!(code(&[Op::GetXattr { name: name.into() }]), Errno::EINVAL);
        assert_eq!(code(&[Op::RmXattr { name: name.into() }]), Errno::EINVAL);
        assert_eq!(code(&[Op::SetXattr { name: name.into(), value: Bytes::new() }]), Errno::EINVAL);
    }
    assert_eq!(run(&[Op::GetXattrs]).outcome.expect("read"), [OpResult::Xattrs(Vec::new())]);
    assert_eq!(code(&[Op::Rollback { snap: SnapId(4) }, Op::Delete]), Errno::EINVAL);
    let same = |len, data: &'static [u8]| Op::WriteSame { offset: 0, len, data: Bytes::from_static(data) };
    for bad in [same(5, b"ab"), same(2, b""), same(1 << 40, b"ab")] {
        assert!([Errno::EINVAL, Errno::E2BIG].contains(&code(&[bad])));
    }
    let listed = run(&[Op::ListSnaps]).outcome.expect("listed");
    let [OpResult::Snaps(snaps)] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((snaps.head_bytes, snaps.set.clones.len()), (Some(5), 1));
    let mut damaged = world.model.clone();
    damaged.objects.get_mut(&world.head).expect("there").xattrs.insert(SNAPSET.into(), "x".into());
    assert_eq!(Snapped::of(&damaged, &world.head), Err(Errno::EIO));
}
