//! The index in RocksDB: its own log off, all families flushed atomically, and never by itself.

use super::batch::Ops;
use super::{APPLIED_KEY, Family, Index, IndexBatch, IndexError, IndexOp, Visit, applied_of};
use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, FlushOptions,
    LogLevel, Options, ReadOptions, ReadTier, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};

/// Large enough that RocksDB never flushes of its own accord: the store flushes long before, and only when
/// all that the memtables hold is durable in its log.
const NEVER_FLUSH_BYTES: usize = 8 << 30;
/// Level-0 files at which RocksDB would slow writers down, and stop them. Writers are the reactor, so far away.
const SLOWDOWN_FILES: i32 = 64;
const STOP_FILES: i32 = 128;

/// A RocksDB database under the index contract.
pub struct RocksIndex {
    db: DB,
    cache: Cache,
    path: PathBuf,
    unlogged: WriteOptions,
}

impl RocksIndex {
    /// Makes an empty index. Fails if there is one.
    pub fn create(path: &Path, memory_bytes: u64) -> Result<RocksIndex, IndexError> {
        let mut options = options(memory_bytes)?;
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        RocksIndex::with(options, path, memory_bytes, false)
    }

    /// Opens an index that exists.
    pub fn open(path: &Path, memory_bytes: u64) -> Result<RocksIndex, IndexError> {
        RocksIndex::with(options(memory_bytes)?, path, memory_bytes, false)
    }

    /// Opens an index that exists for reading: no file of it is made, changed or removed, and every change is an
    /// error. RocksDB takes no lock then: whoever opens the device beside it for itself must hold that one.
    pub fn open_read_only(path: &Path, memory_bytes: u64) -> Result<RocksIndex, IndexError> {
        RocksIndex::with(options(memory_bytes)?, path, memory_bytes, true)
    }

    fn with(
        options: Options,
        path: &Path,
        memory_bytes: u64,
        read_only: bool,
    ) -> Result<RocksIndex, IndexError> {
        let cache = Cache::new_lru_cache(cache_bytes(memory_bytes));
        let names = Family::ALL.map(Family::name).into_iter().chain(["default"]);
        let families = names.map(|name| ColumnFamilyDescriptor::new(name, family_options(&cache)));
        let db = match read_only {
            false => DB::open_cf_descriptors(&options, path, families),
            true => DB::open_cf_descriptors_read_only(&options, path, families, false),
        };
        let db = db.map_err(|e| IndexError::new("open the index", e))?;
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        Ok(RocksIndex { db, cache, path: path.to_path_buf(), unlogged })
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("every family was opened")
    }

    fn flush(&mut self, lsn: u64, wait: bool) -> Result<(), IndexError> {
        let mut batch = IndexBatch::new();
        batch.put(Family::Misc, APPLIED_KEY, &lsn.to_le_bytes());
        self.write(batch.as_bytes())?;
        let mut how = FlushOptions::default();
        how.set_wait(wait);
        let families = Family::ALL.map(|f| self.family(f));
        // Without `wait` this returns once the memtables are switched: what is written from here on belongs
        // to the next flush.
        self.db
            .flush_cfs_opt(&families.iter().collect::<Vec<_>>(), &how)
            .map_err(|e| IndexError::new("flush the index", e))
    }
}

impl Index for RocksIndex {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let value = self.db.get_pinned_cf(self.family(family), key);
        Ok(value.map_err(|e| IndexError::new("read the index", e))?.map(|v| Bytes::copy_from_slice(&v)))
    }

    fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        if end.is_some_and(|end| start >= end) {
            return Ok(());
        }
        let mut how = ReadOptions::default();
        how.set_iterate_lower_bound(start);
        if let Some(end) = end {
            how.set_iterate_upper_bound(end);
        }
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family), how);
        if reverse {
            rows.seek_to_last()
        } else {
            rows.seek_to_first()
        }
        while let Some((key, value)) = rows.item() {
            if !visit(key, value) {
                break;
            }
            if reverse { rows.prev() } else { rows.next() }
        }
        rows.status().map_err(|e| IndexError::new("read the index", e))
    }

    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
        let mut batch = WriteBatch::with_capacity_bytes(changes.len() + 16);
        for op in Ops::new(changes) {
            match op? {
                IndexOp::Put(f, k, v) => batch.put_cf(self.family(f), k, v),
                IndexOp::Delete(f, k) => batch.delete_cf(self.family(f), k),
                IndexOp::DeleteRange(f, start, end) => batch.delete_range_cf(self.family(f), start, end),
            }
        }
        self.db.write_opt(batch, &self.unlogged).map_err(|e| IndexError::new("write the index", e))
    }

    fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.flush(lsn, false)
    }

    fn persisted_lsn(&self) -> Result<u64, IndexError> {
        let mut how = ReadOptions::default();
        how.set_read_tier(ReadTier::Persisted);
        let row = self.db.get_cf_opt(self.family(Family::Misc), APPLIED_KEY, &how);
        applied_of(row.map_err(|e| IndexError::new("read the index", e))?.map(Bytes::from))
    }

    fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.flush(lsn, true)
    }

    fn set_memory_target(&mut self, bytes: u64) {
        self.cache.set_capacity(cache_bytes(bytes));
    }

    fn disk_bytes(&self) -> u64 {
        let Ok(files) = std::fs::read_dir(&self.path) else { return 0 };
        files.flatten().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum()
    }
}

