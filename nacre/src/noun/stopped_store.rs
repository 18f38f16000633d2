//! The store of an OSD that does not run: where it lies, and what its errors mean for the exit code.

use crate::cluster::settings::DaemonSettings;
use crate::exit::Failure;
use osd_store::{CacheMode, StoreConfig, StoreError};
use std::path::{Path, PathBuf};

/// What the tools may take for caches, bytes.
const MEMORY_TARGET: u64 = 256 << 20;

/// Which store.
#[derive(clap::Args)]
pub(crate) struct StoppedStore {
    /// The OSD's directory (DIR/osd.N). The OSD must not run.
    #[arg(long, value_name = "PATH")]
    pub osd_path: PathBuf,
    /// The raw device, if log and data are on one; without it, what DIR/conf/osd.N.toml says, else PATH/data.
    #[arg(long, value_name = "DEV")]
    pub device: Option<PathBuf>,
}

impl StoppedStore {
    /// Where the parts of the store are.
    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig {
            path: self.osd_path.clone(),
            device: self.device.clone().or_else(|| self.device_of_settings()),
            size_bytes: 0,
            memory_target_bytes: MEMORY_TARGET,
            volatile_cache: CacheMode::Auto,
        }
    }

    fn device_of_settings(&self) -> Option<PathBuf> {
        let path = std::path::absolute(&self.osd_path).ok()?;
        let (dir, name) = (path.parent()?, path.file_name()?.to_str()?);
        let conf = dir.join("conf").join(format!("{name}.toml"));
        DaemonSettings::load(&conf).ok()?.osd?.device
    }

    /// A store that is there and broken is a no; one that cannot be looked at is a usage error.
    pub(crate) fn failure(&self, error: &StoreError) -> Failure {
        let sentence = format!("{}: {error}", self.path().display());
        match error {
            StoreError::DamagedSuperblock { .. }
            | StoreError::DamagedIndex { .. }
            | StoreError::DamagedLog { .. }
            | StoreError::Index(_) => Failure::no(sentence),
            _ => Failure::unusable(sentence),
        }
    }

    /// The OSD's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.osd_path
    }
}
