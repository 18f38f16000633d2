//! Central settings: one definition a key, with type, default and meaning; values live in the map.

mod bounds;

pub use bounds::{check_bounds, check_section, ratios_in_order};

use crate::feature::FEATURE_LEVEL_BASE;
use crate::pool::{PG_NUM_MAX, SIZE_MAX};
use std::collections::BTreeMap;

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole seconds.
    Seconds,
    /// Seconds, fractions too.
    FineSeconds,
    /// A whole number.
    Count,
    /// Bytes: a number with an optional K, M, G or T (powers of 1024).
    Size,
    /// Between 0 and 1.
    Ratio,
    /// `true` or `false`.
    Switch,
    /// Any text.
    Text,
    /// An absolute path, or nothing.
    Path,
    /// An absolute path, `-` for standard output, or nothing.
    Output,
    /// `http://` or `https://` with a host, or nothing.
    Url,
    /// One word of letters, digits and `-`.
    Word,
    /// `auto`, `on` or `off`.
    Auto,
    /// A place in CRUSH's tree; see [`crate::location`].
    Location,
    /// Who keeps keys: `local` or `vault`.
    KeyKeeper,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What a value must look like.
    pub kind: Kind,
    /// The value when nobody set one.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The feature level from which on it may be set: an older monitor would refuse it in the log.
    pub level: u32,
    /// The least number that it may be, in its kind's unit.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Setting {
    /// The same, from `least` to `most`.
    const fn within(self, least: f64, most: f64) -> Setting {
        Setting { least, most, ..self }
    }
}

const fn setting(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { key, kind, default, help, level: FEATURE_LEVEL_BASE, least: 0.0, most: f64::INFINITY }
}

/// The same, from feature level 2 on.
const fn setting_2(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { level: 2, ..setting(key, kind, default, help) }
}

const DAY: f64 = 86_400.0;
const YEAR: f64 = 365.0 * DAY;
const MIB: f64 = 1_048_576.0;
const TIB: f64 = MIB * MIB;

