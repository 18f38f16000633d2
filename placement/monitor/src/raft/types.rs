//! The types that openraft is built over. A log entry is a batch of commands; ours are in `stdx::codec`, openraft's
//! own in postcard around them.

use openraft::{BasicNode, TokioRuntime};
use placement_map::{Command, CommandReply, Refusal};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::Cursor;
use stdx::codec::{Decode, Encode, from_bytes, to_bytes};
use stdx::time::WallTime;

openraft::declare_raft_types!(
    /// Our monitors.
    pub(crate) TypeConfig:
        D = Batch,
        R = Outcomes,
        NodeId = u64,
        Node = BasicNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = TokioRuntime,
);

/// Commands that were waiting when the leader had room for one more entry, carried out in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The leader's time of day.
    pub(crate) at: WallTime,
    /// The commands.
    pub(crate) commands: Vec<Command>,
}
stdx::codec_versioned!(Batch, 1 { at, commands });

/// What came of each command of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes(pub(crate) Vec<Result<CommandReply, Refusal>>);
stdx::codec_newtype!(Outcomes);

struct Ours<T>(std::marker::PhantomData<T>);

impl<T: Decode> Visitor<'_> for Ours<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes of a value of ours")
    }
    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        from_bytes(bytes::Bytes::copy_from_slice(bytes)).map_err(E::custom)
    }
    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<T, E> {
        from_bytes(bytes.into()).map_err(E::custom)
    }
}

fn put<T: Encode, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(&to_bytes(value))
}

fn take<'de, T: Decode, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    d.deserialize_byte_buf(Ours(std::marker::PhantomData)).map_err(D::Error::custom)
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        put(self, s)
    }
}
impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Batch, D::Error> {
        take(d)
    }
}
impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        put(self, s)
    }
}
impl<'de> Deserialize<'de> for Outcomes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Outcomes, D::Error> {
        take(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_pass_through_postcard() {
        let batch = Batch {
            at: WallTime(5),
            commands: vec![
                Command::PoolRm { name: "a".to_owned() },
                Command::SetFlag { flag: "b".to_owned(), on: true },
            ],
        };
        let bytes = postcard::to_stdvec(&batch).expect("it encodes");
        assert_eq!(postcard::from_bytes::<Batch>(&bytes).expect("and comes back"), batch);
        for cut in 0..bytes.len() {
            assert!(postcard::from_bytes::<Batch>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
