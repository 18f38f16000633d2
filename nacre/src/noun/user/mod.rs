//! `nacre user`: S3 users, their keys, limits and capabilities.

mod show;
pub(crate) mod words;

use crate::cli::Global;
use crate::exit::Failure;
use crate::session;
use gateway_client::Client;
use gateway_s3::storage::{Access, Caps, NewKey, NewUser, Quota, Secret, Storage, StorageConfig, User};
use gateway_s3::{Code, S3Error};
use serde_json::json;
pub(super) use show::{quota_json, quota_text, say};
use show::{show_credential, show_user, show_users};
use words::{CapsCommand, KeyCommand, Limits, QuotaCommand, Said, Scope, SubuserCommand, UserCommand};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &UserCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    let format = global.format;
    match command {
        UserCommand::Create { uid, access_key, secret_key, caps, account_id, account_root, said } => {
            let mut new = NewUser::new(uid, uid);
            put_said(&mut new.user, said);
            new.user.account = account_id.clone().unwrap_or_default();
            new.user.account_root = *account_root;
            new.user.caps = Caps::parse(caps.as_deref().unwrap_or("")).map_err(no)?;
            let (access, secret) = pair(access_key.as_deref(), secret_key.as_deref())?;
            new.key = NewKey::Given(access.clone(), secret.clone());
            let (user, _) = storage.user_make(new).await.map_err(no)?;
            show_credential(format, &user.uid, &access, &secret);
        }
        UserCommand::Ls => show_users(format, &storage.user_list().await.map_err(no)?),
        UserCommand::Info { uid, stats } => {
            let user = get(&storage, uid).await?;
            let usage = if *stats { Some(storage.user_usage(uid).await.map_err(no)?) } else { None };
            show_user(format, &user, usage);
        }
        UserCommand::Modify { uid, said } => {
            let change = |user: &mut User| {
                put_said(user, said);
                Ok(())
            };
            show_user(format, &storage.user_change(uid, change).await.map_err(no)?, None);
        }
        UserCommand::Suspend { uid } => suspend(&storage, global, uid, true).await?,
        UserCommand::Enable { uid } => suspend(&storage, global, uid, false).await?,
        UserCommand::Rm { uid, purge_data } => {
            if *purge_data {
                storage.user_purge(uid).await.map_err(no)?;
            } else {
                storage.user_rm(uid).await.map_err(no)?;
            }
            say(format, &format!("user {uid} removed"), json!({ "removed": uid }));
        }
        UserCommand::Key(KeyCommand::Create { uid, access_key, secret_key }) => {
            let key = pair(access_key.as_deref(), secret_key.as_deref())?;
            let made = storage.key_create(uid, Some(key)).await.map_err(no)?;
            show_credential(format, &made.user.uid, &made.access_key, &made.secret);
        }
        UserCommand::Key(KeyCommand::Ls { uid }) => {
            let user = get(&storage, uid).await?;
            let lines = user.access_keys.join("\n");
            say(format, &lines, json!({ "uid": uid, "access_keys": user.access_keys }));
        }
        UserCommand::Key(KeyCommand::Rm { uid, access_key }) => {
            storage.key_rm(uid, access_key).await.map_err(no)?;
            say(format, &format!("key {access_key} removed"), json!({ "removed": access_key }));
        }
        UserCommand::Subuser(SubuserCommand::Create { uid, name, access }) => {
            let access = Access::parse(access).map_err(no)?;
            let had = storage.user_get(uid).await.map_err(no)?.is_some_and(|u| u.subusers.contains_key(name));
            let put = |user: &mut User| {
                user.subusers.insert(name.clone(), access);
                Ok(())
            };
            let user = storage.user_change(uid, put).await.map_err(no)?;
            if had {
                show_user(format, &user, None);
            } else {
                let key = storage.key_create_for(uid, name, None).await.map_err(no)?;
                show_credential(format, &format!("{uid}:{name}"), &key.access_key, &key.secret);
            }
        }
        UserCommand::Subuser(SubuserCommand::Rm { uid, name }) => {
            storage.subuser_rm(uid, name).await.map_err(no)?;
            let removed = format!("{uid}:{name}");
            say(format, &format!("subuser {removed} removed"), json!({ "removed": removed }));
        }
        UserCommand::Quota(command) => quota(&storage, global, command).await?,
        UserCommand::Caps(command) => {
            let (uid, text, add) = match command {
                CapsCommand::Add { uid, caps } => (uid, caps, true),
                CapsCommand::Rm { uid, caps } => (uid, caps, false),
            };
            let caps = Caps::parse(text).map_err(no)?;
            let change = |user: &mut User| {
                if add {
                    user.caps.add(&caps)
                } else {
                    user.caps.remove(&caps)
                }
                Ok(())
            };
            show_user(format, &storage.user_change(uid, change).await.map_err(no)?, None);
        }
    }
    Ok(())
}

