//! Devices and buckets: add, place, move, weigh, remove, classify.

use super::{Edit, check_name};
use crate::{Alg, Bucket, DEVICES_MAX, Error, Op};

impl Edit<'_> {
    /// The map as it is so far; shadow trees may lag behind.
    #[must_use]
    pub fn map(&self) -> &crate::CrushMap {
        self.map
    }

    /// Defines a type, or renames one.
    ///
    /// # Errors
    /// A bad or taken name.
    pub fn set_type(&mut self, number: u16, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.map.type_id(name).is_some_and(|other| other != i32::from(number)) {
            return Err(Error::NameTaken(name.to_owned()));
        }
        self.map.types.set(i32::from(number), name);
        Ok(())
    }

    /// Adds an empty bucket that stands in no other yet, and returns its id.
    ///
    /// # Errors
    /// An unknown type, `osd` as the type, a bad or taken name.
    pub fn add_bucket(&mut self, kind: &str, alg: Alg, name: &str) -> Result<i32, Error> {
        check_name(name)?;
        let number = self.map.type_id(kind).ok_or_else(|| Error::NoSuchType(kind.to_owned()))?;
        if self.map.item_id(name).is_some() {
            return Err(Error::NameTaken(name.to_owned()));
        }
        let id = self.map.free_bucket_id();
        let number = match u16::try_from(number) {
            Ok(number) if number > 0 => number,
            _ => return Err(Error::BadType { bucket: id, kind: number }),
        };
        self.map.store_bucket(Bucket::empty(id, number, alg))?;
        self.map.names.set(id, name);
        Ok(id)
    }

    /// Puts device `id` (named `osd.ID`) of `weight` (16.16, 1.0 is one TiB by custom) at a location: pairs of
    /// type and bucket name in any order, `[("host", "h1"), ("root", "default")]`. Missing buckets are made
    /// ([`Tunables::default_alg`](crate::Tunables::default_alg)), from the host up, and linked until the first that exists; weights above follow.
    ///
    /// # Errors
    /// A device that is in a bucket already, a bucket of another type than the location says, overflow.
    pub fn insert_osd(&mut self, id: i32, weight: u32, location: &[(&str, &str)]) -> Result<(), Error> {
        if !(0..DEVICES_MAX).contains(&id) {
            return Err(Error::BadDevice(id));
        }
        if let Some(bucket) = self.map.parent_of(id) {
            return Err(Error::AlreadyThere { bucket, item: id });
        }
        let name = format!("osd.{id}");
        if self.map.item_id(&name).is_some_and(|other| other != id) {
            return Err(Error::NameTaken(name));
        }
        self.link(id, weight, location)?;
        self.map.names.set(id, &name);
        Ok(())
    }

    /// Moves a device or a bucket with all below it to another location (see [`Edit::insert_osd`]). Where the nearest
    /// bucket of the location holds it already, nothing changes.
    ///
    /// # Errors
    /// An unknown item, a location below the item itself, a bucket of another type than the location says.
    pub fn move_item(&mut self, id: i32, location: &[(&str, &str)]) -> Result<(), Error> {
        if id < 0 && self.map.bucket(id).is_none() || self.map.is_shadow(id) {
            return Err(Error::NoSuchItem(id));
        }
        let weight = self.map.item_weight(id).ok_or(Error::NoSuchItem(id))?;
        if self.is_at(id, location) {
            return Ok(());
        }
        self.unlink(id)?;
        self.link(id, weight, location)
    }

    /// Gives a device another weight (16.16) wherever it stands. For a bucket, every device below gets it.
    ///
    /// # Errors
    /// An unknown item, overflow above.
    pub fn reweight_item(&mut self, id: i32, weight: u32) -> Result<(), Error> {
        let devices = if id < 0 { self.map.devices_under(id) } else { vec![id] };
        if id < 0 && self.map.bucket(id).is_none() {
            return Err(Error::NoSuchItem(id));
        }
        for device in devices {
            let holders = self.holders(device);
            if holders.is_empty() {
                return Err(Error::NoSuchItem(device));
            }
            for bucket in holders {
                self.map.weigh_item(bucket, device, weight)?;
            }
        }
        Ok(())
    }

    /// Removes a device, or a bucket that is empty and that no rule takes.
    ///
    /// # Errors
    /// An unknown item, a bucket with items, a bucket that a rule takes.
    pub fn remove_item(&mut self, id: i32) -> Result<(), Error> {
        if self.map.item_name(id).is_none() && self.map.bucket(id).is_none() || self.map.is_shadow(id) {
            return Err(Error::NoSuchItem(id));
        }
        if id < 0 {
            if self.map.bucket(id).is_some_and(|bucket| !bucket.items.is_empty()) {
                return Err(Error::NotEmpty(id));
            }
            let shadows: Vec<i32> =
                self.map.shadows.get(&id).into_iter().flat_map(|of| of.values().copied()).collect();
            for (rule, body) in self.map.rules() {
                let takes = |item: i32| body.steps.iter().any(|s| s.op == Op::Take && s.arg1 == item);
                if takes(id) || shadows.iter().any(|shadow| takes(*shadow)) {
                    return Err(Error::InUse { item: id, rule });
                }
            }
        }
        self.unlink(id)?;
        if let Some(place) = crate::map::slot(id).and_then(|place| self.map.buckets.get_mut(place)) {
            *place = None;
            self.map.choose_args.values_mut().for_each(|set| drop(set.remove(&id)));
        }
        self.map.names.remove(id);
        self.map.class_of.remove(&id);
        Ok(())
    }

    /// Renames a bucket.
    ///
    /// # Errors
    /// An unknown bucket, a bad or taken name.
    pub fn rename_bucket(&mut self, id: i32, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.map.bucket(id).is_none() || self.map.is_shadow(id) {
            return Err(Error::NoSuchItem(id));
        }
        if self.map.item_id(name).is_some() {
            return Err(Error::NameTaken(name.to_owned()));
        }
        self.map.names.set(id, name);
        Ok(())
    }

    /// Gives a device a class (`ssd`, `hdd`, `nvme`, any name), or takes it away.
    ///
    /// # Errors
    /// A device without a name, a bad class name.
    pub fn set_device_class(&mut self, id: i32, class: Option<&str>) -> Result<(), Error> {
        if id < 0 || self.map.item_name(id).is_none() {
            return Err(Error::NoSuchItem(id));
        }
        match class {
            Some(class) => {
                check_name(class)?;
                let number = self.map.class_number(class);
                self.map.class_of.insert(id, number);
            }
            None => drop(self.map.class_of.remove(&id)),
        }
        Ok(())
    }

    /// Whether the nearest level of a location holds an item already.
    fn is_at(&self, item: i32, location: &[(&str, &str)]) -> bool {
        let levels = location.iter().filter_map(|(kind, name)| Some((self.map.type_id(kind)?, name)));
        let nearest = levels.min_by_key(|level| level.0).and_then(|(_, name)| self.map.item_id(name));
        nearest.and_then(|id| self.map.bucket(id)).is_some_and(|bucket| bucket.position(item).is_some())
    }

    /// The buckets that hold an item, shadows left out.
    fn holders(&self, item: i32) -> Vec<i32> {
        self.map
            .buckets()
            .filter(|bucket| bucket.items.contains(&item) && !self.map.is_shadow(bucket.id))
            .map(Bucket::id)
            .collect()
    }

    fn unlink(&mut self, item: i32) -> Result<(), Error> {
        for bucket in self.holders(item) {
            self.map.drop_item(bucket, item)?;
        }
        Ok(())
    }

    /// Hangs an item below the nearest level of a location.
    fn link(&mut self, item: i32, weight: u32, location: &[(&str, &str)]) -> Result<(), Error> {
        let mut levels = Vec::with_capacity(location.len());
        for (kind, name) in location {
            let number = self.map.type_id(kind).ok_or_else(|| Error::NoSuchType((*kind).to_owned()))?;
            levels.push((number, *kind, *name));
        }
        levels.sort_by_key(|level| level.0);
        let mut at = item;
        for (number, kind, name) in levels {
            let own = self.map.kind_of(at).ok_or(Error::NoSuchItem(at))?;
            if number <= own {
                return Err(Error::TypeOrder { bucket: self.map.item_id(name).unwrap_or(0), item: at });
            }
            let found = self.map.item_id(name);
            let bucket = match found {
                Some(bucket) => {
                    let is = self.map.kind_of(bucket).ok_or(Error::NoSuchItem(bucket))?;
                    if is != number {
                        return Err(Error::WrongType {
                            bucket: name.to_owned(),
                            is: self.map.type_name(is).unwrap_or("bucket of no type").to_owned(),
                            wanted: kind.to_owned(),
                        });
                    }
                    if self.map.under(item).contains(&bucket) {
                        return Err(Error::Cycle { bucket });
                    }
                    bucket
                }
                None => self.add_bucket(kind, self.map.tunables.default_alg(), name)?,
            };
            let carried = if at == item { weight } else { self.map.item_weight(at).unwrap_or(0) };
            self.map.push_item(bucket, at, carried)?;
            if found.is_some() {
                return Ok(());
            }
            at = bucket;
        }
        if at == item { Err(Error::EmptyLocation { item }) } else { Ok(()) }
    }
}
