//! Where things lie under the cluster's directory.
//!
//! ```text
//! DIR/cluster.toml       what the cluster on this host is made of; its presence makes DIR a cluster
//! DIR/cluster.json       advertises endpoints and pids; deleting it loses nothing
//! DIR/conf/osd.0.toml    one file per daemon: all that the daemon needs to run by itself
//! DIR/keys/              the cluster's authority, a key per daemon, the first S3 user (mode 0600)
//! DIR/mon.0  DIR/osd.0   stores
//! DIR/log/osd.0.log      what a daemon says
//! DIR/run/osd.0.pid      the pid of the daemon that was started last
//! DIR/up.lock            held by the `nacre up` that runs
//! ```

use crate::exit::{Context, Failure};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Folders that must exist besides the stores.
const FOLDERS: [&str; 4] = ["conf", "keys", "log", "run"];
/// What is set in a mode for anybody but the owner.
const OTHERS: u32 = 0o077;

/// The paths under one cluster directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout under `root`; nothing is touched.
    pub(crate) fn new(root: &Path) -> Layout {
        Layout { root: root.to_path_buf() }
    }
    /// DIR itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
    /// DIR/cluster.toml
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("cluster.toml")
    }
    /// DIR/cluster.json
    pub(crate) fn advert(&self) -> PathBuf {
        self.root.join("cluster.json")
    }
    /// DIR/keys
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
    /// DIR/keys/s3-user.json: the first S3 user's key pair.
    pub(crate) fn first_user(&self) -> PathBuf {
        self.keys().join("s3-user.json")
    }
    /// DIR/up.lock
    pub(crate) fn up_lock(&self) -> PathBuf {
        self.root.join("up.lock")
    }
    /// DIR/conf/NAME.toml
    pub(crate) fn conf(&self, daemon: &str) -> PathBuf {
        self.root.join("conf").join(format!("{daemon}.toml"))
    }
    /// DIR/NAME: a daemon's store.
    pub(crate) fn store(&self, daemon: &str) -> PathBuf {
        self.root.join(daemon)
    }
    /// DIR/log/NAME.log
    pub(crate) fn log(&self, daemon: &str) -> PathBuf {
        self.root.join("log").join(format!("{daemon}.log"))
    }
    /// DIR/run/NAME.pid
    pub(crate) fn pid(&self, daemon: &str) -> PathBuf {
        self.root.join("run").join(format!("{daemon}.pid"))
    }
    /// DIR/run/NAME.stopped: the daemon was stopped on purpose.
    pub(crate) fn stopped(&self, daemon: &str) -> PathBuf {
        self.root.join("run").join(format!("{daemon}.stopped"))
    }
    /// Makes the folders that must exist besides the stores, for nobody else to look into.
    pub(crate) fn make_folders(&self) -> Result<(), Failure> {
        for folder in FOLDERS.map(|d| self.root.join(d)) {
            std::fs::create_dir_all(&folder).or_unusable(folder.display())?;
        }
        self.close_to_others(&[]);
        Ok(())
    }
    /// Takes from everybody but their owner what older versions let them read: DIR, its folders and these daemons' stores,
    /// which hold the secret keys of S3's users.
    pub(crate) fn close_to_others(&self, daemons: &[String]) {
        let stores = daemons.iter().map(|daemon| self.store(daemon));
        let folders = FOLDERS.map(|d| self.root.join(d)).into_iter().chain(stores);
        for folder in [self.root.clone()].into_iter().chain(folders) {
            let Ok(there) = std::fs::metadata(&folder) else { continue };
            let mode = there.permissions().mode();
            if !there.is_dir() || mode & OTHERS == 0 {
                continue;
            }
            let closed = Permissions::from_mode(mode & !OTHERS);
            if let Err(e) = std::fs::set_permissions(&folder, closed) {
                eprintln!(
                    "nacre: others on this host can look into {}, and it cannot be closed: {e}",
                    folder.display()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_versions_left_open_is_closed() {
        let scratch = std::env::temp_dir().join(format!("nacre-layout-{}", std::process::id()));
        let layout = Layout::new(&scratch);
        let store = layout.store("mon.0");
        std::fs::create_dir_all(&store).unwrap();
        for folder in [&scratch, &store] {
            std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        layout.make_folders().unwrap();
        layout.close_to_others(&["mon.0".into(), "osd.7".into()]);
        let conf = scratch.join("conf");
        let modes =
            [&scratch, &store, &conf].map(|f| std::fs::metadata(f).unwrap().permissions().mode() & 0o777);
        std::fs::remove_dir_all(&scratch).unwrap();
        assert_eq!(modes, [0o700; 3]);
    }
}
