//! Map to bytes.

use super::MAGIC;
use crate::bucket::Draw;
use crate::map::slot;
use crate::names::Names;
use crate::{Bucket, ChooseArgs, CrushMap, Rule};

/// Bytes under construction.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend(value.to_le_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    /// A number of entries; no map in memory has 2^32 of anything.
    fn count(&mut self, count: usize) {
        assert!(u32::try_from(count).is_ok(), "{count} entries do not fit the format");
        self.u32(count as u32);
    }

    fn names(&mut self, names: &Names) {
        self.count(names.iter().len());
        for (id, name) in names.iter() {
            self.i32(id);
            self.count(name.len());
            self.0.extend(name.as_bytes());
        }
    }

    /// The same for the tables in which a zero length means that the true one follows ([`super::reader`]): an empty
    /// name, which only a damaged map has, is written so, or nobody could read the rest.
    fn old_names(&mut self, names: &Names) {
        self.count(names.iter().len());
        for (id, name) in names.iter() {
            self.i32(id);
            if name.is_empty() {
                self.u32(0);
            }
            self.count(name.len());
            self.0.extend(name.as_bytes());
        }
    }

    fn bucket(&mut self, bucket: &Bucket) {
        let alg = bucket.alg() as u8;
        self.u32(alg.into());
        self.i32(bucket.id);
        self.u16(bucket.kind);
        self.u8(alg);
        self.u8(bucket.hash);
        self.u32(bucket.weight);
        self.count(bucket.items.len());
        bucket.items.iter().for_each(|item| self.i32(*item));
        match &bucket.draw {
            Draw::Uniform { item_weight } => self.u32(*item_weight),
            Draw::List { weights: first, sums: second } | Draw::Straw { weights: first, straws: second } => {
                for (first, second) in first.iter().zip(second) {
                    self.u32(*first);
                    self.u32(*second);
                }
            }
            Draw::Tree { nodes } => {
                self.u8(nodes.len() as u8); // at most 128: `tree::ITEMS_MAX`, and the decoder's one byte
                nodes.iter().for_each(|weight| self.u32(*weight));
            }
            Draw::Straw2 { weights } => weights.iter().for_each(|weight| self.u32(*weight)),
        }
    }

    fn rule(&mut self, rule: &Rule) {
        self.u32(1);
        self.count(rule.steps.len());
        for byte in [rule.ruleset, rule.kind, rule.min_size, rule.max_size] {
            self.u8(byte);
        }
        for step in &rule.steps {
            self.u32(step.op.number());
            self.i32(step.arg1);
            self.i32(step.arg2);
        }
    }

    fn choose_args(&mut self, number: i64, set: &ChooseArgs) {
        self.i64(number);
        self.count(set.values().filter(|arg| !arg.is_empty()).count());
        // By slot, which is by falling id.
        for (bucket, arg) in set.iter().rev().filter(|(_, arg)| !arg.is_empty()) {
            self.count(slot(*bucket).unwrap_or_default());
            self.count(arg.weight_set.len());
            for row in &arg.weight_set {
                self.count(row.len());
                row.iter().for_each(|weight| self.u32(*weight));
            }
            self.count(arg.ids.len());
            arg.ids.iter().for_each(|id| self.i32(*id));
        }
    }
}

impl CrushMap {
    /// The binary form, byte for byte what Ceph 16.2 writes for the same map.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(MAGIC);
        out.count(self.buckets.len());
        out.count(self.rules.len());
        out.i32(self.max_devices);
        for bucket in &self.buckets {
            match bucket {
                Some(bucket) => out.bucket(bucket),
                None => out.u32(0),
            }
        }
        for rule in &self.rules {
            match rule {
                Some(rule) => out.rule(rule),
                None => out.u32(0),
            }
        }
        out.old_names(&self.types);
        out.old_names(&self.names);
        out.old_names(&self.rule_names);
        let tunables = &self.tunables;
        out.u32(tunables.choose_local_tries);
        out.u32(tunables.choose_local_fallback_tries);
        out.u32(tunables.choose_total_tries);
        out.u32(tunables.chooseleaf_descend_once);
        out.u8(tunables.chooseleaf_vary_r);
        out.u8(tunables.straw_calc_version);
        out.u32(tunables.allowed_bucket_algs);
        out.u8(tunables.chooseleaf_stable);
        out.count(self.class_of.len());
        for (item, class) in &self.class_of {
            out.i32(*item);
            out.i32(*class);
        }
        out.names(&self.classes);
        out.count(self.shadows.len());
        for (bucket, of) in &self.shadows {
            out.i32(*bucket);
            out.count(of.len());
            for (class, shadow) in of {
                out.i32(*class);
                out.i32(*shadow);
            }
        }
        out.count(self.choose_args.len());
        for (number, set) in &self.choose_args {
            out.choose_args(*number, set);
        }
        if tunables.msr_descents.is_some() || tunables.msr_collision_tries.is_some() {
            out.u32(tunables.msr_descents.unwrap_or(MSR_DESCENTS));
            out.u32(tunables.msr_collision_tries.unwrap_or(MSR_COLLISION_TRIES));
        }
        out.0.extend(&self.unknown_tail);
        out.0
    }
}

/// Ceph squid's default, for a map that names only the other of the two.
const MSR_DESCENTS: u32 = 100;
/// See [`MSR_DESCENTS`].
const MSR_COLLISION_TRIES: u32 = 100;
