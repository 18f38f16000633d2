//! A two-way table of ids and names.

use std::collections::BTreeMap;

/// Ids to names, and back. Where two ids share a name (a damaged map), the larger id answers to it, as in Ceph,
/// which builds its reverse table in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    by_id: BTreeMap<i32, String>,
    by_name: BTreeMap<String, i32>,
}

impl Names {
    pub(crate) fn set(&mut self, id: i32, name: &str) {
        self.remove(id);
        self.by_id.insert(id, name.to_owned());
        let owner = self.by_name.entry(name.to_owned()).or_insert(id);
        *owner = (*owner).max(id);
    }

    pub(crate) fn remove(&mut self, id: i32) {
        let Some(name) = self.by_id.remove(&id) else { return };
        if self.by_name.get(&name) == Some(&id) {
            self.by_name.remove(&name);
            let heir = self.by_id.iter().rev().find(|(_, other)| **other == name);
            if let Some((heir, _)) = heir {
                self.by_name.insert(name, *heir);
            }
        }
    }

    pub(crate) fn name(&self, id: i32) -> Option<&str> {
        self.by_id.get(&id).map(String::as_str)
    }

    pub(crate) fn id(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (i32, &str)> {
        self.by_id.iter().map(|(id, name)| (*id, name.as_str()))
    }
}