/// All settings, by name.
pub const SETTINGS: &[Setting] = &[
    setting(
        "crush_location",
        Kind::Location,
        "",
        "where an OSD hangs in CRUSH's tree, such as \"root=default datacenter=dc1 rack=r1 host=h1\"; read when it boots",
    ),
    setting_2(
        "mon_clock_drift_allowed",
        Kind::FineSeconds,
        "0.05",
        "monitors' clocks that differ from the leader's by more raise a warning; nothing depends on them",
    ),
    setting_2(
        "mon_feature_level_max",
        Kind::Count,
        "0",
        "the cluster's feature level is not raised above this, so that older programs can still be gone back to; 0: as far as all daemons can",
    ),
    setting(
        "mon_max_pg_per_osd",
        Kind::Count,
        "250",
        "pg_num of a pool does not grow beyond where OSDs that are in would hold more copies of PGs than this; 0: no bound",
    )
    .within(0.0, 1e6),
    setting(
        "mon_osd_beacon_grace",
        Kind::Seconds,
        "6",
        "an OSD whose beacons stop is marked down after this",
    )
    .within(4.0, 3600.0),
    setting(
        "mon_osd_down_out_interval",
        Kind::Seconds,
        "600",
        "a down OSD is marked out after this; 0: never",
    )
    .within(0.0, YEAR),
    setting("mon_osd_full_ratio", Kind::Ratio, "0.95", "an OSD fuller than this stops writes to its PGs").within(0.1, 1.0),
    setting(
        "mon_osd_min_down_reporters",
        Kind::Count,
        "2",
        "peers that must report an OSD before it is marked down",
    )
    .within(1.0, 100.0),
    setting("mon_osd_nearfull_ratio", Kind::Ratio, "0.85", "an OSD fuller than this raises a warning").within(0.1, 1.0),
    setting(
        "osd_deep_scrub_interval",
        Kind::Seconds,
        "604800",
        "all data of a PG is read and held against its checksums after this, and by up to a sixth of it later",
    )
    .within(1.0, 10.0 * YEAR),
    setting(
        "osd_discard",
        Kind::Auto,
        "auto",
        "whether disks are told of space that holds nothing any more: auto, block devices that announce discards; on, also files",
    ),
    setting(
        "osd_heartbeat_grace",
        Kind::Seconds,
        "4",
        "a peer that does not answer for this long is reported",
    )
    .within(2.0, 3600.0),
    setting("osd_max_backfills", Kind::Count, "2", "PGs that one OSD backfills at once, as their primary").within(0.0, 1000.0),
    setting("osd_max_scrubs", Kind::Count, "1", "scrubs that one OSD takes part in at once; 0: none").within(0.0, 100.0),
    setting(
        "osd_memory_target",
        Kind::Size,
        "1G",
        "memory an OSD's caches aim to stay within, 128M at least; until it is set, what the OSD's own settings file says",
    )
    .within(128.0 * MIB, 16.0 * TIB),
    setting(
        "osd_pg_max_concurrent_snap_trims",
        Kind::Count,
        "2",
        "objects of one PG that let go of removed snapshots at once; 0: none",
    )
    .within(0.0, 1000.0),
    setting("osd_pool_default_pg_num", Kind::Count, "32", "PGs of a new pool").within(1.0, PG_NUM_MAX as f64),
    setting("osd_pool_default_size", Kind::Count, "3", "copies in a new pool").within(1.0, SIZE_MAX as f64),
    setting(
        "osd_recovery_max_active",
        Kind::Count,
        "8",
        "PGs that one OSD recovers or backfills at once, as their primary; 0: none",
    )
    .within(0.0, 1000.0),
    setting(
        "osd_scrub_begin_hour",
        Kind::Count,
        "0",
        "hour of the day (UTC) from which scrubs begin by themselves; the same as the end: at any",
    )
    .within(0.0, 23.0),
    setting(
        "osd_scrub_bytes_per_second",
        Kind::Size,
        "64M",
        "what an OSD reads for scrubs, at most; a quarter of it while clients are served",
    )
    .within(MIB / 16.0, TIB),
    setting(
        "osd_scrub_end_hour",
        Kind::Count,
        "0",
        "hour of the day (UTC) from which no scrub begins by itself",
    )
    .within(0.0, 23.0),
    setting(
        "osd_scrub_max_interval",
        Kind::Seconds,
        "604800",
        "a PG that was not compared for half as long again raises a warning",
    )
    .within(1.0, 10.0 * YEAR),
    setting(
        "osd_scrub_min_interval",
        Kind::Seconds,
        "86400",
        "the copies of a PG are compared by their index after this, and by up to half of it later",
    )
    .within(1.0, 10.0 * YEAR),
    setting(
        "osd_snap_trim_sleep",
        Kind::FineSeconds,
        "0",
        "rest of a PG after each object that let go of removed snapshots",
    ),
    setting_2(
        "rgw_bucket_logging_obj_roll_time",
        Kind::Seconds,
        "300",
        "how long records of an S3 bucket's log gather before they become an object, where the bucket does not say",
    ),
    setting(
        "rgw_crypt_kms_keys",
        Kind::Text,
        "",
        "ids of the keys that S3 clients may name for SSE-KMS, with commas between; a key is made when it is first used",
    ),
    setting_2(
        "rgw_crypt_s3_kms_backend",
        Kind::KeyKeeper,
        "local",
        "who makes the keys that S3 clients name for SSE-KMS: local, the cluster; vault, Vault's transit engine",
    ),
    setting_2(
        "rgw_crypt_vault_addr",
        Kind::Url,
        "",
        "where Vault is: http://HOST:PORT or https://HOST:PORT; needed as long as it holds the key of any object",
    ),
    setting_2("rgw_crypt_vault_namespace", Kind::Text, "", "Vault's namespace; empty: none"),
    setting_2("rgw_crypt_vault_prefix", Kind::Text, "/v1/transit", "where Vault's transit engine is mounted"),
    setting_2(
        "rgw_crypt_vault_ssl_cacert",
        Kind::Path,
        "",
        "a PEM file on the gateways' hosts: the certificates that Vault's must come from; empty: the system's",
    ),
    setting_2(
        "rgw_crypt_vault_token_file",
        Kind::Path,
        "",
        "the file on the gateways' hosts that holds Vault's token; nobody but its owner may read it",
    ),
    setting(
        "rgw_dns_s3website_name",
        Kind::Text,
        "",
        "host names whose subdomains are S3 buckets as websites, with commas between; none: no websites are served",
    ),
    setting(
        "rgw_enable_usage_log",
        Kind::Switch,
        "false",
        "whether gateways log who used what, by hour and bucket: nacre usage show",
    ),
    setting(
        "rgw_gc_obj_min_wait",
        Kind::Seconds,
        "3600",
        "what deleted S3 objects held is freed after this, longer than a GET may take; 30 at most while writes find no space",
    )
    .within(0.0, YEAR),
    setting(
        "rgw_gc_processor_period",
        Kind::Seconds,
        "300",
        "how often a gateway looks for what it may free; 5 at most while writes find no space",
    )
    .within(1.0, DAY),
    setting(
        "rgw_lc_debug_interval",
        Kind::Seconds,
        "0",
        "for trying out S3 lifecycle rules: a day of theirs lasts so long; 0: a day",
    )
    .within(0.0, DAY),
    setting(
        "rgw_ops_log_file_path",
        Kind::Output,
        "",
        "where gateways write a line for each S3 request: an absolute path, in which $name is the gateway's name; -: standard output; empty: nowhere",
    ),
    setting("rgw_region", Kind::Word, "us-east-1", "the S3 region of the gateways, which signatures must name; a gateway reads it when it starts"),
    setting(
        "rgw_s3_auth_use_sigv2",
        Kind::Switch,
        "true",
        "whether S3 lets Signature Version 2 in, which some clients still choose for presigned URLs",
    ),
];

