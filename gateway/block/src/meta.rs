//! Metadata of an image: keys and values that people and programs set, in RBD's rows, and the limits among them.

use crate::error::BlockError;
use crate::header::key;
use crate::images::Images;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::{ObjectName, OmapRange, Op, OpResult};
use stdx::Errno;

/// What rows of metadata begin with, in a header object and in the pool's own.
const PREFIX: &str = "metadata_";
/// The object of a pool's own metadata.
const POOL_OBJECT: &str = "rbd_info";
/// The most keys of one image: they share its header's page with its properties.
const KEYS_MAX: usize = 100;
const KEY_BYTES_MAX: usize = 255;
const VALUE_BYTES_MAX: usize = 1024;

/// Whose metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// An image's, by name.
    Image(&'a str),
    /// The pool's: what holds for images that say nothing themselves.
    Pool,
}

/// How fast an image may be used. None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second.
    pub iops: Option<u64>,
    /// Requests that may come at once after a pause.
    pub iops_burst: Option<u64>,
    /// Bytes a second.
    pub bps: Option<u64>,
    /// Bytes that may come at once after a pause.
    pub bps_burst: Option<u64>,
}

/// The names of the limits, which are RBD's.
const LIMITS: [&str; 4] = [
    "conf_rbd_qos_iops_limit",
    "conf_rbd_qos_iops_burst",
    "conf_rbd_qos_bps_limit",
    "conf_rbd_qos_bps_burst",
];

impl Limits {
    fn fields(&mut self) -> [&mut Option<u64>; 4] {
        [&mut self.iops, &mut self.iops_burst, &mut self.bps, &mut self.bps_burst]
    }
    /// Takes those that rows set; 0 and what is no number set nothing.
    fn take(&mut self, rows: &[(String, String)]) {
        for (name, field) in LIMITS.iter().zip(self.fields()) {
            let value = rows.iter().find(|(key, _)| key == name).and_then(|(_, v)| v.parse().ok());
            if let Some(value) = value {
                *field = Some(value).filter(|n| *n > 0);
            }
        }
    }
}

impl<R: Rados> Images<R> {
    async fn object_of(&self, of: Of<'_>) -> Result<String, BlockError> {
        match of {
            Of::Pool => Ok(POOL_OBJECT.to_string()),
            Of::Image(name) => Ok(crate::name::header(&self.directory().id(name).await?)),
        }
    }

    async fn rows(&self, object: &str, prefix: &str) -> Result<Vec<(String, String)>, BlockError> {
        let range = OmapRange::prefix(format!("{PREFIX}{prefix}").as_bytes());
        let asked = self.run(object, vec![Op::OmapGetRange { range }]).await;
        let results = match asked {
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => return Ok(Vec::new()),
            other => other?,
        };
        let damaged = || BlockError::Damaged { object: object.to_string(), row: PREFIX.to_string() };
        let Some(OpResult::Rows(page)) = results.into_iter().next() else { return Err(damaged()) };
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).map_err(|_| damaged());
        page.rows.iter().map(|(k, v)| Ok((text(k)?[PREFIX.len()..].to_string(), text(v)?))).collect()
    }

    async fn run(&self, object: &str, ops: Vec<Op>) -> Result<Vec<OpResult>, OpError> {
        self.rados.operate(self.pool(), ObjectName::new(object), ops).await.map(|reply| reply.results)
    }

    /// All keys with their values, by key.
    pub async fn metadata(&self, of: Of<'_>) -> Result<Vec<(String, String)>, BlockError> {
        self.rows(&self.object_of(of).await?, "").await
    }

    /// Sets a key, or removes it (none). `Invalid` if there would be too much.
    pub async fn set_metadata(&self, of: Of<'_>, name: &str, value: Option<&str>) -> Result<(), BlockError> {
        if name.is_empty() || name.len() > KEY_BYTES_MAX || value.is_some_and(|v| v.len() > VALUE_BYTES_MAX) {
            return Err(BlockError::Invalid(format!(
                "a key has 1 to {KEY_BYTES_MAX} bytes, and a value up to {VALUE_BYTES_MAX}"
            )));
        }
        let object = self.object_of(of).await?;
        let row = key(&format!("{PREFIX}{name}"));
        let Some(value) = value else {
            // Which is how it ends where there never was such an object, too.
            return match self.run(&object, vec![Op::AssertExists, Op::OmapRm { keys: vec![row] }]).await {
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(()),
                other => Ok(other.map(drop)?),
            };
        };
        let rows = self.rows(&object, "").await?;
        if rows.len() >= KEYS_MAX && rows.iter().all(|(key, _)| key != name) {
            return Err(BlockError::Invalid(format!("there are {KEYS_MAX} keys already")));
        }
        let set = Op::OmapSet { rows: vec![(row, Bytes::copy_from_slice(value.as_bytes()))] };
        let ops = match of {
            // A header that is gone must not come back as a ghost.
            Of::Image(_) => vec![Op::AssertExists, set],
            Of::Pool => vec![set],
        };
        match self.run(&object, ops).await {
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => {
                let Of::Image(image) = of else { return Err(e.into()) };
                Err(BlockError::NoSuchImage { image: format!("{}/{image}", self.pool()) })
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// Sets limits of an image, or of the pool's images that have none of their own. Those that are none are lifted.
    pub async fn set_limits(&self, of: Of<'_>, mut limits: Limits) -> Result<(), BlockError> {
        for (name, value) in LIMITS.iter().zip(limits.fields()) {
            self.set_metadata(of, name, value.map(|n| n.to_string()).as_deref()).await?;
        }
        Ok(())
    }

    /// The limits that hold for the image of this id: its own, and the pool's where it has none.
    pub async fn limits_of(&self, id: &str) -> Result<Limits, BlockError> {
        let mut limits = Limits::default();
        limits.take(&self.rows(POOL_OBJECT, "conf_rbd_qos_").await?);
        limits.take(&self.rows(&crate::name::header(id), "conf_rbd_qos_").await?);
        Ok(limits)
    }

    /// The limits that were set of an image by itself, or of the pool.
    pub async fn limits_set(&self, of: Of<'_>) -> Result<Limits, BlockError> {
        let mut limits = Limits::default();
        limits.take(&self.metadata(of).await?);
        Ok(limits)
    }
}
