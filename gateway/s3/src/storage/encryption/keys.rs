//! The cluster's keys that wrap the keys of objects: rows of one object in the meta pool, each sealed by the cluster's
//! root key, which lies beside the secrets of access keys. It guards data against whoever gets hold of disks or copies of
//! the data and index pools; not against who can read the meta pool.
//!
//! A wrapping key has versions: the newest wraps, all of them open (docs/formats/encrypted-data.md). How they come to be
//! is in `rotation`.

use super::vault::Vault;
use super::wrap::{unwrap_key, wrap};
use super::{KeyHolder, Seal, Sealing, SecretKey};
use crate::error::{Code, S3Error};
use crate::storage::{Storage, lock, names};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::op::Compare;
use osd_object::{ObjectName, Op};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stdx::Errno;

/// The row of the root key.
pub(super) const ROOT: &[u8] = b"r";
/// Before the number of a root key that was replaced, while something may be sealed by it.
pub(super) const FORMER_ROOT: u8 = b'R';
/// Before the id of a wrapping key: its newest version.
pub(super) const KEY: u8 = b'k';
/// Before the id and the number of an earlier version.
pub(super) const EARLIER: u8 = b'o';
/// The key that wraps where the client names none (SSE-S3).
const OURS: &str = "aws/s3";
/// The longest id, bytes.
const ID_BYTES_MAX: usize = 256;
/// A gateway goes on wrapping by a version for so long after another replaced it.
const SEALS_FOR: Duration = Duration::from_secs(60);
/// How often the making of a key is tried while others make keys, too.
const TRIES: usize = 5;

/// What of the keys is remembered, and which ones clients may name.
#[derive(Default)]
pub(crate) struct KeyStore {
    known: Mutex<BTreeMap<String, Known>>,
    /// The root key first, then those it replaced.
    roots: Mutex<Arc<Vec<SecretKey>>>,
    /// Ids that clients may name though there is no key of that id yet.
    named: Mutex<Arc<Vec<String>>>,
    pub(super) vault: Mutex<super::vault::Keeper>,
}

/// A wrapping key as it was read.
#[derive(Clone)]
struct Known {
    /// The newest first.
    versions: Arc<Vec<SecretKey>>,
    read: Instant,
}

impl<R: Rados> Storage<R> {
    /// Which ids clients may name for SSE-KMS (`rgw_crypt_kms_keys`). Keys come to be when they are first used, and
    /// stay, so that what they wrap can be read whatever is set later.
    pub fn set_kms_keys(&self, ids: Vec<String>) {
        *lock(&self.inner.keys_at_rest.named) = Arc::new(ids);
    }

    /// A new key for an object, wrapped by the cluster's own, or by the one of that id. `KMS.NotFoundException`; of
    /// Vault's keys also `AccessDenied` and `ServiceUnavailable`.
    pub(crate) async fn seal_by_cluster(&self, kms: Option<&str>) -> Result<Seal, S3Error> {
        let (holder, key) = match (kms, self.sealing_vault()?) {
            (Some(id), Some(vault)) => {
                let (key, wrapped) = vault.data_key(id).await?;
                (KeyHolder::Vault { id: id.to_string(), wrapped }, key)
            }
            _ => {
                let id = kms.unwrap_or(OURS);
                let (by, key) = (self.newest_key(id, kms.is_some()).await?, SecretKey::random()?);
                (
                    KeyHolder::Cluster { id: id.to_string(), kms: kms.is_some(), wrapped: wrap(&by, &key)? },
                    key,
                )
            }
        };
        let salt = u128::from_le_bytes(names::random()?);
        Ok(Seal { sealing: Sealing { holder, salt, inline_tag: Bytes::new() }, key })
    }

    /// The key of something that the cluster, or Vault, wrapped.
    pub(crate) async fn open_by_cluster(&self, sealing: Sealing) -> Result<Seal, S3Error> {
        let (id, wrapped) = match &sealing.holder {
            KeyHolder::Cluster { id, wrapped, .. } => (id, wrapped),
            KeyHolder::Vault { id, wrapped } => {
                let key = self.opening_vault()?.decrypt(id, wrapped).await?;
                return Ok(Seal { key, sealing });
            }
            KeyHolder::Customer { .. } => {
                return Err(S3Error::internal("the key of an object is its owner's"));
            }
        };
        // A version that came to be since is found by reading again.
        for age_max in [Duration::MAX, Duration::ZERO] {
            let versions = self.wrapping_keys(id, age_max).await?;
            let versions = versions
                .ok_or_else(|| S3Error::internal(format!("the key {id:?}, which wraps others, is gone")))?;
            if let Some(key) = versions.iter().find_map(|by| unwrap_key(by, wrapped)) {
                return Ok(Seal { key, sealing });
            }
        }
        Err(super::not_what_was_sealed())
    }

