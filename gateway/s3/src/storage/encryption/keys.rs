//! The cluster's keys that wrap the keys of objects: rows of one object in the meta pool, each sealed by the cluster's
//! root key, which lies beside the secrets of access keys. It guards data against whoever gets hold of disks or copies of
//! the data and index pools; not against who can read the meta pool.

use super::{ChunkKey, KeyHolder, Seal, Sealing, SecretKey};
use crate::error::{Code, S3Error};
use crate::storage::{Storage, names};
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::op::Compare;
use osd_object::{ObjectName, Op};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::Errno;

/// The row of the root key.
const ROOT: &[u8] = b"r";
/// Before the id of a wrapping key.
const KEY: u8 = b'k';
/// The key that wraps where the client names none (SSE-S3).
const OURS: &str = "aws/s3";
/// The longest id, bytes.
const ID_BYTES_MAX: usize = 256;
/// A random salt, the sealed key, its tag.
const WRAPPED_BYTES: usize = 16 + 32 + super::TAG_BYTES;

/// Keys that were looked up, and which ones clients may name.
#[derive(Default)]
pub(crate) struct KeyStore {
    known: Mutex<BTreeMap<Vec<u8>, SecretKey>>,
    /// Ids that clients may name though there is no key of that id yet.
    named: Mutex<Arc<Vec<String>>>,
}

/// Seals a key by another.
fn wrap(by: &SecretKey, key: &SecretKey) -> Result<Bytes, S3Error> {
    let salt: [u8; 16] = names::random()?;
    let mut out = salt.to_vec();
    out.extend_from_slice(key.reveal());
    let tag = wrapping(by, &salt).seal(0, 0, &mut out[16..]);
    out.extend_from_slice(&tag);
    Ok(out.into())
}

/// The inverse; none if it is not what was wrapped.
fn unwrap_key(by: &SecretKey, wrapped: &[u8]) -> Option<SecretKey> {
    if wrapped.len() != WRAPPED_BYTES {
        return None;
    }
    let (salt, sealed) = wrapped.split_at(16);
    let mut bytes = zeroize::Zeroizing::new(sealed.to_vec());
    wrapping(by, salt).open(0, 0, &mut bytes)?;
    Some(SecretKey::new(bytes[..32].try_into().ok()?))
}

/// A key for one wrapping: the salt makes it another each time.
fn wrapping(by: &SecretKey, salt: &[u8]) -> ChunkKey {
    ChunkKey::new(&super::chunk::derive(by, &[b"wrap", salt]))
}

