//! Users: rows of one object beside their access keys and addresses, so that all of a user changes together
//! (docs/formats/s3-meta.md).

use super::CACHE_MAX;
use super::keys::{absent, checked, key_row};
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::rate_limit::RateLimit;
use crate::storage::types::{Credential, Secret};
use crate::storage::user_types::{Access, Caps, NewKey, NewUser, Quota, User, check_uid};
use bytes::Bytes;
use gateway_client::{OpError, Rados, Reply};
use osd_object::op::Compare;
use osd_object::{ObjectName, Op, OpResult};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use stdx::time::WallTime;

/// A change that meets another one is tried so often.
const TRIES: usize = 16;

#[derive(Clone)]
pub(super) struct UserRow {
    display_name: String,
    created: WallTime,
    pub(super) access_keys: Vec<String>,
    email: String,
    suspended: bool,
    max_buckets: i32,
    caps: Caps,
    user_quota: Quota,
    bucket_quota: Quota,
    rate_limit: Option<RateLimit>,
    pub(super) subusers: BTreeMap<String, Access>,
    account: String,
    account_root: bool,
}
stdx::codec_versioned!(UserRow, 3 { display_name, created, access_keys }
    since 2 { email, suspended, max_buckets, caps, user_quota, bucket_quota }
    since 3 { rate_limit, subusers, account, account_root });

impl UserRow {
    fn of(user: &User) -> UserRow {
        UserRow {
            display_name: user.display_name.clone(),
            created: user.created,
            access_keys: user.access_keys.clone(),
            email: user.email.clone(),
            suspended: user.suspended,
            max_buckets: user.max_buckets,
            caps: user.caps.clone(),
            user_quota: user.user_quota,
            bucket_quota: user.bucket_quota,
            rate_limit: user.rate_limit,
            subusers: user.subusers.clone(),
            account: user.account.clone(),
            account_root: user.account_root,
        }
    }
    fn user(self, uid: &str) -> User {
        User {
            uid: uid.to_string(),
            display_name: self.display_name,
            created: self.created,
            access_keys: self.access_keys,
            email: self.email,
            suspended: self.suspended,
            max_buckets: self.max_buckets,
            caps: self.caps,
            user_quota: self.user_quota,
            bucket_quota: self.bucket_quota,
            rate_limit: self.rate_limit,
            subusers: self.subusers,
            account: self.account,
            account_root: self.account_root,
        }
    }
}

/// Users answered from memory for a while; also that there is none of an id.
#[derive(Default)]
pub(crate) struct UserCache {
    users: Mutex<HashMap<String, (Instant, Option<Arc<User>>)>>,
}

pub(super) fn user_key(uid: &str) -> Bytes {
    format!("u{uid}").into()
}
pub(super) fn access_key_key(access_key: &str) -> Bytes {
    format!("k{access_key}").into()
}
/// The row of an address holds the uid.
fn email_key(email: &str) -> Bytes {
    format!("e{email}").into()
}
pub(super) fn damaged(what: &str) -> impl Fn(stdx::codec::DecodeError) -> S3Error {
    move |e| S3Error::internal(format!("{what} cannot be read: {e}"))
}

/// An address as it is kept. `InvalidArgument` for what can be none.
fn checked_email(email: &str) -> Result<String, S3Error> {
    let email = email.trim().to_lowercase();
    if email.len() > 256 || email.chars().any(char::is_control) {
        let message = "An address has at most 256 visible characters.";
        return Err(S3Error::invalid_argument(message, "email", &email));
    }
    Ok(email)
}

impl<R: Rados> Storage<R> {
    async fn users_op(&self, ops: Vec<Op>) -> Result<Reply, OpError> {
        self.inner.rados.operate(&self.inner.config.meta_pool, ObjectName::new(names::USERS), ops).await
    }

