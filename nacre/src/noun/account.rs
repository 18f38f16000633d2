//! `nacre account`: S3 accounts, which own what their users make.

use super::user::{no, quota_text, say};
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use clap::Subcommand;
use gateway_s3::storage::{Storage, StorageConfig, User};
use serde_json::{Value, json};

/// An account is named by its id: RGW and 17 digits.
#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account. Users come into it when they are made: `nacre user create --account-id ID --account-root`.
    Create {
        /// Its name for people.
        #[arg(long)]
        name: String,
        /// Its id; drawn if absent.
        #[arg(long)]
        id: Option<String>,
        /// Its e-mail address.
        #[arg(long, default_value = "")]
        email: String,
    },
    /// All accounts.
    Ls,
    /// One account, with its users.
    Info {
        /// Its id.
        id: String,
    },
    /// Remove an account that has neither users nor buckets.
    Rm {
        /// Its id.
        id: String,
    },
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &AccountCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    match command {
        AccountCommand::Create { name, id, email } => {
            let made = storage.account_create(id.as_deref(), name, email).await.map_err(no)?;
            show(global.format, &made, &[]);
        }
        AccountCommand::Ls => {
            let all = storage.account_list().await.map_err(no)?;
            let rows: Vec<Vec<String>> =
                all.iter().map(|a| vec![a.uid.clone(), a.display_name.clone()]).collect();
            let list: Vec<Value> = all.iter().map(|a| to_json(a, &[])).collect();
            say(
                global.format,
                table::render(&["ACCOUNT", "NAME"], &rows).trim_end(),
                json!({ "accounts": list }),
            );
        }
        AccountCommand::Info { id } => {
            let found = storage.account_get(id).await.map_err(no)?;
            let account = found.ok_or_else(|| {
                Failure::no(format!("there is no account {id:?}; `nacre account ls` names them"))
            })?;
            let mut users = storage.user_list().await.map_err(no)?;
            users.retain(|user| user.account == *id);
            show(global.format, &account, &users);
        }
        AccountCommand::Rm { id } => {
            storage.account_rm(id).await.map_err(no)?;
            say(global.format, &format!("account {id} removed"), json!({ "removed": id }));
        }
    }
    Ok(())
}

fn to_json(account: &User, users: &[User]) -> Value {
    let users: Vec<Value> =
        users.iter().map(|user| json!({ "uid": user.uid, "root": user.account_root })).collect();
    json!({
        "id": account.uid, "name": account.display_name, "email": account.email,
        "max_buckets": account.max_buckets, "users": users,
    })
}

fn show(format: Format, account: &User, users: &[User]) {
    let named = |user: &User| format!("{}{}", user.uid, if user.account_root { " (root)" } else { "" });
    let lines = [
        ("account", account.uid.clone()),
        ("name", account.display_name.clone()),
        ("email", account.email.clone()),
        ("quota", quota_text(&account.user_quota)),
        ("users", users.iter().map(named).collect::<Vec<_>>().join(", ")),
    ];
    let lines: Vec<String> =
        lines.iter().map(|(name, value)| format!("{name:<8} {value}").trim_end().to_string()).collect();
    say(format, &lines.join("\n"), to_json(account, users));
}