/// Of a memory target, what blocks of the index may take.
fn cache_bytes(memory_bytes: u64) -> usize {
    (memory_bytes / 4) as usize
}

fn options(memory_bytes: u64) -> Result<Options, IndexError> {
    // By this string only: the binding has no setter. Closing must not flush: what is in the memtables may
    // not be durable in the log.
    let mut o = Options::default()
        .get_options_from_string("avoid_flush_during_shutdown=true")
        .map_err(|e| IndexError::new("set index options", e))?;
    o.set_atomic_flush(true);
    o.set_max_background_jobs(2);
    o.set_max_open_files(512);
    o.set_use_direct_io_for_flush_and_compaction(true);
    o.set_bytes_per_sync(1 << 20);
    o.set_allow_concurrent_memtable_write(false);
    o.set_skip_stats_update_on_db_open(true);
    o.set_stats_dump_period_sec(0);
    o.set_stats_persist_period_sec(0);
    o.set_log_level(LogLevel::Warn);
    o.set_max_log_file_size(1 << 20);
    o.set_keep_log_file_num(2);
    o.set_compaction_readahead_size((memory_bytes / 128).clamp(256 << 10, 2 << 20) as usize);
    Ok(o)
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_optimize_filters_for_memory(true);
    // Index and filter blocks are part of the cache, so that its limit holds whatever the index's size.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut o = Options::default();
    o.set_block_based_table_factory(&table);
    o.set_write_buffer_size(NEVER_FLUSH_BYTES);
    o.set_max_write_buffer_number(8);
    o.set_level_zero_file_num_compaction_trigger(4);
    o.set_level_zero_slowdown_writes_trigger(SLOWDOWN_FILES);
    o.set_level_zero_stop_writes_trigger(STOP_FILES);
    o.set_max_bytes_for_level_base(64 << 20);
    o.set_target_file_size_base(32 << 20);
    o.set_compression_per_level(&[DBCompressionType::None, DBCompressionType::None, DBCompressionType::Lz4]);
    o
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(index: &mut RocksIndex, key: &[u8], value: &[u8]) {
        let mut b = IndexBatch::new();
        b.put(Family::Rows, key, value);
        b.put(Family::Objects, key, value);
        index.write(b.as_bytes()).unwrap();
    }

    #[test]
    fn a_reopened_index_is_the_state_of_its_last_flush() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let mut index = RocksIndex::create(&path, 32 << 20).unwrap();
        assert_eq!(index.persisted_lsn().unwrap(), 0);
        put(&mut index, b"a", b"1");
        index.flush_wait(7).unwrap();
        assert_eq!(index.persisted_lsn().unwrap(), 7);
        put(&mut index, b"b", b"2");
        let mut rm = IndexBatch::new();
        rm.delete_range(Family::Rows, b"a", b"b");
        index.write(rm.as_bytes()).unwrap();
        assert_eq!(index.get(Family::Rows, b"a").unwrap(), None);
        drop(index);

        let mut index = RocksIndex::open(&path, 32 << 20).unwrap();
        assert_eq!(index.persisted_lsn().unwrap(), 7);
        assert_eq!(index.get(Family::Rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(index.get(Family::Objects, b"b").unwrap(), None);
        // A background flush takes what was written before it began, and only that.
        put(&mut index, b"c", b"3");
        index.flush_begin(8).unwrap();
        put(&mut index, b"d", b"4");
        while index.persisted_lsn().unwrap() < 8 {
            std::thread::yield_now();
        }
        drop(index);
        let index = RocksIndex::open(&path, 32 << 20).unwrap();
        assert_eq!(index.get(Family::Rows, b"c").unwrap().as_deref(), Some(&b"3"[..]));
        assert_eq!(index.get(Family::Rows, b"d").unwrap(), None);
        let mut seen = Vec::new();
        index
            .scan(Family::Rows, b"", None, true, &mut |k, _| {
                seen.push(k.to_vec());
                true
            })
            .unwrap();
        assert_eq!(seen, [b"c".to_vec(), b"a".to_vec()]);
        assert!(index.disk_bytes() > 0);
    }

    #[test]
    fn create_refuses_what_exists_and_open_what_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(RocksIndex::open(&dir.path().join("none"), 1 << 20).is_err());
        let path = dir.path().join("index");
        drop(RocksIndex::create(&path, 1 << 20).unwrap());
        assert!(RocksIndex::create(&path, 1 << 20).is_err());
    }
}