    /// The version of a key that wraps now. It is made if it may be.
    async fn newest_key(&self, id: &str, named: bool) -> Result<SecretKey, S3Error> {
        if let Some(newest) = self.wrapping_keys(id, SEALS_FOR).await?.and_then(|v| v.first().cloned()) {
            return Ok(newest);
        }
        if named && !lock(&self.inner.keys_at_rest.named).iter().any(|known| known == id) {
            let message = format!("Key '{id}' does not exist");
            return Err(S3Error::with_message(Code::KMSNotFoundException, message));
        }
        self.make_key(id).await
    }

    /// The versions of a key, the newest first, as they were at most so long ago; none if there is no such key.
    async fn wrapping_keys(
        &self,
        id: &str,
        age_max: Duration,
    ) -> Result<Option<Arc<Vec<SecretKey>>>, S3Error> {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        let known = lock(&self.inner.keys_at_rest.known).get(id).cloned();
        if let Some(known) = known.filter(|known| known.read.elapsed() < age_max) {
            return Ok(Some(known.versions));
        }
        let read = Instant::now();
        // A rotation moves the newest to the earlier ones: read the other way round, it might be missed.
        let Some(newest) = self.key_row(&key_row(id)).await? else { return Ok(None) };
        let mut sealed = self.key_rows(earlier_row(id, None)).await?;
        sealed.push((Bytes::new(), newest));
        let mut versions = Vec::with_capacity(sealed.len());
        for (_, wrapped) in sealed.into_iter().rev() {
            let key = self.by_roots(&wrapped).await?;
            versions.push(
                key.ok_or_else(|| {
                    S3Error::internal(format!("the key {id:?} is not what a root key sealed"))
                })?,
            );
        }
        let versions = Arc::new(versions);
        let known = Known { versions: versions.clone(), read };
        lock(&self.inner.keys_at_rest.known).insert(id.to_string(), known);
        Ok(Some(versions))
    }

