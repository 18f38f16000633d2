//! Access keys: what one may be, drawing one, and looking up whose it is.

use super::CACHE_MAX;
use super::users::{UserRow, access_key_key, damaged, user_key};
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::types::{Credential, Secret};
use crate::storage::user_types::{Access, User};
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::Op;
use osd_object::op::Compare;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stdx::codec::{from_bytes, to_bytes};

pub(super) struct KeyRow {
    pub(super) uid: String,
    pub(super) secret: String,
    /// Whose it is of the user's subusers; empty: its own.
    pub(super) subuser: String,
}
stdx::codec_versioned!(KeyRow, 2 { uid, secret } since 2 { subuser });

/// One of a user's keys, with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKey {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret: Secret,
    /// Whose it is of the user's subusers; empty: the user's own.
    pub subuser: String,
}

/// Credentials answered from memory for a while; also that a key does not exist.
#[derive(Default)]
pub(crate) struct KeyCache {
    keys: Mutex<HashMap<String, (Instant, Option<Arc<Credential>>)>>,
}

/// A key pair in the shape that clients expect: 20 capitals and digits, 40 letters and digits.
fn generate() -> Result<(String, Secret), S3Error> {
    const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";
    let draw = |random: &[u8], from: &[u8]| -> String {
        // Both alphabets have a power of two of letters (a few of the second twice): no bias to speak of.
        random.iter().map(|b| char::from(from[usize::from(*b) % from.len()])).collect()
    };
    let access = draw(&names::random::<20>()?, CAPITALS);
    Ok((access, Secret::new(draw(&names::random::<40>()?, LETTERS))))
}

pub(super) fn absent(key: Bytes) -> Op {
    Op::CmpOmap { key, compare: Compare::Eq, value: Bytes::new() }
}

pub(super) fn key_row(uid: &str, subuser: &str, access_key: &str, secret: &Secret) -> (Bytes, Bytes) {
    let row =
        KeyRow { uid: uid.to_string(), secret: secret.reveal().to_string(), subuser: subuser.to_string() };
    (access_key_key(access_key), to_bytes(&row))
}

/// Refuses a key pair that no user may have: `InvalidArgument` with the sentence that says what would do.
pub fn check_key_pair(access: &str, secret: &Secret) -> Result<(), S3Error> {
    if !(3..=128).contains(&access.len()) || !access.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
        let text = "An access key has 3 to 128 visible ASCII characters other than '/'.";
        return Err(S3Error::invalid_argument(text, "access-key", access));
    }
    if !(8..=128).contains(&secret.reveal().len()) {
        return Err(S3Error::with_message(Code::InvalidArgument, "A secret key has 8 to 128 characters."));
    }
    Ok(())
}

pub(super) fn checked(key: Option<(String, Secret)>) -> Result<(String, Secret), S3Error> {
    let Some((access, secret)) = key else { return generate() };
    check_key_pair(&access, &secret)?;
    Ok((access, secret))
}

/// What a key of that subuser lets do; a subuser that is gone, nothing.
fn access_of(user: &User, subuser: &str) -> Access {
    if subuser.is_empty() {
        Access::Full
    } else {
        user.subusers.get(subuser).copied().unwrap_or(Access::None)
    }
}

/// Who owns what a user makes.
fn owner_of(user: &User) -> String {
    if user.account.is_empty() { user.uid.clone() } else { user.account.clone() }
}

impl<R: Rados> Storage<R> {
    /// One more key for a user, given or generated. `NoSuchUser`; `KeyExists` if the access key is taken.
    pub async fn key_create(&self, uid: &str, key: Option<(String, Secret)>) -> Result<Credential, S3Error> {
        self.key_create_for(uid, "", key).await
    }

