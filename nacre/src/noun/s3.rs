//! `nacre s3`: what the S3 gateways share. Storage classes: names that clients choose, and the pools behind them. The
//! cluster's keys for encrypted objects.

use super::user::{no, say};
use crate::cli::Global;
use crate::exit::Failure;
use crate::{session, table};
use clap::Subcommand;
use gateway_client::Client;
use gateway_s3::storage::{Storage, StorageConfig};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum S3Command {
    /// Storage classes, as x-amz-storage-class and lifecycle rules name them.
    #[command(subcommand)]
    StorageClass(StorageClassCommand),
    /// The keys that wrap those of encrypted objects (SSE-S3, and SSE-KMS unless Vault keeps them). None is ever shown.
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// All keys by id, and how many versions each has.
    Ls,
    /// Replace a key that may have leaked. What it wrapped can be read as before.
    Rotate {
        /// A wrapping key, such as aws/s3: new objects are wrapped by its new version within a minute, the earlier
        /// versions stay and open what they wrapped.
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        id: Option<String>,
        /// The root key: all wrapping keys are sealed anew, and it is forgotten.
        #[arg(long)]
        root: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum StorageClassCommand {
    /// All classes, and the pool of each.
    Ls,
    /// Make a class, or give it another pool from now on. What is in it stays where it is.
    Set {
        /// Its name: capital letters, digits, _ and -. STANDARD is what clients get who name none.
        name: String,
        /// The pool for its data, replicated or erasure-coded.
        #[arg(long)]
        pool: String,
    },
    /// Take a class away: nothing new comes into it, and what is in it stays. (STANDARD goes back to its first pool.)
    Rm {
        /// Its name.
        name: String,
    },
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &S3Command) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    let command = match command {
        S3Command::StorageClass(command) => command,
        S3Command::Key(command) => return keys(global, &storage, command).await,
    };
    match command {
        StorageClassCommand::Ls => {
            let classes = storage.storage_classes().await.map_err(no)?;
            let rows: Vec<Vec<String>> =
                classes.iter().map(|c| vec![c.name.clone(), c.pool.clone()]).collect();
            let list: Vec<Value> =
                classes.iter().map(|c| json!({ "name": c.name, "pool": c.pool })).collect();
            let plain = table::render(&["CLASS", "POOL"], &rows);
            say(global.format, plain.trim_end(), json!({ "storage_classes": list }));
        }
        StorageClassCommand::Set { name, pool } => {
            storage.storage_class_set(name, pool).await.map_err(no)?;
            let plain = format!("storage class {name}: pool {pool}");
            say(global.format, &plain, json!({ "name": name, "pool": pool }));
        }
        StorageClassCommand::Rm { name } => {
            storage.storage_class_rm(name).await.map_err(no)?;
            say(global.format, &format!("storage class {name} removed"), json!({ "removed": name }));
        }
    }
    Ok(())
}

async fn keys(global: &Global, storage: &Storage<Client>, command: &KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Ls => {
            let found = storage.encryption_keys().await.map_err(no)?;
            let rows: Vec<Vec<String>> =
                found.keys.iter().map(|(id, versions)| vec![id.clone(), versions.to_string()]).collect();
            let list: Vec<Value> =
                found.keys.iter().map(|(id, versions)| json!({ "id": id, "versions": versions })).collect();
            let mut plain = table::render(&["KEY", "VERSIONS"], &rows).trim_end().to_string();
            if found.former_roots > 0 {
                plain += "\na rotation of the root key is not finished; the gateways carry it on";
            }
            say(global.format, &plain, json!({ "keys": list, "former_roots": found.former_roots }));
        }
        KeyCommand::Rotate { id: Some(id), .. } => {
            let versions = storage.rotate_wrapping_key(id).await.map_err(no)?;
            let plain =
                format!("the key {id} has {versions} versions; new objects are wrapped by the newest");
            say(global.format, &plain, json!({ "key": id, "versions": versions }));
        }
        KeyCommand::Rotate { id: None, .. } => {
            let keys = storage.rotate_root_key().await.map_err(no)?;
            let plain = format!("the root key is another one, and {keys} keys are sealed by it");
            say(global.format, &plain, json!({ "sealed_anew": keys }));
        }
    }
    Ok(())
}
