//! A bucket as a folder, through s3fs.

use crate::clients::client;
use crate::wait::for_condition;
use crate::{Cluster, say};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long mounting may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mounted bucket; unmounted with this value.
pub struct Mount {
    folder: PathBuf,
    s3fs: Child,
}

fn device(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|m| m.dev())
}

impl Mount {
    /// Mounts a bucket that is there. None, after saying so, on a machine without FUSE.
    pub fn new(cluster: &Cluster, bucket: &str) -> Option<Mount> {
        if !Path::new("/dev/fuse").exists() {
            say!("  NOT RUN: there is no /dev/fuse here, so nothing was proven of s3fs");
            return None;
        }
        let (access, secret) = cluster.keys();
        let (folder, keys) = (cluster.beside().join("mounted"), cluster.beside().join("s3fs-keys"));
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        // s3fs takes no file of keys that others may read.
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&keys);
        std::io::Write::write_all(&mut file.expect("writable"), format!("{access}:{secret}").as_bytes())
            .expect("writable");
        let before = device(&folder);
        let mut command = client(cluster, "s3fs");
        command.arg(bucket).arg(&folder).arg("-f");
        command.args(["-o", &format!("url={}", cluster.s3_url()), "-o", "use_path_request_style"]);
        command.args(["-o", &format!("passwd_file={}", keys.display())]);
        let log = std::fs::File::create(cluster.beside().join("s3fs.log")).expect("writable");
        let log_too = log.try_clone().expect("a descriptor");
        let s3fs = command.stdin(Stdio::null()).stdout(log).stderr(log_too).spawn();
        let mut mount = Mount { folder, s3fs: s3fs.expect("s3fs starts") };
        for_condition("the bucket to be mounted", PATIENCE, || {
            if let Ok(Some(status)) = mount.s3fs.try_wait() {
                let said = std::fs::read_to_string(cluster.beside().join("s3fs.log")).unwrap_or_default();
                panic!("s3fs ended with {status}: {said}; /dev/fuse must be open to whoever runs this");
            }
            if device(&mount.folder) == before { Err("not yet".to_string()) } else { Ok(()) }
        });
        Some(mount)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that it goes also when a check has failed with a file open.
        let lazily = |program: &str, words: &str| {
            Command::new(program).arg(words).arg(&self.folder).status().is_ok_and(|status| status.success())
        };
        let _ = lazily("fusermount3", "-uz") || lazily("fusermount", "-uz") || lazily("umount", "-l");
        // It ends by itself once nothing is mounted; if that failed, it must not outlive the test.
        let _ = self.s3fs.kill();
        let _ = self.s3fs.wait();
    }
}