    /// The same for a subuser. Also `NoSuchSubUser`.
    pub async fn key_create_for(
        &self,
        uid: &str,
        subuser: &str,
        key: Option<(String, Secret)>,
    ) -> Result<Credential, S3Error> {
        let (access_key, secret) = checked(key)?;
        if !self.user_rows(vec![access_key_key(&access_key)]).await?.is_empty() {
            return Err(S3Error::new(Code::KeyExists));
        }
        self.change_user(uid, |row: &mut UserRow| {
            if !subuser.is_empty() && !row.subusers.contains_key(subuser) {
                return Err(S3Error::new(Code::NoSuchSubUser));
            }
            row.access_keys.push(access_key.clone());
            let rows = vec![(user_key(uid), to_bytes(&*row)), key_row(uid, subuser, &access_key, &secret)];
            Ok(vec![absent(access_key_key(&access_key)), osd_object::Op::OmapSet { rows }])
        })
        .await?;
        self.forget_key(&access_key);
        let user = self.user_get(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
        let (access, owner) = (access_of(&user, subuser), owner_of(&user));
        Ok(Credential { user: Arc::new(user), owner, access_key, secret, access })
    }

    /// Removes a subuser with its keys. `NoSuchUser`, `NoSuchSubUser`.
    pub async fn subuser_rm(&self, uid: &str, subuser: &str) -> Result<(), S3Error> {
        let keys = self.user_keys(uid).await?;
        let keys: Vec<String> =
            keys.into_iter().filter(|key| key.subuser == subuser).map(|key| key.access_key).collect();
        self.change_user(uid, |row| {
            row.subusers.remove(subuser).ok_or_else(|| S3Error::new(Code::NoSuchSubUser))?;
            row.access_keys.retain(|key| !keys.contains(key));
            let rows = vec![(user_key(uid), to_bytes(&*row))];
            Ok(vec![
                Op::OmapSet { rows },
                Op::OmapRm { keys: keys.iter().map(|key| access_key_key(key)).collect() },
            ])
        })
        .await?;
        keys.iter().for_each(|key| self.forget_key(key));
        Ok(())
    }

    /// Removes a key. `InvalidAccessKeyId` if the user has no such key.
    pub async fn key_rm(&self, uid: &str, access_key: &str) -> Result<(), S3Error> {
        self.change_user(uid, |row| {
            let before = row.access_keys.len();
            row.access_keys.retain(|k| k != access_key);
            if row.access_keys.len() == before {
                return Err(S3Error::new(Code::InvalidAccessKeyId));
            }
            let rows = vec![(user_key(uid), to_bytes(&*row))];
            Ok(vec![Op::OmapSet { rows }, Op::OmapRm { keys: vec![access_key_key(access_key)] }])
        })
        .await?;
        self.forget_key(access_key);
        Ok(())
    }

    /// A user's keys with their secrets, for those who administer users. `NoSuchUser`.
    pub async fn user_keys(&self, uid: &str) -> Result<Vec<UserKey>, S3Error> {
        let user = self.user_get(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
        let keys = user.access_keys.iter().map(|k| access_key_key(k)).collect();
        let mut found = Vec::with_capacity(user.access_keys.len());
        for (key, value) in self.user_rows(keys).await? {
            let row: KeyRow = from_bytes(value).map_err(damaged("an access key"))?;
            found.push(UserKey {
                access_key: String::from_utf8_lossy(&key[1..]).into_owned(),
                secret: Secret::new(row.secret),
                subuser: row.subuser,
            });
        }
        Ok(found)
    }

    /// The credential of an access key, from memory for a few seconds.
    pub async fn lookup_access_key(&self, access_key: &str) -> Result<Option<Arc<Credential>>, S3Error> {
        let cache = &self.inner.keys.keys;
        let ttl = self.inner.config.cache_ttl;
        if let Some((at, found)) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(access_key)
            && at.elapsed() < ttl
        {
            return Ok(found.clone());
        }
        let found = self.read_credential(access_key).await?.map(Arc::new);
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(access_key.to_string(), (Instant::now(), found.clone()));
        Ok(found)
    }

    async fn read_credential(&self, access_key: &str) -> Result<Option<Credential>, S3Error> {
        let Some((_, value)) = self.user_rows(vec![access_key_key(access_key)]).await?.pop() else {
            return Ok(None);
        };
        let key: KeyRow = from_bytes(value).map_err(damaged("an access key"))?;
        let user = self.user_read(&key.uid).await?;
        Ok(user.map(|user| Credential {
            access: access_of(&user, &key.subuser),
            owner: owner_of(&user),
            user,
            access_key: access_key.to_string(),
            secret: Secret::new(key.secret),
        }))
    }

    pub(super) fn forget_key(&self, access_key: &str) {
        self.inner.keys.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(access_key);
    }
}
