//! A file system in memory, mounted through FUSE, that forgets what was not synced when its power fails.

mod state;

use fuser::consts::FOPEN_DIRECT_IO;
use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};
use state::{Error, ROOT, State};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store_under_test::harness::host::Power;

/// Nothing is cached by the kernel: it would outlive a power failure.
const TTL: Duration = Duration::ZERO;

/// Its power, shared with whoever pulls the plug.
#[derive(Clone)]
pub(crate) struct Forgetful(Arc<Mutex<State>>);

impl Forgetful {
    pub(crate) fn new() -> Forgetful {
        Forgetful(Arc::new(Mutex::new(State::new())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no operation panics")
    }

    fn attr(&self, node: u64) -> Result<FileAttr, Error> {
        let (is_folder, size) = self.state().look(node)?;
        Ok(FileAttr {
            ino: node,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_folder { FileType::Directory } else { FileType::RegularFile },
            perm: 0o700,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn entry(&self, node: Result<u64, Error>, reply: ReplyEntry) {
        match node.and_then(|node| self.attr(node)) {
            Ok(attr) => reply.entry(&TTL, &attr, 0),
            Err(e) => reply.error(e),
        }
    }
}

fn answer(outcome: Result<(), Error>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(e),
    }
}

impl Power for Forgetful {
    fn fail_after(&self, operations: u64) {
        self.state().fail_after(operations);
    }
    fn has_failed(&self) -> bool {
        self.state().has_failed()
    }
    fn restore(&self, seed: u64) {
        self.state().restore(seed);
    }
}

impl Filesystem for Forgetful {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let node = self.state().lookup(parent, &name.into());
        self.entry(node, reply);
    }

    fn getattr(&mut self, _: &Request<'_>, node: u64, _: Option<u64>, reply: ReplyAttr) {
        match self.attr(node) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(e) => reply.error(e),
        }
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        node: u64,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<u64>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        let sized = size.map_or(Ok(()), |size| self.state().resize(node, size));
        match sized.and_then(|()| self.attr(node)) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(e) => reply.error(e),
        }
    }

    fn mkdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let node = self.state().make(parent, name.into(), true);
        self.entry(node, reply);
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let node = self.state().make(parent, name.into(), false);
        match node.and_then(|node| self.attr(node)) {
            Ok(attr) => reply.created(&TTL, &attr, 0, 0, FOPEN_DIRECT_IO),
            Err(e) => reply.error(e),
        }
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        answer(self.state().remove(parent, name.into()), reply);
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        answer(self.state().remove(parent, name.into()), reply);
    }

    fn rename(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        new_parent: u64,
        new_name: &OsStr,
        _flags: u32,
        reply: ReplyEmpty,
    ) {
        answer(self.state().rename((parent, name.into()), (new_parent, new_name.into())), reply);
    }

    fn open(&mut self, _: &Request<'_>, node: u64, _flags: i32, reply: ReplyOpen) {
        match self.state().look(node) {
            Ok(_) => reply.opened(0, FOPEN_DIRECT_IO),
            Err(e) => reply.error(e),
        }
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        node: u64,
        _fh: u64,
        offset: i64,
        size: u32,
        _flags: i32,
        _lock: Option<u64>,
        reply: ReplyData,
    ) {
        match self.state().read(node, offset.unsigned_abs(), size as usize) {
            Ok(data) => reply.data(&data),
            Err(e) => reply.error(e),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        node: u64,
        _fh: u64,
        offset: i64,
        data: &[u8],
        _write_flags: u32,
        flags: i32,
        _lock: Option<u64>,
        reply: ReplyWrite,
    ) {
        // The kernel passes on that a write is to be durable by itself (RWF_DSYNC too), and does not sync.
        let durable = flags & libc::O_DSYNC != 0;
        match self.state().write(node, offset.unsigned_abs(), data, durable) {
            Ok(()) => reply.written(data.len() as u32),
            Err(e) => reply.error(e),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _node: u64, _fh: u64, _lock: u64, reply: ReplyEmpty) {
        answer(self.state().alive(), reply);
    }

    fn fsync(&mut self, _: &Request<'_>, node: u64, _fh: u64, _data_only: bool, reply: ReplyEmpty) {
        answer(self.state().sync(node), reply);
    }

    fn fsyncdir(&mut self, _: &Request<'_>, node: u64, _fh: u64, _data_only: bool, reply: ReplyEmpty) {
        answer(self.state().sync_names(node), reply);
    }

    fn fallocate(
        &mut self,
        _: &Request<'_>,
        node: u64,
        _fh: u64,
        offset: i64,
        length: i64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        // With a mode the size stays, or something is punched or moved: nobody here needs more than room.
        let end = offset.unsigned_abs() + length.unsigned_abs();
        let outcome = match mode {
            0 => self.state().allocate(node, end),
            libc::FALLOC_FL_KEEP_SIZE => self.state().alive(),
            _ => Err(libc::EOPNOTSUPP),
        };
        answer(outcome, reply);
    }

    fn opendir(&mut self, _: &Request<'_>, _node: u64, _flags: i32, reply: ReplyOpen) {
        match self.state().alive() {
            Ok(()) => reply.opened(0, 0),
            Err(e) => reply.error(e),
        }
    }

    fn readdir(&mut self, _: &Request<'_>, node: u64, _fh: u64, offset: i64, mut reply: ReplyDirectory) {
        let listed = match self.state().list(node) {
            Ok(listed) => listed,
            Err(e) => return reply.error(e),
        };
        for (i, (name, inside, is_folder)) in
            listed.into_iter().enumerate().skip(offset.unsigned_abs() as usize)
        {
            let kind = if is_folder { FileType::Directory } else { FileType::RegularFile };
            if reply.add(inside, i as i64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request<'_>, _node: u64, reply: ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}

/// A mounted file system; unmounted when dropped.
pub(crate) struct Mounted {
    folder: tempfile::TempDir,
    session: Option<BackgroundSession>,
}

impl Mounted {
    pub(crate) fn new(files: &Forgetful) -> std::io::Result<Mounted> {
        let folder = tempfile::tempdir()?;
        let options = [MountOption::FSName("forgetful".to_string()), MountOption::RW];
        let session = fuser::spawn_mount2(files.clone(), folder.path(), &options)?;
        assert_ne!(ROOT, 0);
        Ok(Mounted { folder, session: Some(session) })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.session.take());
        // The kernel may still hold a ring's file: then it goes once that is gone.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if mounts.lines().any(|l| l.split(' ').nth(1) == self.folder.path().to_str()) {
            let lazily = |program: &str, args: [&str; 1]| {
                Command::new(program).args(args).arg(self.folder.path()).status().is_ok_and(|s| s.success())
            };
            let _ = lazily("umount", ["-l"]) || lazily("fusermount3", ["-uz"]);
        }
    }
}
