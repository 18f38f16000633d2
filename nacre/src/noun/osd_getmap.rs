//! `nacre osd getmap`: the cluster's map in Ceph's binary form, for `osdmaptool` and whoever reads OSDMaps.

use crate::cli::{Format, Global};
use crate::exit::{Context, Failure};
use crate::session;
use placement_map::osdmap::{self, OsdMap};
use std::path::Path;

/// Writes the map of now to a file.
pub(super) async fn run(global: &Global, out: &Path) -> Result<(), Failure> {
    let map = session::open(global).await?.map();
    let bytes = osdmap::encode(&OsdMap::from_cluster(&map).map_err(Failure::no)?);
    std::fs::write(out, &bytes).or_unusable(out.display())?;
    let (epoch, count) = (map.epoch, bytes.len());
    match global.format {
        Format::Plain => println!("got osdmap epoch {epoch}: {count} bytes in {}", out.display()),
        Format::Json => println!("{}", serde_json::json!({ "epoch": epoch.0, "bytes": count, "file": out })),
    }
    Ok(())
}