impl<R: Rados> Storage<R> {
    /// Which ids clients may name for SSE-KMS (`rgw_crypt_kms_keys`). Keys come to be when they are first used, and
    /// stay, so that what they wrap can be read whatever is set later.
    pub fn set_kms_keys(&self, ids: Vec<String>) {
        *self.inner.keys_at_rest.named.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ids);
    }

    /// A new key for an object, wrapped by the cluster's own, or by the one of that id. `KMS.NotFoundException`.
    pub(crate) async fn seal_by_cluster(&self, kms: Option<&str>) -> Result<Seal, S3Error> {
        let id = kms.unwrap_or(OURS);
        let by = match self.wrapping_key(id).await? {
            Some(key) => key,
            None if kms.is_none_or(|id| self.may_name(id)) => {
                self.make_key(key_row(id), &self.root_key().await?).await?
            }
            None => {
                let message = format!("Key '{id}' does not exist");
                return Err(S3Error::with_message(Code::KMSNotFoundException, message));
            }
        };
        let key = SecretKey::random()?;
        let holder = KeyHolder::Cluster { id: id.to_string(), kms: kms.is_some(), wrapped: wrap(&by, &key)? };
        let salt = u128::from_le_bytes(names::random()?);
        Ok(Seal { sealing: Sealing { holder, salt, inline_tag: Bytes::new() }, key })
    }

    /// The key of something that the cluster wrapped.
    pub(crate) async fn open_by_cluster(&self, sealing: Sealing) -> Result<Seal, S3Error> {
        let KeyHolder::Cluster { id, wrapped, .. } = &sealing.holder else {
            return Err(S3Error::internal("the key of an object is its owner's"));
        };
        let by = self.wrapping_key(id).await?;
        let by =
            by.ok_or_else(|| S3Error::internal(format!("the key {id:?}, which wraps others, is gone")))?;
        let key = unwrap_key(&by, wrapped).ok_or_else(super::not_what_was_sealed)?;
        Ok(Seal { sealing, key })
    }

    fn may_name(&self, id: &str) -> bool {
        let named = self.inner.keys_at_rest.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        named.iter().any(|known| known == id)
    }

    async fn wrapping_key(&self, id: &str) -> Result<Option<SecretKey>, S3Error> {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        let row = key_row(id);
        if let Some(key) = self.known_key(&row) {
            return Ok(Some(key));
        }
        let Some(wrapped) = self.key_row(&row).await? else { return Ok(None) };
        let key = unwrap_key(&self.root_key().await?, &wrapped)
            .ok_or_else(|| S3Error::internal(format!("the key {id:?} is not what the root key sealed")))?;
        self.learn_key(row, key.clone());
        Ok(Some(key))
    }

    async fn root_key(&self) -> Result<SecretKey, S3Error> {
        if let Some(key) = self.known_key(ROOT) {
            return Ok(key);
        }
        let stored = match self.key_row(ROOT).await? {
            Some(stored) => stored,
            None => {
                let fresh = SecretKey::random()?;
                self.add_key_row(ROOT, Bytes::copy_from_slice(fresh.reveal())).await?
            }
        };
        let bytes = stored[..].try_into().map_err(|_| S3Error::internal("the root key is damaged"))?;
        let key = SecretKey::new(bytes);
        self.learn_key(ROOT.to_vec(), key.clone());
        Ok(key)
    }

    /// Makes a wrapping key, unless another gateway was quicker.
    async fn make_key(&self, row: Vec<u8>, root: &SecretKey) -> Result<SecretKey, S3Error> {
        let wrapped = wrap(root, &SecretKey::random()?)?;
        let stored = self.add_key_row(&row, wrapped).await?;
        let key = unwrap_key(root, &stored).ok_or_else(super::not_what_was_sealed)?;
        self.learn_key(row, key.clone());
        Ok(key)
    }

    fn known_key(&self, row: &[u8]) -> Option<SecretKey> {
        self.inner.keys_at_rest.known.lock().unwrap_or_else(PoisonError::into_inner).get(row).cloned()
    }
    fn learn_key(&self, row: Vec<u8>, key: SecretKey) {
        self.inner.keys_at_rest.known.lock().unwrap_or_else(PoisonError::into_inner).insert(row, key);
    }

    async fn key_row(&self, row: &[u8]) -> Result<Option<Bytes>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self
            .omap_rows(pool, ObjectName::new(names::ENCRYPTION_KEYS), Bytes::copy_from_slice(row))
            .await?;
        Ok(rows.into_iter().find(|(key, _)| key[..] == *row).map(|(_, value)| value))
    }

    /// Adds a row; gives what is there then, which may be another's.
    async fn add_key_row(&self, row: &[u8], value: Bytes) -> Result<Bytes, S3Error> {
        let key = Bytes::copy_from_slice(row);
        let ops = vec![
            Op::Create { exclusive: false },
            // What is absent counts as empty.
            Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: Bytes::new() },
            Op::OmapSet { rows: vec![(key, value)] },
        ];
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, ObjectName::new(names::ENCRYPTION_KEYS), ops).await {
            Ok(_) => {}
            Err(e) if e.code == Errno::ECANCELED => {}
            Err(e) => return Err(e.into()),
        }
        self.key_row(row).await?.ok_or_else(|| S3Error::internal("a key that was stored is not there"))
    }
}

fn key_row(id: &str) -> Vec<u8> {
    let mut row = vec![KEY];
    row.extend_from_slice(id.as_bytes());
    row
}