/// The definition of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key)
}

/// Whether `value` fits the key's kind as every monitor understands it; the sentence says what would. What more is asked
/// of it: [`check_bounds`].
pub fn check(setting: &Setting, value: &str) -> Result<(), String> {
    let wanted = match setting.kind {
        Kind::Seconds if value.parse::<u32>().is_err() => "a whole number of seconds",
        Kind::FineSeconds if !value.parse::<f64>().is_ok_and(|v| (0.0..=86_400.0).contains(&v)) => {
            "a number of seconds, at most a day"
        }
        Kind::Count if value.parse::<u32>().is_err() => "a whole number",
        Kind::Size if parse_size(value).is_none() => "a size such as 512M or 4G",
        Kind::Ratio if !value.parse::<f64>().is_ok_and(|v| (0.0..=1.0).contains(&v)) => {
            "a number from 0 to 1"
        }
        Kind::Auto if !matches!(value, "auto" | "on" | "off") => "auto, on or off",
        Kind::Switch if !matches!(value, "true" | "false") => "true or false",
        Kind::Location if crate::location::parse(value).is_err() => {
            "TYPE=NAME pairs such as \"datacenter=dc1 rack=r1 host=h1\""
        }
        Kind::KeyKeeper if !matches!(value, "local" | "vault") => "local or vault",
        Kind::Text | Kind::Path | Kind::Output | Kind::Url | Kind::Word if value.len() > 4096 => {
            "a text of at most 4096 bytes"
        }
        _ => return Ok(()),
    };
    Err(format!("{value:?} does not fit {}: write {wanted}", setting.key))
}

/// Bytes in a size such as `4096`, `512M` or `4G`.
pub fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Whether a section names something that can have settings: `global`, a role, or one daemon.
pub fn section_ok(section: &str) -> bool {
    let role = section.split('.').next().unwrap_or_default();
    let named = section.split_once('.').is_none_or(|(_, rest)| !rest.is_empty());
    section.len() <= 64 && named && matches!(role, "global" | "mon" | "osd" | "gateway" | "nbd" | "client")
}

/// The value in force for a daemon: its own, its role's, the global one, or the default.
pub fn effective<'a>(
    values: &'a BTreeMap<(String, String), String>,
    daemon: &str,
    key: &str,
) -> Option<&'a str> {
    set_value(values, daemon, key).or_else(|| find(key).map(|s| s.default))
}

/// The same without the default: what somebody set.
pub fn set_value<'a>(
    values: &'a BTreeMap<(String, String), String>,
    daemon: &str,
    key: &str,
) -> Option<&'a str> {
    let role = daemon.split('.').next().unwrap_or_default();
    [daemon, role, "global"]
        .into_iter()
        .find_map(|section| values.get(&(section.to_owned(), key.to_owned())).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fit_their_kinds_and_keys_are_sorted() {
        for s in SETTINGS {
            assert_eq!(check(s, s.default), Ok(()), "{}", s.key);
            assert_eq!(check_bounds(s, s.default), Ok(()), "{}", s.key);
        }
        assert!(SETTINGS.windows(2).all(|w| w[0].key < w[1].key));
    }

    #[test]
    fn the_nearest_section_wins() {
        let mut values = BTreeMap::new();
        let key = "osd_max_backfills";
        assert_eq!(effective(&values, "osd.1", key), Some("2"));
        values.insert(("global".to_owned(), key.to_owned()), "3".to_owned());
        assert_eq!(effective(&values, "osd.1", key), Some("3"));
        values.insert(("osd".to_owned(), key.to_owned()), "4".to_owned());
        values.insert(("osd.2".to_owned(), key.to_owned()), "5".to_owned());
        assert_eq!(effective(&values, "osd.1", key), Some("4"));
        assert_eq!(effective(&values, "osd.2", key), Some("5"));
        assert_eq!(effective(&values, "osd.2", "no_such_key"), None);
    }

    #[test]
    fn values_that_do_not_fit_are_refused_with_a_hint() {
        let s = find("mon_osd_full_ratio").expect("defined");
        assert!(check(s, "1.5").unwrap_err().contains("from 0 to 1"));
        assert!(check(s, "NaN").is_err());
        assert_eq!(parse_size("2G"), Some(2 << 30));
        assert_eq!(parse_size("99999999999T"), None);
        assert!(section_ok("osd.3") && section_ok("global") && !section_ok("osd.") && !section_ok("disk"));
    }
}
