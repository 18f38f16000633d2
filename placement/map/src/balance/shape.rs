//! What a rule asks of a set of OSDs: which trees it takes from, and what must differ.

use crate::cluster_map::ClusterMap;
use crush::{CrushMap, Op};
use std::collections::{BTreeMap, BTreeSet};

/// Where one OSD stands for a rule.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Which take-to-emit part of the rule reaches it.
    pub(super) block: usize,
    /// Its failure domain: no other member of a PG may have the same. An index into [`Shape::arena_of`].
    pub(super) domain: usize,
    /// The smallest tree within which any exchange keeps the rule's structure.
    pub(super) arena: usize,
    /// CRUSH weight times reweight; never 0.
    pub(super) weight: u128,
    /// The ancestors that the rule chooses, outermost first; the last is the failure domain.
    path: Vec<i32>,
}

/// One take-to-emit part.
#[derive(Clone, Debug)]
struct Block {
    take: i32,
    /// (how many, of which type), outermost first; the last one's members hold one OSD each.
    levels: Vec<(usize, i32)>,
    /// The weights of all its OSDs together.
    weight: u128,
}

/// A rule with a pool's size, made ready for exchanges.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    blocks: Vec<Block>,
    /// By OSD number; none where the rule never leads.
    spots: Vec<Option<Spot>>,
    /// The arena of each domain.
    pub(super) arena_of: Vec<usize>,
    /// How many arenas there are.
    pub(super) arenas: usize,
}

impl Shape {
    /// The shape of a rule for sets of `size`. None where the balancer must keep its hands off: the rule is missing,
    /// ends in buckets, or reaches something in two ways. OSDs from number `osds_max` on are passed over.
    pub(super) fn of(map: &ClusterMap, rule: u32, size: usize, osds_max: u32) -> Option<Shape> {
        let mut shape = Shape {
            blocks: blocks(&map.crush, rule, size)?,
            spots: Vec::new(),
            arena_of: Vec::new(),
            arenas: 0,
        };
        let mut numbers = Numbers { osds_max, ..Numbers::default() };
        for block in 0..shape.blocks.len() {
            let take = shape.blocks[block].take;
            numbers.visited.clear();
            shape.walk(map, block, take, &mut Vec::new(), 0, &mut numbers)?;
        }
        shape.arenas = numbers.arenas.len();
        Some(shape)
    }

    /// Visits everything below a bucket, `path` holding the chosen ancestors so far.
    fn walk(
        &mut self,
        map: &ClusterMap,
        block: usize,
        bucket: i32,
        path: &mut Vec<i32>,
        depth: usize,
        numbers: &mut Numbers,
    ) -> Option<()> {
        if depth > DEPTH_MAX || !numbers.visited.insert(bucket) {
            return None; // a cycle, or a bucket in two places
        }
        let Some(bucket) = map.crush.bucket(bucket) else { return Some(()) };
        for (position, item) in bucket.items().iter().enumerate() {
            let levels = &self.blocks[block].levels;
            let wanted = levels.get(path.len()).map(|(_, kind)| *kind);
            let chosen = wanted.is_some() && wanted == map.crush.kind_of(*item);
            path.extend(chosen.then_some(*item));
            if *item < 0 {
                self.walk(map, block, *item, path, depth + 1, numbers)?;
            } else if path.len() == levels.len() {
                self.stand(map, block, *item, bucket.item_weight(position), path, numbers)?;
            }
            path.truncate(path.len() - usize::from(chosen));
        }
        Some(())
    }

    /// Notes one OSD.
    fn stand(
        &mut self,
        map: &ClusterMap,
        block: usize,
        item: i32,
        crush_weight: u32,
        path: &[i32],
        numbers: &mut Numbers,
    ) -> Option<()> {
        let osd = u32::try_from(item).ok()?;
        if osd >= numbers.osds_max {
            return Some(());
        }
        let reweight = map.osds.get(&crate::OsdId(osd)).map_or(0, |osd| osd.weight);
        let weight = u128::from(crush_weight) * u128::from(reweight);
        if weight == 0 {
            return Some(());
        }
        let (arena, domains) = (numbers.arena(block, path), self.arena_of.len());
        let domain = *numbers.domains.entry((block, path[path.len() - 1])).or_insert(domains);
        if domain == domains {
            self.arena_of.push(arena);
        }
        let at = osd as usize;
        if self.spots.len() <= at {
            self.spots.resize(at + 1, None);
        }
        if self.spots[at].is_some() || self.arena_of[domain] != arena {
            return None; // reached in two ways
        }
        self.spots[at] = Some(Spot { block, domain, arena, weight, path: path.to_vec() });
        self.blocks[block].weight += weight;
        Some(())
    }

