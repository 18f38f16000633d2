//! What is fuzzed: for each decoder, sound input, how it is changed, and what must hold of the outcome.
//!
//! A decoder more is an entry more in [`TARGETS`].

use crate::allocated::most_at_once;
use crate::{maps, mutate, nbd, s3, store, text};
use crush::{BUCKETS_MAX, CrushMap, WEIGHT_ONE};
use gateway_s3::fuzz;
use placement_map::balance::{Limits, plan};
use placement_map::osdmap::{self, OsdMapError, OsdMapFault};
use placement_map::{ClusterMap, Incremental, Placer};
use stdx::Rng;
use stdx::codec::{from_bytes, to_bytes};

/// What came of one input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Whether the decoder took it.
    pub(crate) accepted: bool,
    /// The most that decoding held at once.
    pub(crate) allocated_bytes: usize,
}

/// One decoder.
#[derive(Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Decoding may hold this many bytes at once for each byte of input...
    pub(crate) bytes_per_byte: usize,
    /// ...and these, whatever the input.
    pub(crate) bytes_fixed: usize,
    pub(crate) sound: fn(&mut Rng) -> Vec<u8>,
    pub(crate) mutate: fn(Vec<u8>, &[u8], &mut Rng) -> Vec<u8>,
    /// Decodes and judges; the error says what does not hold.
    pub(crate) run: fn(&[u8]) -> Result<Outcome, String>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "crush-text",
        bytes_per_byte: 32,
        // One bucket id at the bound makes a table of all ids, as in Ceph; grown by doubling, it exists twice.
        bytes_fixed: BUCKETS_MAX * size_of::<usize>() * 3,
        sound: |rng| maps::crush_text(rng).into_bytes(),
        mutate: text::words,
        run: crush_text,
    },
    Target {
        name: "crush-binary",
        bytes_per_byte: 32,
        bytes_fixed: 4096,
        sound: |rng| maps::crush_map(rng).encode(),
        mutate: mutate::bytes,
        run: crush_binary,
    },
    Target {
        name: "cluster-map",
        bytes_per_byte: 32,
        bytes_fixed: 4096,
        sound: |rng| to_bytes(&maps::cluster_map(rng)).to_vec(),
        mutate: mutate::bytes,
        run: cluster_map,
    },
    Target {
        name: "incremental",
        bytes_per_byte: 32,
        bytes_fixed: 4096,
        sound: |rng| to_bytes(&maps::incremental(rng)).to_vec(),
        mutate: mutate::bytes,
        run: incremental,
    },
    Target {
        name: "osdmap",
        bytes_per_byte: 32,
        bytes_fixed: 4096,
        sound: maps::osdmap,
        mutate: mutate::bytes,
        run: osdmap,
    },
    Target {
        name: "nbd-handshake",
        bytes_per_byte: 16,
        // What one option is answered with.
        bytes_fixed: 32 << 10,
        sound: nbd::sound_handshake,
        mutate: mutate::bytes,
        run: nbd::handshake,
    },
    Target {
        name: "nbd-requests",
        // A request of 28 bytes is answered twice, with its reply's parts.
        bytes_per_byte: 24,
        bytes_fixed: 512,
        sound: nbd::sound_requests,
        mutate: mutate::bytes,
        run: nbd::requests,
    },
    Target {
        name: "store-log",
        bytes_per_byte: 16,
        bytes_fixed: 4096,
        sound: store::sound_batch,
        mutate: mutate::bytes,
        run: store::batch,
    },
    Target {
        name: "store-superblock",
        bytes_per_byte: 4,
        bytes_fixed: 8192,
        sound: store::sound_superblock,
        mutate: mutate::bytes,
        run: store::superblock,
    },
    Target {
        name: "store-chunk",
        bytes_per_byte: 1,
        bytes_fixed: 4096,
        sound: store::sound_chunk,
        mutate: mutate::bytes,
        run: store::chunk,
    },
    Target {
        name: "store-object-row",
        bytes_per_byte: 1,
        bytes_fixed: 256,
        sound: store::sound_object_row,
        mutate: mutate::bytes,
        run: store::object_row,
    },
    Target {
        name: "s3-aws-chunked",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::aws_chunked,
        mutate: s3::mutate_chunked,
        run: |input| s3::run(fuzz::aws_chunked, input),
    },
    Target {
        name: "s3-form",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::form,
        mutate: s3::mutate_form,
        run: |input| s3::run(fuzz::form, input),
    },
    Target {
        name: "s3-form-policy",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::form_policy,
        mutate: s3::mutate_json,
        run: |input| s3::run(fuzz::form_policy, input),
    },
    Target {
        name: "s3-xml",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::xml,
        mutate: s3::mutate_xml,
        run: |input| s3::run(fuzz::xml, input),
    },
    Target {
        name: "s3-policy",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::policy,
        mutate: s3::mutate_json,
        run: |input| s3::run(fuzz::policy, input),
    },
    Target {
        name: "s3-tagging-header",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::tagging,
        mutate: s3::mutate_encoded,
        run: |input| s3::run(fuzz::tagging_header, input),
    },
    Target {
        name: "s3-range",
        bytes_per_byte: 16,
        bytes_fixed: 2048,
        sound: s3::range,
        mutate: s3::mutate_range,
        run: |input| s3::run(fuzz::byte_range, input),
    },
    Target {
        name: "s3-sigv4",
        bytes_per_byte: 128,
        bytes_fixed: 64 * 1024,
        sound: s3::sigv4,
        mutate: s3::mutate_sigv4,
        run: |input| s3::run(fuzz::sigv4, input),
    },
    Target {
        name: "s3-date",
        bytes_per_byte: 16,
        bytes_fixed: 2048,
        sound: s3::date,
        mutate: s3::mutate_date,
        run: |input| s3::run(fuzz::date, input),
    },
];

