//! `nacre osd inspect`: what a stopped OSD's store holds, without changing a byte of it.

use super::stopped_store::StoppedStore;
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::table;
use osd_store::{Examiner, ObjectView, StoreError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects and rows listed at most without a word about more.
const LISTED_MAX: usize = 100_000;
/// Bytes of a value that are shown to people.
const VALUE_SHOWN: usize = 64;

/// Which store, and what of it.
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub store: StoppedStore,
    #[command(subcommand)]
    pub what: Option<InspectCommand>,
}

/// NAME is an object's name, found in every pool and namespace, clones included; or POOL:POSITION:NAMESPACE:KEY:NAME:SNAP
/// as `objects` prints it.
#[derive(clap::Subcommand)]
pub(crate) enum InspectCommand {
    /// The superblock and its copies (the default).
    Super,
    /// The log beyond the last checkpoint, batch by batch.
    Log,
    /// All objects.
    Objects,
    /// An object's row, attributes and omap keys.
    Object {
        /// The object.
        name: String,
    },
    /// An object's omap, keys and values.
    Omap {
        /// The object.
        name: String,
    },
    /// Where an object's data lies, with its checksums.
    Extents {
        /// The object.
        name: String,
    },
}

/// Carries out the command.
pub(crate) fn run(global: &Global, args: &InspectArgs) -> Result<(), Failure> {
    let failed = |e: StoreError| args.store.failure(&e);
    let mut examiner = Examiner::open(&args.store.config()).map_err(failed)?;
    let (value, text) = match args.what.as_ref().unwrap_or(&InspectCommand::Super) {
        InspectCommand::Super => superblock(&examiner).map_err(failed)?,
        InspectCommand::Log => log(&mut examiner).map_err(failed)?,
        InspectCommand::Objects => objects(&examiner).map_err(failed)?,
        InspectCommand::Object { name } => each(&mut examiner, args, name, object)?,
        InspectCommand::Omap { name } => each(&mut examiner, args, name, omap)?,
        InspectCommand::Extents { name } => each(&mut examiner, args, name, extents)?,
    };
    match global.format {
        Format::Plain => println!("{}", text.trim_end()),
        Format::Json => println!("{value}"),
    }
    Ok(())
}

type Shown = (Value, String);

/// The same of every object of that name.
fn each(
    examiner: &mut Examiner,
    args: &InspectArgs,
    name: &str,
    of: impl Fn(&mut Examiner, &ObjectView) -> Result<Shown, StoreError>,
) -> Result<Shown, Failure> {
    let failed = |e: StoreError| args.store.failure(&e);
    let found = examiner.find(Some(name), LISTED_MAX).map_err(failed)?;
    if found.is_empty() {
        let path = args.store.path().display();
        return Err(Failure::no(format!(
            "there is no object {name:?} in {path}; `objects` lists those there are"
        )));
    }
    let mut shown = Vec::new();
    for o in &found {
        shown.push(of(examiner, o).map_err(failed)?);
    }
    let (values, texts): (Vec<Value>, Vec<String>) = shown.into_iter().unzip();
    Ok((json!({ "objects": values }), texts.join("\n")))
}