    /// Where an OSD stands.
    pub(super) fn spot(&self, osd: u32) -> Option<&Spot> {
        self.spots.get(osd as usize)?.as_ref()
    }

    /// All OSDs the rule leads to, ascending.
    pub(super) fn osds(&self) -> impl Iterator<Item = (u32, &Spot)> {
        (0u32..).zip(&self.spots).filter_map(|(osd, spot)| Some((osd, spot.as_ref()?)))
    }

    /// How many parts the rule has.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The weight below a part's take.
    pub(super) fn block_weight(&self, block: usize) -> u128 {
        self.blocks[block].weight
    }

    /// How many OSDs of one PG an arena holds when the rule chooses groups; 0 where there is one arena only.
    pub(super) fn group_size(&self, block: usize) -> usize {
        let levels = &self.blocks[block].levels;
        if levels.len() == 2 { levels[1].0 } else { 0 }
    }

    /// Whether a set keeps the rule: every member within its reach, at each level no more ancestors than the rule
    /// chooses, and one member a failure domain.
    pub(super) fn holds(&self, set: impl Iterator<Item = u32>) -> bool {
        let mut chosen: BTreeSet<(usize, &[i32])> = BTreeSet::new();
        let mut below: BTreeMap<(usize, &[i32]), usize> = BTreeMap::new();
        for osd in set {
            let Some(spot) = self.spot(osd) else { return false };
            for level in 0..spot.path.len() {
                if chosen.insert((spot.block, &spot.path[..=level])) {
                    let count = below.entry((spot.block, &spot.path[..level])).or_default();
                    *count += 1;
                    if *count > self.blocks[spot.block].levels[level].0 {
                        return false;
                    }
                } else if level + 1 == spot.path.len() {
                    return false; // a second member in one failure domain
                }
            }
        }
        true
    }
}

/// Trees are not deeper: there are a dozen types, and a walk must not use up the stack.
const DEPTH_MAX: usize = 64;

/// Numbers given to arenas and domains in the order they are met, and what one walk has seen.
#[derive(Default)]
struct Numbers {
    osds_max: u32,
    visited: BTreeSet<i32>,
    arenas: BTreeMap<(usize, Vec<i32>), usize>,
    domains: BTreeMap<(usize, i32), usize>,
}

impl Numbers {
    fn arena(&mut self, block: usize, path: &[i32]) -> usize {
        let next = self.arenas.len();
        *self.arenas.entry((block, path[..path.len() - 1].to_vec())).or_insert(next)
    }
}

/// The parts of a rule, with counts worked out for `size`.
fn blocks(crush: &CrushMap, rule: u32, size: usize) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut ends_in_osds = false;
    for step in &crush.rule(rule)?.steps {
        match step.op {
            Op::Take => {
                crush.bucket(step.arg1)?;
                open = Some(Block { take: step.arg1, levels: Vec::new(), weight: 0 });
                ends_in_osds = false;
            }
            Op::ChooseFirstn | Op::ChooseIndep | Op::ChooseleafFirstn | Op::ChooseleafIndep => {
                if ends_in_osds {
                    return None;
                }
                let count = match usize::try_from(step.arg1) {
                    Ok(count) if count > 0 => count,
                    _ => size.checked_sub(step.arg1.unsigned_abs() as usize).filter(|count| *count > 0)?,
                };
                open.as_mut()?.levels.push((count, step.arg2));
                ends_in_osds =
                    step.arg2 == 0 || matches!(step.op, Op::ChooseleafFirstn | Op::ChooseleafIndep);
            }
            Op::Emit => {
                let mut block = open.take().filter(|_| ends_in_osds)?;
                // One below each is the same as a leaf of each.
                while block.levels.len() > 1 && block.levels.last().is_some_and(|(count, _)| *count == 1) {
                    block.levels.pop();
                }
                blocks.push(block);
            }
            Op::Unknown(_) | Op::ChooseMsr | Op::SetMsrDescents | Op::SetMsrCollisionTries => return None,
            _ => {}
        }
    }
    (!blocks.is_empty()).then_some(blocks)
}
