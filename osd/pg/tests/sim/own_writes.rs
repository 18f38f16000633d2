//! What PGs on shards do by themselves, read out of what they put aside for it.

use osd_object::{Mutation, ObjectId, Transaction};
use wire_codec::pg::LogEntry;

/// What a write of the PG's own, letting go of snapshots, does to the object once it is certain: out of what it puts
/// aside for that.
pub(crate) fn own_effects(entry: &LogEntry, prepared: &Transaction) -> Vec<Mutation> {
    let head = &entry.object;
    let aside = format!("{}.{}", entry.version.interval, entry.version.seq);
    let clone = |snap: &_| Mutation::Remove { object: ObjectId { snap: *snap, ..head.clone() } };
    let mut effects: Vec<Mutation> = entry.clones.iter().map(clone).collect();
    for mutation in prepared.mutations.iter().filter(|m| m.object().name.name == aside) {
        let object = head.clone();
        effects.extend(match mutation {
            Mutation::SetXattr { name, .. } if name == "\0gone" => Some(Mutation::Remove { object }),
            Mutation::SetXattr { name, value, .. } if name == "\0snapset" => {
                Some(Mutation::SetXattr { object, name: name.clone(), value: value.clone() })
            }
            Mutation::Stamp { version, mtime, .. } => {
                Some(Mutation::Stamp { object, version: *version, mtime: *mtime })
            }
            _ => None,
        });
    }
    effects
}
