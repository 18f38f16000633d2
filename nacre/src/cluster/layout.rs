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

use std::path::{Path, PathBuf};

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
    /// Folders that must exist besides the stores.
    pub(crate) fn folders(&self) -> [PathBuf; 4] {
        ["conf", "keys", "log", "run"].map(|d| self.root.join(d))
    }
}
