//! From an object's name to its placement hash.

/// Separates a namespace from the name in what is hashed.
const NAMESPACE_END: u8 = 0x1f;

/// How a pool hashes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectHash {
    /// What pools have by default, and all that are made here.
    Rjenkins,
    /// The Linux kernel's hash of file names; a choice of very old clusters.
    Linux,
}

impl ObjectHash {
    /// Ceph's number of it.
    pub fn number(self) -> u8 {
        match self {
            ObjectHash::Linux => 1,
            ObjectHash::Rjenkins => 2,
        }
    }

    /// The hash of Ceph's number.
    pub fn from_number(number: u8) -> Option<ObjectHash> {
        [ObjectHash::Linux, ObjectHash::Rjenkins].into_iter().find(|hash| hash.number() == number)
    }

    /// The placement hash of an object: over `namespace 0x1f key`, where the key is the locator key if there is one,
    /// else the name; without a namespace only the key (Ceph's `pg_pool_t::hash_key`).
    pub fn of(self, namespace: &str, locator: &str, name: &str) -> u32 {
        let key = if locator.is_empty() { name } else { locator };
        if namespace.is_empty() {
            return self.of_bytes(key.as_bytes());
        }
        let mut text = Vec::with_capacity(namespace.len() + 1 + key.len());
        text.extend_from_slice(namespace.as_bytes());
        text.push(NAMESPACE_END);
        text.extend_from_slice(key.as_bytes());
        self.of_bytes(&text)
    }

    fn of_bytes(self, text: &[u8]) -> u32 {
        match self {
            ObjectHash::Rjenkins => crush::hash::str_hash_rjenkins(text),
            // Each byte once shifted up and once down, times eleven (`partial_name_hash` in Linux's dcache.h).
            ObjectHash::Linux => text.iter().fold(0u32, |hash, byte| {
                let byte = u32::from(*byte);
                hash.wrapping_add(byte << 4).wrapping_add(byte >> 4).wrapping_mul(11)
            }),
        }
    }
}

/// The placement hash of an object in a pool with the default hash; see [`ObjectHash::of`].
pub fn object_hash(namespace: &str, locator: &str, name: &str) -> u32 {
    ObjectHash::Rjenkins.of(namespace, locator, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by a live Ceph 16.2.15 monitor (`osd map`); see tests/vectors/PROVENANCE.
    #[test]
    fn names_hash_as_a_live_monitor_says() {
        let mut seen = 0;
        for line in include_str!("../tests/vectors/live.rawhash.tsv").lines().filter(|l| !l.starts_with('#'))
        {
            let columns: Vec<&str> = line.split('\t').collect();
            let raw = columns[2].split_once('.').expect("pool.hash").1;
            assert_eq!(format!("{:x}", object_hash(columns[1], "", columns[0])), raw, "{line}");
            assert_eq!(object_hash(columns[1], columns[0], "other"), object_hash(columns[1], "", columns[0]));
            seen += 1;
        }
        assert!(seen > 100, "the vectors are there");
    }

    /// Printed by osdmaptool 16.2.15 (`--test-map-object`) for a pool with that hash and 2^31 - 1 PGs, so that all but
    /// the top bit show.
    #[test]
    fn linux_names_hash_as_osdmaptool_says() {
        for (name, low) in [
            ("a", 0x42f2),
            ("foo", 0x24_db2a),
            ("rbd_data.1f.0000000000000003", 0x5fc_2f46),
            ("a name with spaces and more than twelve bytes", 0x496d_7259),
            ("\u{fc}", 0x6_4a15),
        ] {
            assert_eq!(ObjectHash::Linux.of("", "", name) & 0x7fff_ffff, low, "{name}");
        }
        assert_eq!(ObjectHash::from_number(1), Some(ObjectHash::Linux));
        assert_eq!(ObjectHash::from_number(3), None);
    }
}
