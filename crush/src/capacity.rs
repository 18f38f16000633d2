//! Whether a rule can place as many members as a pool wants, and which level of the tree lacks members if not.
//!
//! This looks at the tree only, not at which devices are up or in: a pool may be made while a host is down.

use std::collections::BTreeSet;

use crate::{CrushMap, Op, Rule};

/// Why a rule cannot place as many members as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// A choose step finds fewer items than it wants.
    Level {
        /// The type it chooses; 0 is a device.
        kind: i32,
        /// The bucket below which it looks.
        below: i32,
        /// How many it wants there.
        needed: usize,
        /// How many there are that hold a device with weight.
        found: usize,
    },
    /// Every step is satisfied, and the rule's own counts give fewer members.
    Counts {
        /// The most members that the rule gives.
        gives: usize,
    },
}

/// What some steps give: members, and the first level that lacks items.
struct Given {
    members: usize,
    lack: Option<Shortfall>,
}

impl CrushMap {
    /// The items of type `kind` below `item` (itself left out) over which a choose step may spread: those with a
    /// device below them, reached through weights above 0 only. Ascending; ends on any map, cycles included.
    #[must_use]
    pub fn candidates(&self, item: i32, kind: i32) -> Vec<i32> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::from([item]);
        let mut todo = vec![item];
        while let Some(at) = todo.pop() {
            for child in self.weighty_items(at) {
                if self.kind_of(child) == Some(kind) {
                    found.insert(child);
                } else if child < 0 && seen.insert(child) {
                    todo.push(child);
                }
            }
        }
        found.into_iter().filter(|found| *found >= 0 || self.holds_device(*found)).collect()
    }

    /// Why `rule` cannot give `size` different members on this tree; `None` if it can.
    #[must_use]
    pub fn shortfall(&self, rule: &Rule, size: usize) -> Option<Shortfall> {
        let (mut members, mut lack) = (0, None);
        let mut steps = rule.steps.as_slice();
        while let Some(at) = steps.iter().position(|step| step.op == Op::Take) {
            let top = steps[at].arg1;
            steps = &steps[at + 1..];
            let end = steps.iter().position(|step| step.op == Op::Emit).unwrap_or(steps.len());
            let given = self.give(top, &steps[..end], size);
            members += given.members;
            lack = lack.or(given.lack);
            steps = &steps[end..];
        }
        (members < size).then(|| lack.unwrap_or(Shortfall::Counts { gives: members }))
    }

    fn give(&self, item: i32, steps: &[crate::Step], size: usize) -> Given {
        let is_choose = |op| {
            matches!(op, Op::ChooseFirstn | Op::ChooseIndep | Op::ChooseleafFirstn | Op::ChooseleafIndep)
        };
        let Some(at) = steps.iter().position(|step| is_choose(step.op)) else {
            return Given { members: usize::from(item >= 0), lack: None };
        };
        let (step, rest) = (steps[at], &steps[at + 1..]);
        let leaf = matches!(step.op, Op::ChooseleafFirstn | Op::ChooseleafIndep);
        let needed = match usize::try_from(step.arg1) {
            Ok(count) if count > 0 => count,
            _ => size.saturating_sub(step.arg1.unsigned_abs() as usize),
        };
        let candidates = self.candidates(item, step.arg2);
        let found = candidates.len();
        let mut given: Vec<Given> = if leaf {
            candidates.iter().map(|_| Given { members: 1, lack: None }).collect()
        } else {
            candidates.iter().map(|candidate| self.give(*candidate, rest, size)).collect()
        };
        // The best ones: placement takes others in turn, but here it counts what can be had at all.
        given.sort_by_key(|given| std::cmp::Reverse(given.members));
        given.truncate(needed);
        let members = given.iter().map(|given| given.members).sum();
        let here =
            (found < needed).then_some(Shortfall::Level { kind: step.arg2, below: item, needed, found });
        Given { members, lack: here.or_else(|| given.into_iter().find_map(|given| given.lack)) }
    }

    /// What a bucket holds with a weight above 0.
    fn weighty_items(&self, bucket: i32) -> impl Iterator<Item = i32> {
        self.bucket(bucket).into_iter().flat_map(|bucket| {
            let items = bucket.items().iter().enumerate();
            items.filter(|(place, _)| bucket.item_weight(*place) > 0).map(|(_, item)| *item)
        })
    }

    fn holds_device(&self, bucket: i32) -> bool {
        let mut seen = BTreeSet::from([bucket]);
        let mut todo = vec![bucket];
        while let Some(at) = todo.pop() {
            for child in self.weighty_items(at) {
                if child >= 0 {
                    return true;
                }
                if seen.insert(child) {
                    todo.push(child);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, RuleShape, WEIGHT_ONE};

    /// `hosts[d]` hosts of two devices in datacenter `d`.
    fn map(hosts: &[usize]) -> CrushMap {
        let mut map = CrushMap::new_jewel();
        let mut device = 0;
        for (dc, hosts) in hosts.iter().enumerate() {
            for host in 0..*hosts {
                for _ in 0..2 {
                    let (dc, host) = (format!("dc{dc}"), format!("h{dc}{host}"));
                    let at = [("host", host.as_str()), ("datacenter", dc.as_str()), ("root", "default")];
                    map.insert_osd(device, WEIGHT_ONE, &at).expect("a place");
                    device += 1;
                }
            }
        }
        map
    }

    fn shortfall(map: &CrushMap, levels: &[(i32, &str)], size: usize) -> Option<Shortfall> {
        let mut map = map.clone();
        let shape = RuleShape { root: "default", class: None, levels, mode: Mode::Firstn };
        let rule = map.edit(|edit| edit.add_shaped_rule("r", shape)).expect("a rule");
        map.shortfall(map.rule(rule).expect("made"), size)
    }

    #[test]
    fn the_level_that_lacks_members_is_named() {
        let map = map(&[2, 2, 1]);
        let root = map.item_id("default").expect("a root");
        assert_eq!(shortfall(&map, &[(0, "host")], 5), None);
        let level = |kind, below, needed, found| Some(Shortfall::Level { kind, below, needed, found });
        assert_eq!(shortfall(&map, &[(0, "host")], 6), level(1, root, 6, 5));
        assert_eq!(shortfall(&map, &[(0, "osd")], 10), None);
        assert_eq!(shortfall(&map, &[(0, "osd")], 11), level(0, root, 11, 10));
        assert_eq!(shortfall(&map, &[(0, "rack")], 1), level(3, root, 1, 0));
        assert_eq!(shortfall(&map, &[(0, "datacenter")], 3), None);
        // Two hosts in each of three datacenters: the third has one.
        let small = map.item_id("dc2").expect("a datacenter");
        assert_eq!(shortfall(&map, &[(3, "datacenter"), (2, "host")], 6), level(1, small, 2, 1));
        assert_eq!(shortfall(&map, &[(3, "datacenter"), (2, "host")], 5), None);
        assert_eq!(shortfall(&map, &[(4, "datacenter"), (2, "host")], 6), level(8, root, 4, 3));
        assert_eq!(
            shortfall(&map, &[(2, "datacenter"), (1, "host")], 3),
            Some(Shortfall::Counts { gives: 2 })
        );
    }

    #[test]
    fn what_weighs_nothing_does_not_count() {
        let mut map = map(&[1, 1, 1]);
        map.reweight_item(0, 0).expect("weighed");
        assert_eq!(shortfall(&map, &[(0, "osd")], 5), None);
        assert!(shortfall(&map, &[(0, "osd")], 6).is_some());
        map.reweight_item(1, 0).expect("weighed");
        assert!(shortfall(&map, &[(0, "host")], 3).is_some(), "a host without weight");
    }

    #[test]
    fn several_takes_add_up() {
        let text = "device 0 a\ndevice 1 b\ntype 0 osd\ntype 1 host\nhost x { alg straw2 item a weight 1 }\n\
                    host y { alg straw2 item b weight 1 }\nrule r { id 0 type replicated step take x \
                    step choose firstn 1 type osd step emit step take y step choose firstn -1 type osd step emit }";
        let map = CrushMap::compile(text).expect("a map");
        let rule = map.rule(0).expect("a rule");
        assert_eq!(map.shortfall(rule, 2), None);
        let y = map.item_id("y").expect("there");
        let lack = Shortfall::Level { kind: 0, below: y, needed: 2, found: 1 };
        assert_eq!(map.shortfall(rule, 3), Some(lack));
    }
}
