//! `nacre s3`: what the S3 gateways share. Storage classes: names that clients choose, and the pools behind them.

use super::user::{no, say};
use crate::cli::Global;
use crate::exit::Failure;
use crate::{session, table};
use clap::Subcommand;
use gateway_s3::storage::{Storage, StorageConfig};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum S3Command {
    /// Storage classes, as x-amz-storage-class and lifecycle rules name them.
    #[command(subcommand)]
    StorageClass(StorageClassCommand),
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
    let S3Command::StorageClass(command) = command;
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
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
