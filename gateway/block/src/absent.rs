//! Which objects of an open image are known not to exist, so that reading through a chain of clones does not ask each
//! of them again and again.
//!
//! Known for certain only where nobody else can make one: by the holder of the image's lock, and of a parent's snapshot,
//! which never changes.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Objects that are remembered: about 1 MiB. Beyond, all are forgotten.
const OBJECTS_MAX: usize = 1 << 16;
/// Changes are counted by so many groups of objects.
const GROUPS: usize = 64;

/// The knowledge of one open image.
pub(crate) struct Absent(Mutex<Known>);

struct Known {
    trusted: bool,
    objects: HashSet<u64>,
    changes: [u64; GROUPS],
}

impl Absent {
    /// `trusted`: nobody else makes objects.
    pub(crate) fn new(trusted: bool) -> Absent {
        Absent(Mutex::new(Known { trusted, objects: HashSet::new(), changes: [0; GROUPS] }))
    }
    /// Nobody else makes objects from here on.
    pub(crate) fn trust(&self) {
        self.known().trusted = true;
    }
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// True: it does not exist. Otherwise how many changes were begun, for `found`.
    pub(crate) fn holds(&self, object: u64) -> Result<(), u64> {
        let known = self.known();
        match known.objects.contains(&object) {
            true => Ok(()),
            false => Err(known.changes[object as usize % GROUPS]),
        }
    }
    /// It did not exist when somebody looked who had been given `changes`: what was begun since may make it.
    pub(crate) fn found(&self, object: u64, changes: u64) {
        let mut known = self.known();
        if !known.trusted || known.changes[object as usize % GROUPS] != changes {
            return;
        }
        if known.objects.len() >= OBJECTS_MAX {
            known.objects.clear();
        }
        known.objects.insert(object);
    }
    /// A change of it begins.
    pub(crate) fn change(&self, object: u64) {
        let mut known = self.known();
        known.changes[object as usize % GROUPS] += 1;
        known.objects.remove(&object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_may_have_made_is_not_remembered_as_absent() {
        let absent = Absent::new(true);
        let seen = absent.holds(7).unwrap_err();
        absent.found(7, seen);
        assert!(absent.holds(7).is_ok() && absent.holds(8).is_err());
        absent.change(7);
        let seen = absent.holds(7).unwrap_err();
        // A look that overlaps a change.
        absent.change(7);
        absent.found(7, seen);
        assert!(absent.holds(7).is_err());
    }

    #[test]
    fn nothing_is_remembered_while_others_may_write_and_never_too_much() {
        let absent = Absent::new(false);
        absent.found(7, 0);
        assert!(absent.holds(7).is_err());
        absent.trust();
        (0..3 * OBJECTS_MAX as u64).for_each(|object| absent.found(object, 0));
        assert!(absent.known().objects.len() <= OBJECTS_MAX);
    }
}
