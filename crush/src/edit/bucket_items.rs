//! The items of one bucket: add, remove, weigh; and the sums above that follow.

use crate::map::slot;
use crate::{Alg, BUCKETS_MAX, Bucket, CrushMap, Error};

impl CrushMap {
    /// The lowest free bucket id. Shadow buckets occupy theirs.
    pub(crate) fn free_bucket_id(&self) -> i32 {
        let free = self.buckets.iter().position(Option::is_none).unwrap_or(self.buckets.len());
        -1 - free as i32
    }

    /// Stores a bucket under its id; the array doubles from 8 as Ceph's does, because its length is written out.
    pub(crate) fn store_bucket(&mut self, bucket: Bucket) -> Result<(), Error> {
        let place = slot(bucket.id).ok_or(Error::NoSuchItem(bucket.id))?;
        if place >= BUCKETS_MAX {
            return Err(Error::TooManyBuckets);
        }
        while place >= self.buckets.len() {
            self.buckets.resize((self.buckets.len() * 2).max(8), None);
        }
        let free = &mut self.buckets[place];
        if free.is_some() {
            return Err(Error::IdTaken(bucket.id));
        }
        *free = Some(Box::new(bucket));
        Ok(())
    }

    /// Replaces a bucket's items and weights, keeping what else it is. `subject` is named by an error.
    fn refill(&mut self, id: i32, items: Vec<i32>, weights: Vec<u32>, subject: i32) -> Result<(), Error> {
        let version = self.tunables.straw_calc_version;
        let old = self.bucket(id).ok_or(Error::NoSuchItem(id))?;
        let (kind, alg, hash) = (old.kind, old.alg(), old.hash);
        let mut new =
            Bucket::filled(id, kind, alg, items, weights, version).map_err(|error| match error {
                Error::WeightOverflow { bucket, .. } => Error::WeightOverflow { bucket, item: subject },
                other => other,
            })?;
        new.hash = hash;
        if let Some(place) = slot(id).and_then(|place| self.buckets.get_mut(place)) {
            *place = Some(Box::new(new));
        }
        Ok(())
    }

    /// Appends an item; weight sets get the same weight, id lists the item's own id.
    pub(crate) fn push_item(&mut self, bucket: i32, item: i32, weight: u32) -> Result<(), Error> {
        let old = self.bucket(bucket).ok_or(Error::NoSuchItem(bucket))?;
        if old.position(item).is_some() {
            return Err(Error::AlreadyThere { bucket, item });
        }
        if old.alg() == Alg::Uniform && !old.items.is_empty() && old.item_weight(0) != weight {
            return Err(Error::UnequalWeight { bucket, item });
        }
        let (mut items, mut weights) = (old.items.clone(), old.item_weights());
        items.push(item);
        weights.push(weight);
        self.refill(bucket, items, weights, item)?;
        for set in self.choose_args.values_mut() {
            let Some(arg) = set.get_mut(&bucket) else { continue };
            arg.weight_set.iter_mut().for_each(|weights| weights.push(weight));
            if !arg.ids.is_empty() {
                arg.ids.push(item);
            }
        }
        self.lift_weight(bucket)
    }

    /// Takes an item out of a bucket.
    pub(crate) fn drop_item(&mut self, bucket: i32, item: i32) -> Result<(), Error> {
        let old = self.bucket(bucket).ok_or(Error::NoSuchItem(bucket))?;
        let place = old.position(item).ok_or(Error::NoSuchItem(item))?;
        let (mut items, mut weights) = (old.items.clone(), old.item_weights());
        items.remove(place);
        weights.remove(place);
        self.refill(bucket, items, weights, item)?;
        for set in self.choose_args.values_mut() {
            let Some(arg) = set.get_mut(&bucket) else { continue };
            for weights in arg.weight_set.iter_mut().filter(|weights| place < weights.len()) {
                weights.remove(place);
            }
            if place < arg.ids.len() {
                arg.ids.remove(place);
            }
        }
        self.lift_weight(bucket)
    }

    /// Weighs an item in one bucket (in a uniform bucket: every item) and in its weight sets, then the sums above.
    pub(crate) fn weigh_item(&mut self, bucket: i32, item: i32, weight: u32) -> Result<(), Error> {
        let old = self.bucket(bucket).ok_or(Error::NoSuchItem(bucket))?;
        let place = old.position(item).ok_or(Error::NoSuchItem(item))?;
        let (items, mut weights) = (old.items.clone(), old.item_weights());
        weights[place] = weight;
        if old.alg() == Alg::Uniform {
            weights.fill(weight);
        }
        self.refill(bucket, items, weights, item)?;
        for set in self.choose_args.values_mut() {
            // A bucket with a set of its own counts as the sum of that; anything else as its weight.
            let below: Vec<u32> = set
                .get(&item)
                .map(|arg| {
                    arg.weight_set
                        .iter()
                        .map(|row| row.iter().fold(0, |a: u32, b| a.saturating_add(*b)))
                        .collect()
                })
                .unwrap_or_default();
            let Some(arg) = set.get_mut(&bucket) else { continue };
            for (position, row) in arg.weight_set.iter_mut().enumerate() {
                if let Some(cell) = row.get_mut(place) {
                    *cell = below.get(position).or(below.last()).copied().unwrap_or(weight);
                }
            }
        }
        self.lift_weight(bucket)
    }

    /// Carries a bucket's new total to every bucket that holds it.
    fn lift_weight(&mut self, bucket: i32) -> Result<(), Error> {
        let weight = self.bucket(bucket).ok_or(Error::NoSuchItem(bucket))?.weight;
        // Shadow trees are made anew at the end of the edit.
        let parents: Vec<i32> = self
            .buckets()
            .filter(|parent| parent.items.contains(&bucket) && !self.is_shadow(parent.id))
            .map(Bucket::id)
            .collect();
        for parent in parents {
            self.weigh_item(parent, bucket, weight)?;
        }
        Ok(())
    }
}