/// PGs above which an accepted cluster map is not mapped: a map of many pools is legal, and slow.
const PGS_MAX: u64 = 4096;

fn crush_text(input: &[u8]) -> Result<Outcome, String> {
    let text = String::from_utf8_lossy(input);
    let (compiled, allocated_bytes) = most_at_once(|| CrushMap::compile(&text));
    let outcome = Outcome { accepted: compiled.is_ok(), allocated_bytes };
    match compiled {
        Err(error) => {
            let lines = text.lines().count() + 1;
            if error.to_string().is_empty() || error.line > lines {
                return Err(format!("the error points nowhere: {error}"));
            }
        }
        Ok(map) => {
            judge(&map)?;
            if let Ok(printed) = map.decompile() {
                let again = CrushMap::compile(&printed).map_err(|error| format!("its own text: {error}"))?;
                // Classes are numbered as they are met, here as in Ceph, so the lines of shadows may change places.
                let sorted = |text: &str| {
                    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                    lines.sort_unstable();
                    lines
                };
                let again = again.decompile().map_err(|error| format!("its own text's map: {error}"))?;
                if sorted(&again) != sorted(&printed) {
                    return Err("its own text compiles to another map".to_owned());
                }
            }
        }
    }
    Ok(outcome)
}

fn crush_binary(input: &[u8]) -> Result<Outcome, String> {
    let (decoded, allocated_bytes) = most_at_once(|| CrushMap::decode(input));
    let outcome = Outcome { accepted: decoded.is_ok(), allocated_bytes };
    if let Ok(map) = decoded {
        judge(&map)?;
        let _ = map.decompile();
    }
    Ok(outcome)
}

