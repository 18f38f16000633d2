//! Raft's log and vote in redb. Each write is one transaction, on disk before it is reported.

use super::{LOG, META, Store};
use crate::raft::TypeConfig;
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{Entry, LogId, OptionalSend, RaftLogId, RaftLogReader, StorageError, StorageIOError, Vote};
use redb::{ReadableDatabase, ReadableTable};
use std::fmt::Debug;
use std::ops::RangeBounds;

const VOTE: &str = "vote";
const PURGED: &str = "purged";

/// The log. Clones share the file.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    store: Store,
}

type Failure = StorageError<u64>;

/// What can go wrong below openraft's traits: redb, or bytes that are no entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Database(#[from] redb::Error),
    #[error("an entry of the log is damaged: {0}")]
    Entry(#[from] postcard::Error),
    #[error("a task of the store was lost: {0}")]
    Task(String),
}

macro_rules! from_redb {
    ($($t:ty)*) => { $( impl From<$t> for Broken {
        fn from(error: $t) -> Broken { Broken::Database(error.into()) }
    } )* };
}
from_redb!(redb::TransactionError redb::TableError redb::StorageError redb::CommitError);

fn writing(error: Broken) -> Failure {
    StorageIOError::write_logs(&error).into()
}
fn reading(error: Broken) -> Failure {
    StorageIOError::read_logs(&error).into()
}

/// Runs what waits for the disk where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Broken> + Send + 'static,
) -> Result<T, Broken> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(lost) => Err(Broken::Task(lost.to_string())),
    }
}

impl LogStore {
    pub(crate) fn new(store: Store) -> LogStore {
        LogStore { store }
    }

    fn read(&self, range: impl RangeBounds<u64>) -> Result<Vec<Entry<TypeConfig>>, Broken> {
        let table = self.store.db.begin_read()?.open_table(LOG)?;
        let mut entries = Vec::new();
        for row in table.range(range)? {
            entries.push(postcard::from_bytes(row?.1.value())?);
        }
        Ok(entries)
    }

    fn purged(&self) -> Result<Option<LogId<u64>>, Broken> {
        Ok(self.store.get(PURGED)?.map(|bytes| postcard::from_bytes(&bytes)).transpose()?)
    }

    fn state(&self) -> Result<LogState<TypeConfig>, Broken> {
        let purged = self.purged()?;
        let table = self.store.db.begin_read()?.open_table(LOG)?;
        let last = match table.last()? {
            Some((_, bytes)) => Some(postcard::from_bytes::<Entry<TypeConfig>>(bytes.value())?.log_id),
            None => None,
        };
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    fn insert(&self, rows: &[(u64, Vec<u8>)]) -> Result<(), Broken> {
        let txn = self.store.db.begin_write()?;
        {
            let mut table = txn.open_table(LOG)?;
            for (index, bytes) in rows {
                table.insert(index, bytes.as_slice())?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    fn remove(&self, range: impl RangeBounds<u64>, purged: Option<LogId<u64>>) -> Result<(), Broken> {
        let txn = self.store.db.begin_write()?;
        txn.open_table(LOG)?.retain_in(range, |_, _| false)?;
        if let Some(purged) = purged {
            txn.open_table(META)?.insert(PURGED, postcard::to_stdvec(&purged)?.as_slice())?;
        }
        txn.commit()?;
        Ok(())
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<TypeConfig>>, Failure> {
        // A read of pages that are nearly always cached: cheaper here than on another thread.
        self.read(range).map_err(reading)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, Failure> {
        self.state().map_err(reading)
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        let failed = |error: Broken| -> Failure { StorageIOError::write_vote(&error).into() };
        let (store, bytes) = (self.store.clone(), postcard::to_stdvec(vote).map_err(|e| failed(e.into()))?);
        blocking(move || Ok(store.put(VOTE, &bytes)?)).await.map_err(failed)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        let failed = |error: Broken| -> Failure { StorageIOError::read_vote(&error).into() };
        let bytes = self.store.get(VOTE).map_err(|e| failed(e.into()))?;
        bytes.map(|bytes| postcard::from_bytes(&bytes)).transpose().map_err(|e| failed(e.into()))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        for entry in entries {
            let bytes = postcard::to_stdvec(&entry).map_err(|e| writing(e.into()))?;
            rows.push((entry.get_log_id().index, bytes));
        }
        let log = self.clone();
        let done = blocking(move || log.insert(&rows)).await;
        match done {
            Ok(()) => {
                callback.log_io_completed(Ok(()));
                Ok(())
            }
            Err(error) => {
                callback.log_io_completed(Err(std::io::Error::other(error.to_string())));
                Err(writing(error))
            }
        }
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), Failure> {
        let log = self.clone();
        blocking(move || log.remove(from.index.., None)).await.map_err(writing)
    }

    async fn purge(&mut self, upto: LogId<u64>) -> Result<(), Failure> {
        let log = self.clone();
        blocking(move || log.remove(..=upto.index, Some(upto))).await.map_err(writing)
    }
}