/// What storage refuses is a no; what it could not do because the cluster did not answer is not.
pub(super) fn no(error: S3Error) -> Failure {
    match error.code() {
        Code::InternalError | Code::ServiceUnavailable => Failure::unusable(error),
        _ => Failure::no(error),
    }
}

async fn get(storage: &Storage<Client>, uid: &str) -> Result<User, Failure> {
    let user = storage.user_get(uid).await.map_err(no)?;
    user.ok_or_else(|| Failure::no(format!("there is no user {uid:?}; `nacre user ls` names them")))
}

fn pair(access: Option<&str>, secret: Option<&str>) -> Result<(String, Secret), Failure> {
    match (access, crate::keys::given_secret(secret)?) {
        (Some(access), Some(secret)) => Ok((access.to_string(), Secret::new(&secret))),
        _ => crate::keys::draw().map(|(access, secret)| (access, Secret::new(secret))),
    }
}

fn put_said(user: &mut User, said: &Said) {
    if let Some(name) = &said.display_name {
        user.display_name.clone_from(name);
    }
    if let Some(email) = &said.email {
        user.email.clone_from(email);
    }
    if let Some(max) = said.max_buckets {
        user.max_buckets = max;
    }
}

async fn suspend(
    storage: &Storage<Client>,
    global: &Global,
    uid: &str,
    suspended: bool,
) -> Result<(), Failure> {
    let change = |user: &mut User| {
        user.suspended = suspended;
        Ok(())
    };
    storage.user_change(uid, change).await.map_err(no)?;
    let word = if suspended { "suspended" } else { "enabled" };
    say(global.format, &format!("user {uid} {word}"), json!({ "uid": uid, "suspended": suspended }));
    Ok(())
}

async fn quota(storage: &Storage<Client>, global: &Global, command: &QuotaCommand) -> Result<(), Failure> {
    let (uid, scope) = match command {
        QuotaCommand::Set { uid, scope, .. }
        | QuotaCommand::Enable { uid, scope }
        | QuotaCommand::Disable { uid, scope } => (uid, *scope),
    };
    let change = |user: &mut User| {
        let quota = if scope == Scope::User { &mut user.user_quota } else { &mut user.bucket_quota };
        match command {
            QuotaCommand::Set { limits, .. } => put_limits(quota, limits),
            QuotaCommand::Enable { .. } => quota.enabled = true,
            QuotaCommand::Disable { .. } => quota.enabled = false,
        }
        Ok(())
    };
    show_user(global.format, &storage.user_change(uid, change).await.map_err(no)?, None);
    Ok(())
}

/// Sets what is said; it holds from then on.
pub(super) fn put_limits(quota: &mut Quota, limits: &Limits) {
    quota.max_bytes = limits.max_size.unwrap_or(quota.max_bytes);
    quota.max_objects = limits.max_objects.unwrap_or(quota.max_objects);
    quota.enabled = true;
}
