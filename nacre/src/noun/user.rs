//! `nacre user`: S3 users and their keys.

use crate::cli::{Format, Global, KeyCommand, UserCommand};
use crate::exit::Failure;
use crate::{session, table};
use gateway_s3::storage::{Credential, Secret, Storage, StorageConfig, User};
use serde_json::json;

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &UserCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    match command {
        UserCommand::Create { uid, display_name, access_key, secret_key } => {
            let pair = match (access_key, secret_key) {
                (Some(a), Some(s)) => (a.clone(), Secret::new(s)),
                _ => crate::keys::draw().map(|(a, s)| (a, Secret::new(s)))?,
            };
            let name = display_name.as_deref().unwrap_or(uid);
            let made = storage.user_create(uid, name, Some(pair)).await.map_err(Failure::no)?;
            show_credential(global.format, &made);
        }
        UserCommand::Ls => show_users(global.format, &storage.user_list().await.map_err(Failure::no)?),
        UserCommand::Rm { uid } => {
            storage.user_rm(uid).await.map_err(Failure::no)?;
            say(global.format, &format!("user {uid} removed"), json!({ "removed": uid }));
        }
        UserCommand::Key(KeyCommand::Create { uid }) => {
            let (access, secret) = crate::keys::draw()?;
            let made =
                storage.key_create(uid, Some((access, Secret::new(secret)))).await.map_err(Failure::no)?;
            show_credential(global.format, &made);
        }
        UserCommand::Key(KeyCommand::Ls { uid }) => {
            let user = storage.user_get(uid).await.map_err(Failure::no)?;
            let user = user.ok_or_else(|| Failure::no(format!("there is no user {uid:?}")))?;
            let lines = user.access_keys.join("\n");
            say(global.format, &lines, json!({ "uid": uid, "access_keys": user.access_keys }));
        }
        UserCommand::Key(KeyCommand::Rm { uid, access_key }) => {
            storage.key_rm(uid, access_key).await.map_err(Failure::no)?;
            say(global.format, &format!("key {access_key} removed"), json!({ "removed": access_key }));
        }
    }
    Ok(())
}

fn say(format: Format, plain: &str, json: serde_json::Value) {
    match format {
        Format::Plain => println!("{plain}"),
        Format::Json => println!("{json}"),
    }
}

/// The one time that a secret is shown: to the person who has just made it.
fn show_credential(format: Format, made: &Credential) {
    let (uid, access, secret) = (&made.user.uid, &made.access_key, made.secret.reveal());
    say(
        format,
        &format!("user        {uid}\naccess key  {access}\nsecret key  {secret}"),
        json!({ "uid": uid, "access_key": access, "secret_key": secret }),
    );
}

fn show_users(format: Format, users: &[User]) {
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|u| vec![u.uid.clone(), u.display_name.clone(), u.access_keys.len().to_string()])
        .collect();
    let list: Vec<serde_json::Value> = users
        .iter()
        .map(|u| json!({ "uid": u.uid, "display_name": u.display_name, "access_keys": u.access_keys }))
        .collect();
    say(format, table::render(&["UID", "NAME", "KEYS"], &rows).trim_end(), json!({ "users": list }));
}
