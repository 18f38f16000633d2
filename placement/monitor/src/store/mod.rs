//! What a monitor keeps on disk: one redb file with its identity, vote, log and last snapshot.
//! Drawn in docs/formats/mon-store.md.

mod identity;
mod log;
mod machine;
#[cfg(test)]
mod suite_test;

pub(crate) use identity::Identity;
pub(crate) use log::LogStore;
pub(crate) use machine::Machine;

use redb::{Database, TableDefinition};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Raft log entries by index; openraft's `Entry` in postcard.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Everything there is one of, by name.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// The file in a monitor's directory.
const FILE: &str = "store.redb";
/// The page cache: a monitor's store is some MiB.
const CACHE_BYTES: usize = 16 << 20;

/// Why a monitor's store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store.
    #[error("{dir} holds no monitor; make one with `nacre cluster init`, or name the right directory", dir = .dir.display())]
    Missing {
        /// Where.
        dir: PathBuf,
    },
    /// There is one already.
    #[error("{dir} holds a monitor of cluster {fsid} already; it was left as it is", dir = .dir.display())]
    Exists {
        /// Where.
        dir: PathBuf,
        /// Whose.
        fsid: String,
    },
    /// Another process has it open.
    #[error("{dir} is in use by another process; a monitor runs on it already", dir = .dir.display())]
    InUse {
        /// Where.
        dir: PathBuf,
    },
    /// It belongs to another cluster or another monitor.
    #[error("{dir} belongs to {found}, not to {wanted}; check the directory", dir = .dir.display())]
    Foreign {
        /// Where.
        dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        wanted: String,
    },
    /// Its bytes are not what was written.
    #[error("the monitor store in {dir} is damaged ({what}); with other monitors alive, empty the directory and join anew, else restore a copy", dir = .dir.display())]
    Damaged {
        /// Where.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// The disk or the file system failed.
    #[error("cannot use the monitor store in {dir}: {what}", dir = .dir.display())]
    Io {
        /// Where.
        dir: PathBuf,
        /// The system's reason.
        what: String,
    },
}

impl StoreError {
    fn of_database(dir: &Path, error: redb::Error) -> StoreError {
        let dir = dir.to_owned();
        match error {
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse { dir },
            redb::Error::Io(io) if io.kind() != std::io::ErrorKind::InvalidData => {
                StoreError::Io { dir, what: io.to_string() }
            }
            other => StoreError::Damaged { dir, what: other.to_string() },
        }
    }
}

/// Nobody but its owner may look into a monitor's folder: the file in it tells all of the map, and is made for all to read.
fn keep_private(dir: &Path) -> std::io::Result<()> {
    let mode = std::fs::metadata(dir)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode & 0o700))
}

/// An open store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    db: Arc<Database>,
}

impl Store {
    /// Opens the store in `dir` and checks its pages' checksums.
    pub(crate) fn open(dir: &Path) -> Result<Store, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(StoreError::Missing { dir: dir.to_owned() });
        }
        // Those that older programs made; one that is another user's can still be served.
        if let Err(error) = keep_private(dir) {
            tracing::warn!(dir = %dir.display(), %error, "cannot keep other users out of the monitor's store");
        }
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let db = builder.open(&path).map_err(|error| StoreError::of_database(dir, error.into()))?;
        Ok(Store { dir: dir.to_owned(), db: Arc::new(db) })
    }

    /// Makes the store of a new monitor. Never touches one that exists.
    pub(crate) fn create(dir: &Path, identity: &Identity) -> Result<(), StoreError> {
        let io = |error: std::io::Error| StoreError::Io { dir: dir.to_owned(), what: error.to_string() };
        std::fs::create_dir_all(dir).map_err(io)?;
        keep_private(dir).map_err(io)?;
        if dir.join(FILE).exists() {
            let fsid = Store::open(dir)?.identity()?.fsid.to_string();
            return Err(StoreError::Exists { dir: dir.to_owned(), fsid });
        }
        // Under another name first: a crash on the way leaves no half-made store.
        let making = dir.join(format!("{FILE}.new"));
        if making.exists() {
            std::fs::remove_file(&making).map_err(io)?;
        }
        let fill = || -> Result<(), redb::Error> {
            let db = Database::builder().set_cache_size(CACHE_BYTES).create(&making)?;
            let txn = db.begin_write()?;
            txn.open_table(LOG)?;
            txn.open_table(META)?.insert(identity::KEY, identity.to_bytes().as_ref())?;
            txn.commit()?;
            db.close()?;
            Ok(())
        };
        fill().map_err(|error| StoreError::of_database(dir, error))?;
        std::fs::rename(&making, dir.join(FILE)).map_err(io)?;
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
    }

    /// Whose store it is.
    pub(crate) fn identity(&self) -> Result<Identity, StoreError> {
        let bytes = self.get(identity::KEY).map_err(|error| StoreError::of_database(&self.dir, error))?;
        let damaged = |what: &str| StoreError::Damaged { dir: self.dir.clone(), what: what.to_owned() };
        let bytes = bytes.ok_or_else(|| damaged("it names no cluster"))?;
        Identity::from_bytes(bytes).map_err(|error| damaged(&error.to_string()))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
        use redb::ReadableDatabase;
        let table = self.db.begin_read()?.open_table(META)?;
        Ok(table.get(key)?.map(|found| found.value().to_vec()))
    }

    /// Durable when it returns.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), redb::Error> {
        let txn = self.db.begin_write()?;
        txn.open_table(META)?.insert(key, value)?;
        txn.commit()?;
        Ok(())
    }
}
