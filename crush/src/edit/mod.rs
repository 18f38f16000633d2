//! Changing a map. Everything in one [`CrushMap::edit`] happens, or nothing does.

mod bucket_items;
mod rules;
mod settings;
mod shadows;
mod tree_changes;

pub use rules::RuleShape;

use crate::{Alg, CrushMap, Error, Mode, Rule};

/// A change under way. Shadow trees and `max_devices` follow when it ends.
///
/// Results are what Ceph's tools give for the same change, ids and order of items included (tests/live_edit.rs), but
/// for `choose_args`: here a weight set gets a new item's weight, and a bucket counts above as the sum of its own set;
/// Ceph also invents sets for ancestors that have none, and gives a moved bucket no weight in them.
#[derive(Debug)]
pub struct Edit<'a> {
    pub(crate) map: &'a mut CrushMap,
}

impl CrushMap {
    /// Runs `change` on a copy and takes the copy if it succeeds. Many verbs in one edit are far cheaper than many
    /// edits: the device class shadow trees are rebuilt once, at the end.
    ///
    /// # Errors
    /// Those of `change`, or a weight that overflows in a shadow tree; the map is then as before.
    pub fn edit<R, E: From<Error>>(
        &mut self,
        change: impl FnOnce(&mut Edit<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut next = self.clone();
        let result = change(&mut Edit { map: &mut next })?;
        next.rebuild_shadows()?;
        next.finalize();
        *self = next;
        Ok(result)
    }

    /// One-verb edit: see [`Edit::add_bucket`].
    ///
    /// # Errors
    /// As there.
    pub fn add_bucket(&mut self, kind: &str, alg: Alg, name: &str) -> Result<i32, Error> {
        self.edit(|edit| edit.add_bucket(kind, alg, name))
    }

    /// One-verb edit: see [`Edit::insert_osd`].
    ///
    /// # Errors
    /// As there.
    pub fn insert_osd(&mut self, id: i32, weight: u32, location: &[(&str, &str)]) -> Result<(), Error> {
        self.edit(|edit| edit.insert_osd(id, weight, location))
    }

    /// One-verb edit: see [`Edit::move_item`].
    ///
    /// # Errors
    /// As there.
    pub fn move_bucket(&mut self, id: i32, location: &[(&str, &str)]) -> Result<(), Error> {
        self.edit(|edit| edit.move_item(id, location))
    }

    /// One-verb edit: see [`Edit::reweight_item`].
    ///
    /// # Errors
    /// As there.
    pub fn reweight_item(&mut self, id: i32, weight: u32) -> Result<(), Error> {
        self.edit(|edit| edit.reweight_item(id, weight))
    }

    /// One-verb edit: see [`Edit::remove_item`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_item(&mut self, id: i32) -> Result<(), Error> {
        self.edit(|edit| edit.remove_item(id))
    }

    /// One-verb edit: see [`Edit::set_device_class`].
    ///
    /// # Errors
    /// As there.
    pub fn set_device_class(&mut self, id: i32, class: Option<&str>) -> Result<(), Error> {
        self.edit(|edit| edit.set_device_class(id, class))
    }

    /// One-verb edit: see [`Edit::add_simple_rule`].
    ///
    /// # Errors
    /// As there.
    pub fn add_simple_rule(
        &mut self,
        name: &str,
        root: &str,
        failure_domain: &str,
        class: Option<&str>,
        mode: Mode,
    ) -> Result<u32, Error> {
        self.edit(|edit| edit.add_simple_rule(name, root, failure_domain, class, mode))
    }

    /// One-verb edit: see [`Edit::add_rule`].
    ///
    /// # Errors
    /// As there.
    pub fn add_rule(&mut self, name: &str, rule: Rule) -> Result<u32, Error> {
        self.edit(|edit| edit.add_rule(name, rule))
    }

    /// One-verb edit: see [`Edit::remove_rule`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_rule(&mut self, id: u32) -> Result<(), Error> {
        self.edit(|edit| edit.remove_rule(id))
    }
}

/// Whether Ceph takes this as the name of an item, type, class or rule.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if is_valid_name(name) { Ok(()) } else { Err(Error::BadName(name.to_owned())) }
}