    pub(super) async fn user_rows(&self, keys: Vec<Bytes>) -> Result<Vec<(Bytes, Bytes)>, S3Error> {
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

    /// Makes a user with the usual limits, with a key of its own choice or a generated one. `UserAlreadyExists` if
    /// the user exists, `KeyExists` if the access key does.
    pub async fn user_create(
        &self,
        uid: &str,
        display_name: &str,
        key: Option<(String, Secret)>,
    ) -> Result<Credential, S3Error> {
        let mut new = NewUser::new(uid, display_name);
        if let Some((access, secret)) = key {
            new.key = NewKey::Given(access, secret);
        }
        let made = self.user_make(new).await?;
        made.1.ok_or_else(|| S3Error::internal("a user was made without its key")).map(
            |(access_key, secret)| Credential {
                owner: made.0.uid.clone(),
                user: Arc::new(made.0),
                access_key,
                secret,
                access: Access::Full,
            },
        )
    }

    /// Makes a user; its key, if it is to have one. `UserAlreadyExists`, `KeyExists`, `EmailExists`.
    pub async fn user_make(&self, new: NewUser) -> Result<(User, Option<(String, Secret)>), S3Error> {
        let NewUser { mut user, key } = new;
        let uid = user.uid.clone();
        check_uid(&uid)?;
        if user.is_account() && key != NewKey::Without {
            let message = "RGW and 17 digits is the id of an account, not of a user.";
            return Err(S3Error::invalid_argument(message, "uid", &uid));
        }
        if !user.account.is_empty() && self.account_get(&user.account).await?.is_none() {
            return Err(S3Error::new(Code::NoSuchAccount));
        }
        user.email = checked_email(&user.email)?;
        user.created = self.inner.rados.now();
        let key = match key {
            NewKey::Without => None,
            NewKey::Random => Some(checked(None)?),
            NewKey::Given(access, secret) => Some(checked(Some((access, secret)))?),
        };
        user.access_keys = key.iter().map(|(access, _)| access.clone()).collect();
        let mut ops = vec![Op::Create { exclusive: false }, absent(user_key(&uid))];
        let mut rows = vec![(user_key(&uid), to_bytes(&UserRow::of(&user)))];
        if let Some((access, secret)) = &key {
            ops.push(absent(access_key_key(access)));
            rows.push(key_row(&uid, "", access, secret));
        }
        if !user.email.is_empty() {
            ops.push(absent(email_key(&user.email)));
            rows.push((email_key(&user.email), Bytes::from(uid.clone())));
        }
        ops.push(Op::OmapSet { rows });
        match self.users_op(ops).await {
            Ok(_) => {
                self.forget_user(&user);
                Ok((user, key))
            }
            Err(e) if e.code == Errno::ECANCELED => Err(self.what_is_taken(&user).await?),
            Err(e) => Err(e.into()),
        }
    }

    /// Which part of a new user another has already.
    async fn what_is_taken(&self, user: &User) -> Result<S3Error, S3Error> {
        if self.user_row(&user.uid).await?.is_some() {
            return Ok(S3Error::new(Code::UserAlreadyExists));
        }
        let keys = user.access_keys.iter().map(|k| access_key_key(k)).collect();
        let key_taken = !self.user_rows(keys).await?.is_empty();
        Ok(S3Error::new(if key_taken { Code::KeyExists } else { Code::EmailExists }))
    }

    /// A user by id.
    pub async fn user_get(&self, uid: &str) -> Result<Option<User>, S3Error> {
        Ok(self.user_row(uid).await?.map(|(row, _)| row.user(uid)))
    }

    /// A user by id, from memory for a few seconds.
    pub async fn user_known(&self, uid: &str) -> Result<Option<Arc<User>>, S3Error> {
        let lock = || self.inner.users.users.lock().unwrap_or_else(PoisonError::into_inner);
        let ttl = self.inner.config.cache_ttl;
        if let Some((at, found)) = lock().get(uid)
            && at.elapsed() < ttl
        {
            return Ok(found.clone());
        }
        self.user_read(uid).await
    }

    /// A user by id as it is now; `user_known` goes by it for a while.
    pub(super) async fn user_read(&self, uid: &str) -> Result<Option<Arc<User>>, S3Error> {
        let found = self.user_get(uid).await?.map(Arc::new);
        let mut cache = self.inner.users.users.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(uid.to_string(), (Instant::now(), found.clone()));
        Ok(found)
    }

    /// The uid of an address.
    pub async fn user_of_email(&self, email: &str) -> Result<Option<String>, S3Error> {
        let email = checked_email(email)?;
        let found = self.user_rows(vec![email_key(&email)]).await?.pop();
        Ok(found.map(|(_, uid)| String::from_utf8_lossy(&uid).into_owned()))
    }

    /// The uid of an access key.
    pub async fn user_of_key(&self, access_key: &str) -> Result<Option<String>, S3Error> {
        Ok(self.lookup_access_key(access_key).await?.map(|c| c.user.uid.clone()))
    }

    /// All users and accounts, by id.
    pub async fn owner_list(&self) -> Result<Vec<User>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, ObjectName::new(names::USERS), Bytes::from_static(b"u")).await?;
        let mut users = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let uid = String::from_utf8_lossy(&key[1..]).into_owned();
            let row: UserRow = from_bytes(value).map_err(damaged("a user"))?;
            users.push(row.user(&uid));
        }
        Ok(users)
    }

    /// The ids of all who may own buckets.
    pub(crate) async fn owner_ids(&self) -> Result<Vec<String>, S3Error> {
        Ok(self.owner_list().await?.into_iter().map(|u| u.uid).collect())
    }

    /// Changes what is said of a user; its id, keys and time of creation stay. `NoSuchUser`, `EmailExists`.
    pub async fn user_change(
        &self,
        uid: &str,
        change: impl Fn(&mut User) -> Result<(), S3Error>,
    ) -> Result<User, S3Error> {
        self.change_user(uid, |row| {
            let before = row.email.clone();
            let mut user = row.clone().user(uid);
            change(&mut user)?;
            user.email = checked_email(&user.email)?;
            if (&user.account, user.account_root) != (&row.account, row.account_root) {
                let message = "Whoever is made in an account, or in none, stays there.";
                return Err(S3Error::with_message(Code::InvalidRequest, message));
            }
            let changed = UserRow::of(&user);
            *row = UserRow { access_keys: row.access_keys.clone(), created: row.created, ..changed };
            let mut ops = Vec::new();
            let mut rows = vec![(user_key(uid), to_bytes(&*row))];
            if row.email != before {
                if !row.email.is_empty() {
                    ops.push(absent(email_key(&row.email)));
                    rows.push((email_key(&row.email), Bytes::copy_from_slice(uid.as_bytes())));
                }
                if !before.is_empty() {
                    ops.push(Op::OmapRm { keys: vec![email_key(&before)] });
                }
            }
            ops.push(Op::OmapSet { rows });
            Ok(ops)
        })
        .await
        .map(|row| row.user(uid))
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
            if !row.email.is_empty() {
                keys.push(email_key(&row.email));
            }
            Ok(vec![Op::OmapRm { keys }])
        })
        .await
        .map(drop)
    }

    /// Changes a user's rows if they are still what was read, else reads again. The row as it is then.
    pub(super) async fn change_user(
        &self,
        uid: &str,
        change: impl Fn(&mut UserRow) -> Result<Vec<Op>, S3Error>,
    ) -> Result<UserRow, S3Error> {
        for _ in 0..TRIES {
            let (mut row, value) = self.user_row(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
            let before = row.clone();
            let mut ops = vec![Op::CmpOmap { key: user_key(uid), compare: Compare::Eq, value }];
            ops.extend(change(&mut row)?);
            match self.users_op(ops).await {
                Ok(_) => {
                    self.forget_user(&before.user(uid));
                    return Ok(row);
                }
                Err(e) if e.code == Errno::ECANCELED => {}
                Err(e) => return Err(e.into()),
            }
            // Somebody else changed the row, or an address is taken: that would not get better.
            let taken = self.user_rows(vec![email_key(&row.email)]).await?.pop();
            if taken.is_some_and(|(_, of)| of != uid.as_bytes()) {
                return Err(S3Error::new(Code::EmailExists));
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }

    /// Forgets what is remembered of a user and its keys.
    fn forget_user(&self, user: &User) {
        self.inner.users.users.lock().unwrap_or_else(PoisonError::into_inner).remove(&user.uid);
        for key in &user.access_keys {
            self.forget_key(key);
        }
    }
}
