//! `/admin/user`: users, their keys, capabilities and quotas.

use super::{
    DOCUMENT_BYTES_MAX, needs, number, page_of, required, required_uid, shapes, switch, text, uid_of,
};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::{Caps, NewKey, NewUser, Secret, User, is_account_id};
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};

type Answer = Result<Option<Value>, S3Error>;

/// Finds what is asked and does it.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Answer {
    needs(&rq, "users", rq.method != Method::GET)?;
    let about = ["key", "caps", "quota", "subuser", "list"].into_iter().find(|name| rq.query.has(name));
    match (rq.method.as_str(), about) {
        ("GET", None) => info(gw, &rq).await.map(Some),
        ("GET", Some("list")) => {
            let uids = gw.storage.user_list().await?.into_iter().map(|u| u.uid).collect();
            page_of(&rq, uids).map(Some)
        }
        ("PUT", None) => create(gw, &rq).await.map(Some),
        ("POST", None) => modify(gw, &rq).await.map(Some),
        ("DELETE", None) => remove(gw, &rq).await,
        ("PUT", Some("key")) => key_create(gw, &rq).await.map(Some),
        ("DELETE", Some("key")) => key_remove(gw, &rq).await,
        ("PUT", Some("caps")) => change_caps(gw, &rq, Caps::add).await.map(Some),
        ("DELETE", Some("caps")) => change_caps(gw, &rq, Caps::remove).await.map(Some),
        ("GET", Some("quota")) => quota(gw, &rq).await.map(Some),
        ("PUT", Some("quota")) => set_quota(gw, rq).await,
        (_, Some("subuser")) => super::subuser::run(gw, &rq).await,
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

async fn shown<R: Rados>(gw: &Gateway<R>, user: &User) -> Result<Value, S3Error> {
    Ok(shapes::user(user, &gw.storage.user_keys(&user.uid).await?))
}

pub(super) async fn found<R: Rados>(gw: &Gateway<R>, uid: &str) -> Result<User, S3Error> {
    let user = gw.storage.user_get(uid).await?.filter(|user| !user.is_account());
    user.ok_or_else(|| Code::NoSuchUser.into())
}

async fn info<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let uid = match (uid_of(rq), text(rq, "access-key")) {
        (Some(uid), _) => uid,
        (None, Some(key)) => {
            gw.storage.user_of_key(key).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?
        }
        (None, None) => return Err(required_uid(rq).err().unwrap_or_else(|| Code::NoSuchUser.into())),
    };
    let user = found(gw, &uid).await?;
    let mut shape = shown(gw, &user).await?;
    if switch(rq, "stats")? == Some(true) {
        shape["stats"] = shapes::usage(&gw.storage.user_usage(&uid).await?);
    }
    Ok(shape)
}

/// The key pair that the parameters name; a secret that is missing is refused rather than drawn: it would be told
/// to nobody who expects one.
pub(super) fn key_of(rq: &Request) -> Result<Option<(String, Secret)>, S3Error> {
    match (text(rq, "access-key"), text(rq, "secret-key")) {
        (Some(access), Some(secret)) => Ok(Some((access.to_string(), Secret::new(secret)))),
        (None, None) => Ok(None),
        _ => {
            let message = "access-key and secret-key go together.";
            Err(S3Error::invalid_argument(message, "secret-key", ""))
        }
    }
}

/// Sets what the parameters say of a user.
fn put_said(user: &mut User, rq: &Request) -> Result<(), S3Error> {
    if let Some(name) = text(rq, "display-name") {
        user.display_name = name.to_string();
    }
    if let Some(email) = rq.query.get("email") {
        user.email = email.to_string();
    }
    if let Some(max) = number(rq, "max-buckets")? {
        user.max_buckets = max;
    }
    if let Some(suspended) = switch(rq, "suspended")? {
        user.suspended = suspended;
    }
    if let Some(caps) = text(rq, "user-caps") {
        user.caps.add(&Caps::parse(caps)?);
    }
    Ok(())
}

/// Only S3 keys are made here.
pub(super) fn check_key_type(rq: &Request) -> Result<(), S3Error> {
    match text(rq, "key-type") {
        None | Some("s3") => Ok(()),
        Some(_) => Err(S3Error::with_message(Code::NotImplemented, "Only keys of the type s3 can be made.")),
    }
}