fn superblock(examiner: &Examiner) -> Result<Shown, StoreError> {
    let s = examiner.superblock()?;
    let copies: Vec<Value> = s
        .copies
        .iter()
        .map(|c| match &c.state {
            Ok(sequence) => json!({ "offset": c.offset, "sequence": sequence }),
            Err(what) => json!({ "offset": c.offset, "bad": what }),
        })
        .collect();
    let mut fields = vec![
        ("osd", json!(s.identity.osd_id)),
        ("uuid", json!(s.uuid)),
        ("fsid", json!(s.fsid)),
        ("sequence", json!(s.sequence)),
        ("features", json!(s.features)),
        ("incarnation", json!(s.incarnation)),
        ("log_offset", json!(s.log_offset)),
        ("log_bytes", json!(s.log_bytes)),
        ("data_offset", json!(s.data_offset)),
        ("data_units", json!(s.data_units)),
        ("trim_at", json!(s.trim_at)),
        ("trim_lsn", json!(s.trim_lsn)),
        ("index_lsn", json!(s.index_lsn)),
        ("durable_lsn", json!(s.durable_lsn)),
        ("clean", json!(s.clean)),
        ("damaged", json!(s.damaged)),
    ];
    let mut text: String = fields.iter().map(|(k, v)| format!("{k:12} {}\n", plain(v))).collect();
    for (i, c) in s.copies.iter().enumerate() {
        let state = c.state.as_ref().map_or_else(|what| what.clone(), |n| format!("sequence {n}"));
        text += &format!("copy {i}       at {}: {state}\n", c.offset);
    }
    fields.push(("copies", Value::Array(copies)));
    Ok((fields.into_iter().map(|(k, v)| (k.to_string(), v)).collect(), text))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn log(examiner: &mut Examiner) -> Result<Shown, StoreError> {
    let log = examiner.log()?;
    let batch = |b: &osd_store::LogBatchView| {
        json!({
            "at": b.at, "offset": b.offset, "bytes": b.bytes, "sequence": b.sequence, "first_lsn": b.first_lsn,
            "records": b.records, "durable_upto": b.durable_upto, "inline_units": b.inline_units,
            "fresh_units": b.fresh_units, "index_bytes": b.index_bytes,
        })
    };
    let value = json!({
        "ring_bytes": log.ring_bytes, "head": log.head, "damage": log.damage,
        "batches": log.batches.iter().map(batch).collect::<Vec<_>>(), "more_batches": log.more_batches,
    });
    let row = |b: &osd_store::LogBatchView| {
        let n = [b.at, b.offset, b.bytes, b.sequence, b.first_lsn, b.records, b.inline_units, b.fresh_units];
        n.iter().map(u64::to_string).collect::<Vec<String>>()
    };
    let heading = ["AT", "OFFSET", "BYTES", "SEQUENCE", "FIRST_LSN", "RECORDS", "INLINE", "FRESH"];
    let mut text = table::render(&heading, &log.batches.iter().map(row).collect::<Vec<_>>());
    if log.more_batches > 0 {
        text += &format!("and {} more\n", log.more_batches);
    }
    text += &match &log.damage {
        None => format!("the chain is whole up to {}\n", log.head),
        Some(detail) => format!("acknowledged writes are missing: {detail}\n"),
    };
    Ok((value, text))
}

fn of_row(o: &ObjectView) -> Value {
    json!({
        "id": o.id.to_string(), "pool": o.id.pool.0, "namespace": o.id.name.namespace, "locator": o.id.name.locator,
        "name": o.id.name.name, "hash": o.id.hash, "snap": o.id.snap.0, "number": o.number, "size": o.meta.size,
        "version": o.meta.version.to_string(), "mtime": o.meta.mtime.0,
    })
}

fn objects(examiner: &Examiner) -> Result<Shown, StoreError> {
    let found = examiner.find(None, LISTED_MAX)?;
    let row = |o: &ObjectView| {
        vec![shown(o.id.to_string().as_bytes()), o.meta.size.to_string(), o.meta.version.to_string()]
    };
    let text = table::render(&["OBJECT", "SIZE", "VERSION"], &found.iter().map(row).collect::<Vec<_>>());
    let more = found.len() == LISTED_MAX;
    let value = json!({ "objects": found.iter().map(of_row).collect::<Vec<_>>(), "more": more });
    Ok((value, if more { text + "and possibly more\n" } else { text }))
}

/// Bytes as people can read them: ASCII as it is, the rest escaped.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn value_shown(value: &[u8]) -> String {
    let cut = &value[..value.len().min(VALUE_SHOWN)];
    format!("{}{}", shown(cut), if cut.len() < value.len() { "..." } else { "" })
}

