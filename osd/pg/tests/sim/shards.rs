//! What the shards of an erasure-coded pool should hold: computed from the objects, by another way than the
//! machine's. The world simulator (`tests/sim`) has this file too.

use bytes::Bytes;
use erasure::Code;
use osd_object::model::{Model, ModelObject};
use placement_map::EcProfile;

/// A pool's code.
pub(crate) struct Coding {
    code: Code,
    unit: usize,
}

impl Coding {
    /// Of a pool with this profile.
    pub(crate) fn of(profile: &EcProfile) -> Coding {
        Coding { code: Code::new(profile.code()), unit: profile.stripe_unit() as usize }
    }

    /// All objects as this shard of them is stored.
    pub(crate) fn shard_of_all(&self, objects: &Model, shard: u8) -> Model {
        let one = |o: &ModelObject| {
            let data = self.shard_of(&o.data, usize::from(shard));
            let mut stored = ModelObject { data, ..o.clone() };
            stored.meta.size = stored.data.len() as u64;
            let mut tag = vec![1, 1];
            tag.extend(9u32.to_le_bytes());
            tag.extend(o.meta.size.to_le_bytes());
            tag.push(shard);
            stored.xattrs.insert("\0ec".into(), Bytes::from(tag));
            stored
        };
        Model { objects: objects.objects.iter().map(|(id, o)| (id.clone(), one(o))).collect() }
    }

    /// Stripe by stripe, each chunk by itself.
    fn shard_of(&self, object: &[u8], shard: usize) -> Vec<u8> {
        let k = self.code.profile().k();
        let mut out = Vec::new();
        for stripe in object.chunks(k * self.unit) {
            let mut padded = stripe.to_vec();
            padded.resize(k * self.unit, 0);
            let data: Vec<&[u8]> = padded.chunks(self.unit).collect();
            let places = self.code.coding_positions();
            let mut parity = vec![vec![0; self.unit]; places.len()];
            let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut chunk[..]).collect();
            self.code.encode(&data, &mut outputs).expect("chunks that fit");
            match places.iter().position(|p| *p == shard) {
                Some(index) => out.extend_from_slice(&parity[index]),
                None => {
                    let index = self.code.data_positions().iter().position(|p| *p == shard);
                    out.extend_from_slice(data[index.expect("data or parity")]);
                }
            }
        }
        out
    }
}
