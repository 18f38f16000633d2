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
    changes: [Changes; GROUPS],
}

/// Changes of a group of objects.
#[derive(Clone, Copy, Default)]
struct Changes {
    begun: u64,
    under_way: u64,
}

/// When somebody began to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    begun: u64,
    /// No change was under way: one that was may be carried out after the look, for nothing keeps reads behind writes.
    quiet: bool,
}

impl Absent {
    /// `trusted`: nobody else makes objects.
    pub(crate) fn new(trusted: bool) -> Absent {
        Absent(Mutex::new(Known { trusted, objects: HashSet::new(), changes: [Changes::default(); GROUPS] }))
    }
    /// Nobody else makes objects from here on.
    pub(crate) fn trust(&self) {
        self.known().trusted = true;
    }
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// True: it does not exist. Otherwise what `found` has to be told.
    pub(crate) fn holds(&self, object: u64) -> Result<(), Look> {
        let known = self.known();
        match known.objects.contains(&object) {
            true => Ok(()),
            false => {
                let changes = known.changes[object as usize % GROUPS];
                Err(Look { begun: changes.begun, quiet: changes.under_way == 0 })
            }
        }
    }
    /// It did not exist when somebody looked: what was under way then, or was begun since, may make it.
    pub(crate) fn found(&self, object: u64, look: Look) {
        let mut known = self.known();
        if !known.trusted || !look.quiet || known.changes[object as usize % GROUPS].begun != look.begun {
            return;
        }
        if known.objects.len() >= OBJECTS_MAX {
            known.objects.clear();
        }
        known.objects.insert(object);
    }
    /// A change of it begins, which ends with what this gives.
    pub(crate) fn change(&self, object: u64) -> Change<'_> {
        let mut known = self.known();
        let changes = &mut known.changes[object as usize % GROUPS];
        changes.begun += 1;
        changes.under_way += 1;
        known.objects.remove(&object);
        Change { absent: self, object }
    }
}

/// A change that is under way.
pub(crate) struct Change<'a> {
    absent: &'a Absent,
    object: u64,
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.absent.known().changes[self.object as usize % GROUPS].under_way -= 1;
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
        drop(absent.change(7));
        let seen = absent.holds(7).unwrap_err();
        // A look that a change begins in, and ends.
        drop(absent.change(7));
        absent.found(7, seen);
        assert!(absent.holds(7).is_err());
        // One that begins within a change.
        let change = absent.change(7);
        let seen = absent.holds(7).unwrap_err();
        absent.found(7, seen);
        assert!(absent.holds(7).is_err());
        drop(change);
        absent.found(7, seen);
        assert!(absent.holds(7).is_err());
    }

    #[test]
    fn nothing_is_remembered_while_others_may_write_and_never_too_much() {
        let absent = Absent::new(false);
        let look = absent.holds(7).unwrap_err();
        absent.found(7, look);
        assert!(absent.holds(7).is_err());
        absent.trust();
        (0..3 * OBJECTS_MAX as u64).for_each(|object| absent.found(object, look));
        assert!(absent.known().objects.len() <= OBJECTS_MAX);
    }
}