/// Every omap row, page by page.
fn rows(examiner: &Examiner, o: &ObjectView, mut each: impl FnMut(&[u8], &[u8])) -> Result<bool, StoreError> {
    examiner.omap(&o.id, LISTED_MAX, &mut each)
}

fn object(examiner: &mut Examiner, o: &ObjectView) -> Result<Shown, StoreError> {
    let xattrs: BTreeMap<String, Vec<u8>> = examiner.xattrs(&o.id)?;
    let (mut keys, mut key_texts) = (Vec::new(), String::new());
    let more = rows(examiner, o, |key, value| {
        keys.push(json!({ "key": shown(key), "bytes": value.len() }));
        key_texts += &format!("  {} ({} bytes)\n", shown(key), value.len());
    })?;
    let of_xattr = |(name, value): (&String, &Vec<u8>)| (name.clone(), json!(hex(value)));
    let mut json = of_row(o);
    json["xattrs"] = xattrs.iter().map(of_xattr).collect();
    json["omap_keys"] = keys.into();
    json["more_omap_keys"] = more.into();
    let mut text = format!(
        "object   {}\nnumber   {}\nsize     {}\nversion  {}\nmtime    {}\n",
        shown(o.id.to_string().as_bytes()),
        o.number,
        o.meta.size,
        o.meta.version,
        o.meta.mtime.0
    );
    text += "attributes\n";
    for (name, value) in &xattrs {
        text += &format!("  {} = {}\n", shown(name.as_bytes()), value_shown(value));
    }
    text += "omap keys\n";
    text += &key_texts;
    Ok((json, text))
}

fn omap(examiner: &mut Examiner, o: &ObjectView) -> Result<Shown, StoreError> {
    let (mut values, mut text) = (Vec::new(), format!("{}\n", shown(o.id.to_string().as_bytes())));
    let more = rows(examiner, o, |key, value| {
        values.push(json!({ "key": shown(key), "key_hex": hex(key), "value_hex": hex(value) }));
        text += &format!("  {} = {}\n", shown(key), value_shown(value));
    })?;
    Ok((json!({ "id": o.id.to_string(), "omap": values, "more": more }), text))
}

fn extents(examiner: &mut Examiner, o: &ObjectView) -> Result<Shown, StoreError> {
    let extents = examiner.extents(o)?;
    let unit = |(crc, good): &(u32, bool)| json!({ "crc32c": format!("{crc:08x}"), "good": good });
    let values: Vec<Value> = extents
        .iter()
        .map(|e| {
            json!({
                "offset": e.offset, "unit": e.unit, "device_offset": e.device_offset, "shared": e.shared,
                "units": e.units.iter().map(unit).collect::<Vec<_>>(),
                "packed": e.packed.as_ref().map(|p| json!({
                    "algorithm": p.algorithm.to_string(), "bytes": p.bytes,
                    "unpacked_bytes": p.unpacked_bytes, "live_bytes": p.live_bytes,
                })),
            })
        })
        .collect();
    let row = |e: &osd_store::ExtentView| {
        let bad = e.units.iter().filter(|(_, good)| !good).count();
        vec![
            e.offset.to_string(),
            e.units.len().to_string(),
            e.unit.to_string(),
            e.device_offset.to_string(),
            if e.shared { "shared" } else { "own" }.to_string(),
            bad.to_string(),
            e.packed
                .as_ref()
                .map_or("-".to_string(), |p| format!("{} {}->{}", p.algorithm, p.unpacked_bytes, p.bytes)),
            e.units.iter().map(|(crc, _)| format!("{crc:08x}")).collect::<Vec<_>>().join(" "),
        ]
    };
    let heading = ["OFFSET", "UNITS", "UNIT", "DEVICE_OFFSET", "OWNERS", "BAD", "PACKED", "CRC32C"];
    let text = table::render(&heading, &extents.iter().map(row).collect::<Vec<_>>());
    Ok((
        json!({ "id": o.id.to_string(), "extents": values }),
        format!("{}\n{text}", shown(o.id.to_string().as_bytes())),
    ))
}