    /// What a root key sealed; none if none did.
    async fn by_roots(&self, wrapped: &[u8]) -> Result<Option<SecretKey>, S3Error> {
        for fresh in [false, true] {
            let roots = self.root_keys(fresh).await?;
            if let Some(key) = roots.iter().find_map(|root| unwrap_key(root, wrapped)) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The root key, and behind it those it replaced. It is made if there is none.
    pub(super) async fn root_keys(&self, fresh: bool) -> Result<Arc<Vec<SecretKey>>, S3Error> {
        let known = lock(&self.inner.keys_at_rest.roots).clone();
        if !fresh && !known.is_empty() {
            return Ok(known);
        }
        // As above: a rotation puts the root key among the former ones and another in its place at once.
        let stored = match self.key_row(ROOT).await? {
            Some(stored) => stored,
            None => {
                let made = SecretKey::random()?;
                self.add_key_row(ROOT, Bytes::copy_from_slice(made.reveal())).await?
            }
        };
        let former = self.key_rows(vec![FORMER_ROOT]).await?;
        let roots: Result<Vec<SecretKey>, S3Error> =
            std::iter::once(stored).chain(former.into_iter().map(|(_, value)| value)).map(root_of).collect();
        let roots = Arc::new(roots?);
        *lock(&self.inner.keys_at_rest.roots) = roots.clone();
        Ok(roots)
    }

    /// Forgets what was read, after a change.
    pub(super) fn forget_keys(&self) {
        lock(&self.inner.keys_at_rest.known).clear();
        *lock(&self.inner.keys_at_rest.roots) = Arc::default();
    }

    /// Makes a wrapping key, unless another gateway was quicker.
    async fn make_key(&self, id: &str) -> Result<SecretKey, S3Error> {
        for _ in 0..TRIES {
            let roots = self.root_keys(true).await?;
            let Some(root) = roots.first() else { break };
            let (row, key) = (Bytes::from(key_row(id)), SecretKey::random()?);
            // What is absent counts as empty. That the root key is still this one keeps a former one from sealing
            // anything more.
            let guards = [(row.clone(), Bytes::new()), (Bytes::from_static(ROOT), root_bytes(root))];
            match self.change_key_rows(guards, vec![(row, wrap(root, &key)?)], Vec::new()).await {
                Ok(_) => {}
                Err(e) if e.code == Errno::ECANCELED => {}
                Err(e) => return Err(e.into()),
            }
            if let Some(made) = self.wrapping_keys(id, Duration::ZERO).await?.and_then(|v| v.first().cloned())
            {
                return Ok(made);
            }
        }
        Err(S3Error::new(Code::ServiceUnavailable).caused_by("the cluster's keys keep changing"))
    }

    /// Changes rows in one transaction, if the guards hold. ECANCELED: they do not.
    pub(super) async fn change_key_rows(
        &self,
        guards: [(Bytes, Bytes); 2],
        set: Vec<(Bytes, Bytes)>,
        removed: Vec<Bytes>,
    ) -> Result<(), OpError> {
        let mut ops = vec![Op::Create { exclusive: false }];
        ops.extend(guards.map(|(key, value)| Op::CmpOmap { key, compare: Compare::Eq, value }));
        if !set.is_empty() {
            ops.push(Op::OmapSet { rows: set });
        }
        if !removed.is_empty() {
            ops.push(Op::OmapRm { keys: removed });
        }
        let pool = &self.inner.config.meta_pool;
        self.inner.rados.operate(pool, ObjectName::new(names::ENCRYPTION_KEYS), ops).await.map(drop)
    }

    async fn key_row(&self, row: &[u8]) -> Result<Option<Bytes>, S3Error> {
        let rows = self.key_rows(row.to_vec()).await?;
        Ok(rows.into_iter().find(|(key, _)| key[..] == *row).map(|(_, value)| value))
    }

    /// Rows that begin so.
    pub(super) async fn key_rows(&self, prefix: Vec<u8>) -> Result<Vec<(Bytes, Bytes)>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        Ok(self.omap_rows(pool, ObjectName::new(names::ENCRYPTION_KEYS), prefix.into()).await?)
    }

    /// Adds a row; gives what is there then, which may be another's.
    async fn add_key_row(&self, row: &[u8], value: Bytes) -> Result<Bytes, S3Error> {
        let key = Bytes::copy_from_slice(row);
        let absent = (key.clone(), Bytes::new());
        match self.change_key_rows([absent.clone(), absent], vec![(key, value)], Vec::new()).await {
            Ok(()) => {}
            Err(e) if e.code == Errno::ECANCELED => {}
            Err(e) => return Err(e.into()),
        }
        self.key_row(row).await?.ok_or_else(|| S3Error::internal("a key that was stored is not there"))
    }

    /// Vault, if it keeps the keys that clients name.
    fn sealing_vault(&self) -> Result<Option<Arc<Vault>>, S3Error> {
        lock(&self.inner.keys_at_rest.vault).for_sealing()
    }
    /// Vault, for what it sealed.
    fn opening_vault(&self) -> Result<Arc<Vault>, S3Error> {
        lock(&self.inner.keys_at_rest.vault).for_opening()
    }
}

/// The row of a key's newest version.
pub(super) fn key_row(id: &str) -> Vec<u8> {
    let mut row = vec![KEY];
    row.extend_from_slice(id.as_bytes());
    row
}

/// The row of an earlier version; without a number what all of that key begin with.
pub(super) fn earlier_row(id: &str, number: Option<u64>) -> Vec<u8> {
    let mut row = vec![EARLIER];
    row.extend_from_slice(&(id.len() as u16).to_be_bytes());
    row.extend_from_slice(id.as_bytes());
    row.extend(number.iter().flat_map(|number| number.to_be_bytes()));
    row
}

/// The value of a root key's row.
pub(super) fn root_bytes(root: &SecretKey) -> Bytes {
    Bytes::copy_from_slice(root.reveal())
}

/// The inverse.
pub(super) fn root_of(stored: Bytes) -> Result<SecretKey, S3Error> {
    let bytes = stored[..].try_into().map_err(|_| S3Error::internal("a root key is damaged"))?;
    Ok(SecretKey::new(bytes))
}
