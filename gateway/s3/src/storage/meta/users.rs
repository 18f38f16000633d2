//! Users and their access keys: rows of one object, so that a user and its keys change together.

use super::CACHE_MAX;
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::types::{Credential, Secret, User};
use bytes::Bytes;
use gateway_client::{OpError, Rados, Reply};
use osd_object::op::Compare;
use osd_object::{ObjectName, Op, OpResult};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use stdx::time::WallTime;

/// A change that meets another one is tried so often.
const TRIES: usize = 16;

#[derive(Clone)]
struct UserRow {
    display_name: String,
    created: WallTime,
    access_keys: Vec<String>,
}
stdx::codec_versioned!(UserRow, 1 { display_name, created, access_keys });

struct KeyRow {
    uid: String,
    secret: String,
}
stdx::codec_versioned!(KeyRow, 1 { uid, secret });

/// Credentials answered from memory for a while; also that a key does not exist.
#[derive(Default)]
pub(crate) struct KeyCache {
    keys: Mutex<HashMap<String, (Instant, Option<Arc<Credential>>)>>,
}

fn user_key(uid: &str) -> Bytes {
    format!("u{uid}").into()
}
fn access_key_key(access_key: &str) -> Bytes {
    format!("k{access_key}").into()
}
fn damaged(what: &str) -> impl Fn(stdx::codec::DecodeError) -> S3Error {
    move |e| S3Error::internal(format!("{what} cannot be read: {e}"))
}
fn user(uid: &str, row: UserRow) -> User {
    User {
        uid: uid.to_string(),
        display_name: row.display_name,
        created: row.created,
        access_keys: row.access_keys,
    }
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

impl<R: Rados> Storage<R> {
    async fn users_op(&self, ops: Vec<Op>) -> Result<Reply, OpError> {
        self.inner.rados.operate(&self.inner.config.meta_pool, ObjectName::new(names::USERS), ops).await
    }

    async fn user_rows(&self, keys: Vec<Bytes>) -> Result<Vec<(Bytes, Bytes)>, S3Error> {
        match self.users_op(vec![Op::OmapGet { keys }]).await {
            Ok(reply) => match reply.results.into_iter().next() {
                Some(OpResult::Rows(page)) => Ok(page.rows),
                _ => Ok(Vec::new()),
            },
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }

    async fn user_row(&self, uid: &str) -> Result<Option<(UserRow, Bytes)>, S3Error> {
        let Some((_, value)) = self.user_rows(vec![user_key(uid)]).await?.pop() else { return Ok(None) };
        let row = from_bytes(value.clone()).map_err(damaged("a user"))?;
        Ok(Some((row, value)))
    }

    /// Makes a user, with a key of its own choice or a generated one. `UserAlreadyExists` if the user or the
    /// access key exists.
    pub async fn user_create(
        &self,
        uid: &str,
        display_name: &str,
        key: Option<(String, Secret)>,
    ) -> Result<Credential, S3Error> {
        if uid.is_empty() || uid.len() > 128 || uid.chars().any(char::is_control) {
            return Err(S3Error::invalid_argument("A user id has 1 to 128 characters.", "uid", uid));
        }
        let (access_key, secret) = checked(key)?;
        let row = UserRow {
            display_name: display_name.to_string(),
            created: self.inner.rados.now(),
            access_keys: vec![access_key.clone()],
        };
        let ops = vec![
            Op::Create { exclusive: false },
            absent(user_key(uid)),
            absent(access_key_key(&access_key)),
            Op::OmapSet { rows: vec![(user_key(uid), to_bytes(&row)), key_row(uid, &access_key, &secret)] },
        ];
        match self.users_op(ops).await {
            Ok(_) => {
                self.forget_key(&access_key);
                Ok(Credential { user: user(uid, row), access_key, secret })
            }
            Err(e) if e.code == Errno::ECANCELED => Err(S3Error::new(Code::UserAlreadyExists)),
            Err(e) => Err(e.into()),
        }
    }

    /// A user by id.
    pub async fn user_get(&self, uid: &str) -> Result<Option<User>, S3Error> {
        Ok(self.user_row(uid).await?.map(|(row, _)| user(uid, row)))
    }

    /// All users, by id.
    pub async fn user_list(&self) -> Result<Vec<User>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, ObjectName::new(names::USERS), Bytes::from_static(b"u")).await?;
        let mut users = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let uid = String::from_utf8_lossy(&key[1..]).into_owned();
            users.push(user(&uid, from_bytes(value).map_err(damaged("a user"))?));
        }
        Ok(users)
    }

    pub(crate) async fn user_ids(&self) -> Result<Vec<String>, S3Error> {
        Ok(self.user_list().await?.into_iter().map(|u| u.uid).collect())
    }

    /// Removes a user and its keys. `NoSuchUser`; `BucketNotEmpty` (409) while the user owns buckets.
    pub async fn user_rm(&self, uid: &str) -> Result<(), S3Error> {
        if !self.bucket_list(uid, None, 1).await?.is_empty() {
            let text = format!("User {uid} owns buckets. Delete them first.");
            return Err(S3Error::with_message(Code::BucketNotEmpty, text));
        }
        self.change_user(uid, |row| {
            let mut keys = vec![user_key(uid)];
            keys.extend(row.access_keys.iter().map(|k| access_key_key(k)));
            for key in &row.access_keys {
                self.forget_key(key);
            }
            Ok(vec![Op::OmapRm { keys }])
        })
        .await
    }

    /// One more key for a user, given or generated. `NoSuchUser`; `UserAlreadyExists` if the access key is
    /// taken.
    pub async fn key_create(&self, uid: &str, key: Option<(String, Secret)>) -> Result<Credential, S3Error> {
        let (access_key, secret) = checked(key)?;
        if !self.user_rows(vec![access_key_key(&access_key)]).await?.is_empty() {
            return Err(S3Error::with_message(Code::UserAlreadyExists, "This access key is taken."));
        }
        self.change_user(uid, |row| {
            row.access_keys.push(access_key.clone());
            let rows = vec![(user_key(uid), to_bytes(&*row)), key_row(uid, &access_key, &secret)];
            Ok(vec![absent(access_key_key(&access_key)), Op::OmapSet { rows }])
        })
        .await?;
        self.forget_key(&access_key);
        let user = self.user_get(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
        Ok(Credential { user, access_key, secret })
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

    /// Changes a user's rows if they are still what was read, else reads again.
    async fn change_user(
        &self,
        uid: &str,
        change: impl Fn(&mut UserRow) -> Result<Vec<Op>, S3Error>,
    ) -> Result<(), S3Error> {
        for _ in 0..TRIES {
            let (mut row, value) = self.user_row(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
            let mut ops = vec![Op::CmpOmap { key: user_key(uid), compare: Compare::Eq, value }];
            ops.extend(change(&mut row)?);
            match self.users_op(ops).await {
                Ok(_) => return Ok(()),
                Err(e) if e.code == Errno::ECANCELED => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }

    fn forget_key(&self, access_key: &str) {
        self.inner.keys.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(access_key);
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
        let user = self.user_get(&key.uid).await?;
        Ok(user.map(|user| Credential {
            user,
            access_key: access_key.to_string(),
            secret: Secret::new(key.secret),
        }))
    }
}

fn absent(key: Bytes) -> Op {
    Op::CmpOmap { key, compare: Compare::Eq, value: Bytes::new() }
}

fn key_row(uid: &str, access_key: &str, secret: &Secret) -> (Bytes, Bytes) {
    let row = KeyRow { uid: uid.to_string(), secret: secret.reveal().to_string() };
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

fn checked(key: Option<(String, Secret)>) -> Result<(String, Secret), S3Error> {
    let Some((access, secret)) = key else { return generate() };
    check_key_pair(&access, &secret)?;
    Ok((access, secret))
}