/// What must hold of any map that a decoder let through, sound or not.
fn judge(map: &CrushMap) -> Result<(), String> {
    let again = CrushMap::decode(&map.encode()).map_err(|error| format!("its own bytes: {error}"))?;
    if again != *map {
        return Err("its own bytes decode to another map".to_owned());
    }
    let sound = map.validate().is_ok();
    for (rule, _) in map.rules() {
        let devices = map.do_rule(rule, 5, 4, &[WEIGHT_ONE; 256], Some(0));
        // A rule that ends in buckets is legal: it chooses those.
        let known = |item: &i32| {
            (0..map.max_devices()).contains(item) || map.bucket(*item).is_some() || *item == crush::ITEM_NONE
        };
        if devices.len() > 4 || sound && !devices.iter().all(known) {
            return Err(format!("rule {rule} chooses {devices:?}"));
        }
    }
    Ok(())
}

fn cluster_map(input: &[u8]) -> Result<Outcome, String> {
    let input = bytes::Bytes::copy_from_slice(input);
    let (decoded, allocated_bytes) = most_at_once(|| from_bytes::<ClusterMap>(input));
    let outcome = Outcome { accepted: decoded.is_ok(), allocated_bytes };
    let Ok(map) = decoded else { return Ok(outcome) };
    if from_bytes::<ClusterMap>(to_bytes(&map)).as_ref() != Ok(&map) {
        return Err("its own bytes decode to another map".to_owned());
    }
    let pgs: u64 = map.pools.values().map(|pool| u64::from(pool.pg_num)).sum();
    if pgs <= PGS_MAX {
        let mut placer = Placer::new(&map);
        for pg in map.pgs().take(8) {
            let placed = placer.up_acting(pg);
            if placed.up.iter().any(|osd| *osd != placement_map::OsdId::NONE && !map.is_up(*osd)) {
                return Err(format!("{pg} lies on an OSD that is not up: {:?}", placed.up));
            }
        }
        let planned = plan(&map, Limits { moves_max: 64 });
        let mut next = map;
        planned.changes.apply(&mut next.pg_upmap_items);
        if planned.after != placement_map::balance::evenness(&next) {
            return Err(format!("the plan says {:?} of what comes of it", planned.after));
        }
    }
    Ok(outcome)
}

fn incremental(input: &[u8]) -> Result<Outcome, String> {
    let input = bytes::Bytes::copy_from_slice(input);
    let (decoded, allocated_bytes) = most_at_once(|| from_bytes::<Incremental>(input));
    let outcome = Outcome { accepted: decoded.is_ok(), allocated_bytes };
    if let Ok(incremental) = decoded {
        if from_bytes::<Incremental>(to_bytes(&incremental)).as_ref() != Ok(&incremental) {
            return Err("its own bytes decode to another incremental".to_owned());
        }
        let mut map = ClusterMap { epoch: placement_map::Epoch(7), ..ClusterMap::default() };
        let followed = map.apply_incremental(&incremental).is_ok();
        if followed != (incremental.epoch.0 == 8) {
            return Err("an incremental for another epoch was applied".to_owned());
        }
    }
    Ok(outcome)
}

fn osdmap(input: &[u8]) -> Result<Outcome, String> {
    // The checksum is put right, or hardly a change would come further than that.
    let mut input = input.to_vec();
    if let Err(OsdMapError { offset, fault: OsdMapFault::Checksum { actual, .. }, .. }) =
        osdmap::decode(&input)
    {
        input[offset..offset + 4].copy_from_slice(&actual.to_le_bytes());
    }
    let (decoded, allocated_bytes) = most_at_once(|| osdmap::decode(&input));
    let outcome = Outcome { accepted: decoded.is_ok(), allocated_bytes };
    if let Ok(map) = decoded {
        if osdmap::decode(&osdmap::encode(&map)).as_ref() != Ok(&map) {
            return Err("its own bytes decode to another map".to_owned());
        }
        for placed in map.placements().take(8) {
            if placed.up_acting.up.len() > 1 << 16 {
                return Err(format!("a set of {} members", placed.up_acting.up.len()));
            }
        }
    }
    Ok(outcome)
}
