//! Other keys in place of those that may have leaked.
//!
//! The root key: one transaction puts another in its place and keeps it beside that; then every wrapping key is sealed
//! anew, and once none is left that the former one sealed, that one is forgotten. Any gateway goes on with it where
//! another stopped. A wrapping key: it gets another version, by which new objects are wrapped; the earlier ones stay and
//! open what they wrapped.

use super::keys::{EARLIER, FORMER_ROOT, KEY, ROOT, earlier_row, key_row, root_bytes, root_of};
use super::wrap::{unwrap_key, wrap};
use super::{SecretKey, not_what_was_sealed};
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use std::collections::BTreeMap;
use stdx::Errno;

/// The cluster's keys, without what is secret of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptionKeys {
    /// Root keys that were replaced and by which something may still be sealed.
    pub former_roots: usize,
    /// Wrapping keys by id, and how many versions each has.
    pub keys: BTreeMap<String, usize>,
}

/// What is stored, as it lies there.
struct Rows {
    root: SecretKey,
    former: Vec<(Bytes, SecretKey)>,
    sealed: Vec<(Bytes, Bytes)>,
}

fn conflict(e: OpError) -> S3Error {
    match e.code {
        Errno::ECANCELED => S3Error::new(Code::OperationAborted).caused_by("somebody else changes the keys"),
        _ => e.into(),
    }
}

impl<R: Rados> Storage<R> {
    /// Which keys there are.
    pub async fn encryption_keys(&self) -> Result<EncryptionKeys, S3Error> {
        let rows = self.stored_keys().await?;
        let mut keys = BTreeMap::new();
        for (row, _) in &rows.sealed {
            let id = match row[0] {
                KEY => &row[1..],
                _ => &row[3..row.len() - 8],
            };
            *keys.entry(String::from_utf8_lossy(id).into_owned()).or_default() += 1;
        }
        Ok(EncryptionKeys { former_roots: rows.former.len(), keys })
    }

    /// Puts another root key in place of the one there is, and seals all wrapping keys by it. How many those were.
    /// `OperationAborted`: somebody else does so at the same time.
    pub async fn rotate_root_key(&self) -> Result<usize, S3Error> {
        let rows = self.stored_keys().await?;
        let number = |row: &Bytes| row[1..].try_into().map_or(0, u64::from_be_bytes);
        let next = rows.former.iter().map(|(row, _)| number(row)).max().unwrap_or(0) + 1;
        let mut former = vec![FORMER_ROOT];
        former.extend_from_slice(&next.to_be_bytes());
        let (former, root) = (Bytes::from(former), Bytes::from_static(ROOT));
        let guards = [(root.clone(), root_bytes(&rows.root)), (former.clone(), Bytes::new())];
        let set = vec![(root, root_bytes(&SecretKey::random()?)), (former, root_bytes(&rows.root))];
        self.change_key_rows(guards, set, Vec::new()).await.map_err(conflict)?;
        tracing::info!("the root key of encrypted objects was replaced");
        self.settle_keys().await
    }

    /// Gives a wrapping key another version, by which all gateways wrap within a minute. How many it has then.
    /// `KMS.NotFoundException`; `OperationAborted`: somebody else changes the keys at the same time.
    pub async fn rotate_wrapping_key(&self, id: &str) -> Result<usize, S3Error> {
        let rows = self.stored_keys().await?;
        let row = Bytes::from(key_row(id));
        let Some((_, newest)) = rows.sealed.iter().find(|(found, _)| *found == row) else {
            let message = format!("Key '{id}' does not exist");
            return Err(S3Error::with_message(Code::KMSNotFoundException, message));
        };
        let prefix = earlier_row(id, None);
        let of_key = |row: &Bytes| row.len() == prefix.len() + 8 && row.starts_with(&prefix);
        let earlier = rows.sealed.iter().filter(|(row, _)| of_key(row)).count();
        let moved = Bytes::from(earlier_row(id, Some(earlier as u64 + 1)));
        let guards = [(row.clone(), newest.clone()), (Bytes::from_static(ROOT), root_bytes(&rows.root))];
        let set = vec![(row, wrap(&rows.root, &SecretKey::random()?)?), (moved, newest.clone())];
        self.change_key_rows(guards, set, Vec::new()).await.map_err(conflict)?;
        self.forget_keys();
        tracing::info!("the key {id:?} has another version");
        Ok(earlier + 2)
    }

    /// Seals anew what former root keys sealed, and forgets those. How many keys that were.
    pub async fn settle_keys(&self) -> Result<usize, S3Error> {
        if self.key_rows(vec![FORMER_ROOT]).await?.is_empty() {
            return Ok(0);
        }
        let rows = self.stored_keys().await?;
        let root = (Bytes::from_static(ROOT), root_bytes(&rows.root));
        let mut anew = 0;
        for (row, wrapped) in rows.sealed {
            if unwrap_key(&rows.root, &wrapped).is_some() {
                continue;
            }
            let key = rows.former.iter().find_map(|(_, by)| unwrap_key(by, &wrapped));
            let sealed = wrap(&rows.root, &key.ok_or_else(not_what_was_sealed)?)?;
            let guards = [(row.clone(), wrapped), root.clone()];
            self.change_key_rows(guards, vec![(row, sealed)], Vec::new()).await.map_err(conflict)?;
            anew += 1;
        }
        // Nothing more is sealed by a former one: who makes a key names the root key that he believes in.
        let former = rows.former.into_iter().map(|(row, _)| row).collect();
        self.change_key_rows([root.clone(), root], Vec::new(), former).await.map_err(conflict)?;
        self.forget_keys();
        tracing::info!("{anew} keys are sealed by the new root key, the former one is gone");
        Ok(anew)
    }

    async fn stored_keys(&self) -> Result<Rows, S3Error> {
        self.forget_keys();
        // Makes the root key if there is none.
        self.root_keys(true).await?;
        let (mut root, mut former, mut sealed) = (None, Vec::new(), Vec::new());
        for (row, value) in self.key_rows(Vec::new()).await? {
            match row.first() {
                Some(_) if row[..] == *ROOT => root = Some(root_of(value)?),
                Some(&FORMER_ROOT) => former.push((row, root_of(value)?)),
                Some(&KEY) => sealed.push((row, value)),
                Some(&EARLIER) if row.len() > 11 => sealed.push((row, value)),
                _ => return Err(S3Error::internal("a row of the cluster's keys makes no sense")),
            }
        }
        let root = root.ok_or_else(|| S3Error::internal("the root key is gone"))?;
        Ok(Rows { root, former, sealed })
    }
}
