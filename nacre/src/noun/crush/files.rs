//! Maps in files: text and binary, both ways, with faults that say where they are.

use super::fault;
use crate::exit::{Context, Failure};
use crush::{CrushMap, Error};
use std::io::Read;
use std::path::Path;

/// How a binary map begins.
const MAGIC: [u8; 4] = 0x0001_0000_u32.to_le_bytes();
/// A larger file is no map.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Text to binary.
pub(super) fn compile(from: &Path, to: &Path) -> Result<(), Failure> {
    let map = text_map(from, &read(from)?)?;
    write(to, &map.encode())
}

/// Binary to text.
pub(super) fn decompile(from: &Path, to: Option<&Path>) -> Result<(), Failure> {
    let map = binary_map(from, &read(from)?)?;
    let text = map.decompile().map_err(|error| bad(from, fault::in_map(&map, &error)))?;
    match to {
        Some(to) => write(to, text.as_bytes()),
        None => super::print(&text),
    }
}

/// A map in either form, fit to place data with.
pub(super) fn load(path: &Path) -> Result<CrushMap, Failure> {
    let bytes = read(path)?;
    if !bytes.starts_with(&MAGIC) {
        return text_map(path, &bytes);
    }
    let map = binary_map(path, &bytes)?;
    check(&map).map_err(|error| bad(path, fault::in_map(&map, &error)))?;
    Ok(map)
}

/// Whether a map can be used. What Ceph's own tool takes as well is only told: an item that stands twice in one tree,
/// and steps of a newer Ceph, which are kept and never run.
fn check(map: &CrushMap) -> Result<(), Error> {
    match map.validate() {
        Err(error @ (Error::DuplicateItem { .. } | Error::UnknownStep { .. })) => {
            eprintln!("nacre: {}", fault::in_map(map, &error));
            Ok(())
        }
        other => other,
    }
}

fn text_map(path: &Path, bytes: &[u8]) -> Result<CrushMap, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| bad(path, format!("not text from byte {} on", error.valid_up_to())))?;
    let map = CrushMap::compile(text).map_err(|error| bad(path, error.to_string()))?;
    check(&map).map_err(|error| bad(path, fault::in_text(&map, &error, text)))?;
    Ok(map)
}

fn binary_map(path: &Path, bytes: &[u8]) -> Result<CrushMap, Failure> {
    CrushMap::decode(bytes).map_err(|error| bad(path, format!("no CRUSH map in binary form: {error}")))
}

fn bad(path: &Path, fault: String) -> Failure {
    Failure::no(format!("{}: {fault}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = std::fs::File::open(path).or_unusable(path.display())?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).or_unusable(path.display())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(bad(path, format!("more than {} MiB is no CRUSH map", FILE_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).or_unusable(path.display())
}