async fn create<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let (uid, name) = (required_uid(rq)?, required(rq, "display-name")?);
    check_key_type(rq)?;
    if is_account_id(&uid) {
        return Err(S3Error::invalid_argument("This is the id of an account.", "uid", &uid));
    }
    let mut new = NewUser::new(&uid, name);
    new.user.account = text(rq, "account-id").unwrap_or("").to_string();
    new.user.account_root = switch(rq, "account-root")? == Some(true);
    if new.user.account_root && new.user.account.is_empty() {
        let message = "account-root goes with account-id.";
        return Err(S3Error::invalid_argument(message, "account-root", ""));
    }
    put_said(&mut new.user, rq)?;
    new.key = match key_of(rq)? {
        Some((access, secret)) => NewKey::Given(access, secret),
        None if switch(rq, "generate-key")? == Some(false) => NewKey::Without,
        None => NewKey::Random,
    };
    let (user, _) = gw.storage.user_make(new).await?;
    shown(gw, &user).await
}

async fn modify<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let uid = required_uid(rq)?;
    check_key_type(rq)?;
    let user = gw.storage.user_change(&uid, |user| put_said(user, rq)).await?;
    let key = key_of(rq)?;
    if key.is_some() || switch(rq, "generate-key")? == Some(true) {
        put_key(gw, &user, key).await?;
    }
    shown(gw, &found(gw, &uid).await?).await
}

/// Adds a key; one that the user has already gets the new secret.
async fn put_key<R: Rados>(
    gw: &Gateway<R>,
    user: &User,
    key: Option<(String, Secret)>,
) -> Result<(), S3Error> {
    if let Some((access, _)) = &key
        && user.access_keys.contains(access)
    {
        gw.storage.key_rm(&user.uid, access).await?;
    }
    gw.storage.key_create(&user.uid, key).await.map(drop)
}

async fn remove<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    let uid = required_uid(rq)?;
    found(gw, &uid).await?;
    if switch(rq, "purge-data")? == Some(true) {
        gw.storage.user_purge(&uid).await?;
    } else {
        gw.storage.user_rm(&uid).await?;
    }
    Ok(None)
}

async fn key_create<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let uid = required_uid(rq)?;
    check_key_type(rq)?;
    let user = found(gw, &uid).await?;
    put_key(gw, &user, key_of(rq)?).await?;
    Ok(shapes::keys(&uid, &gw.storage.user_keys(&uid).await?))
}

async fn key_remove<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    check_key_type(rq)?;
    let access = required(rq, "access-key")?;
    let owner =
        gw.storage.user_of_key(access).await?.ok_or_else(|| S3Error::new(Code::InvalidAccessKeyId))?;
    if uid_of(rq).is_some_and(|uid| uid != owner) {
        return Err(Code::InvalidAccessKeyId.into());
    }
    gw.storage.key_rm(&owner, access).await?;
    Ok(None)
}

async fn change_caps<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    change: fn(&mut Caps, &Caps),
) -> Result<Value, S3Error> {
    let uid = required_uid(rq)?;
    let caps = Caps::parse(required(rq, "user-caps")?)?;
    let user = gw.storage.user_change(&uid, |user| {
        change(&mut user.caps, &caps);
        Ok(())
    });
    Ok(shapes::caps(&user.await?.caps))
}

async fn quota<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let user = found(gw, &required_uid(rq)?).await?;
    match text(rq, "quota-type") {
        None => Ok(json!({
            "user_quota": shapes::quota(&user.user_quota),
            "bucket_quota": shapes::quota(&user.bucket_quota),
        })),
        Some("user") => Ok(shapes::quota(&user.user_quota)),
        Some("bucket") => Ok(shapes::quota(&user.bucket_quota)),
        Some(other) => Err(wrong_type(other)),
    }
}

async fn set_quota<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Answer {
    let document = rq.optional_document(DOCUMENT_BYTES_MAX).await?;
    let of_user = match text(&rq, "quota-type") {
        Some("user") => true,
        Some("bucket") => false,
        other => return Err(wrong_type(other.unwrap_or(""))),
    };
    let change = |user: &mut User| {
        let quota = if of_user { &mut user.user_quota } else { &mut user.bucket_quota };
        shapes::change_quota(quota, &rq, &document)
    };
    gw.storage.user_change(&required_uid(&rq)?, change).await?;
    Ok(None)
}

fn wrong_type(word: &str) -> S3Error {
    S3Error::invalid_argument("quota-type must be user or bucket.", "quota-type", word)
}
