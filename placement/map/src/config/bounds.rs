//! What a setting may be beyond its kind, and whom it may be set for: a value that nothing can work with is refused where
//! it is said, and not obeyed by every daemon.

use super::{Kind, Setting, effective, parse_size};
use crate::cluster_map::ClusterMap;
use crate::ids::OsdId;
use std::collections::BTreeMap;

/// Whether `value`, which fits the kind, is within the key's bounds; the sentence says what would be.
pub fn check_bounds(setting: &Setting, value: &str) -> Result<(), String> {
    let wanted = match setting.kind {
        Kind::Path if !(value.is_empty() || value.starts_with('/')) => {
            "an absolute path, or nothing".to_owned()
        }
        Kind::Output if !(value.is_empty() || value == "-" || value.starts_with('/')) => {
            "an absolute path, - for standard output, or nothing".to_owned()
        }
        Kind::Url if !(value.is_empty() || is_url(value)) => {
            "http://HOST:PORT or https://HOST:PORT".to_owned()
        }
        Kind::Word if !is_word(value) => "1 to 64 letters, digits and -".to_owned(),
        _ => match number(setting.kind, value) {
            Some(n) if !(setting.least..=setting.most).contains(&n) => {
                let show = |n| shown(setting.kind, n);
                match setting.most.is_finite() {
                    true => format!("{} to {}", show(setting.least), show(setting.most)),
                    false => format!("{} or more", show(setting.least)),
                }
            }
            _ => return Ok(()),
        },
    };
    Err(format!("{value:?} does not fit {}: write {wanted}", setting.key))
}

/// Whether somebody in `section` reads the key: whatever is set for anybody else would be a setting in vain.
pub fn check_section(map: &ClusterMap, section: &str, setting: &Setting) -> Result<(), String> {
    let (role, one) = section.split_once('.').map_or((section, None), |(role, one)| (role, Some(one)));
    let readers = readers(setting.key);
    if role != "global" && !readers.contains(&role) {
        let text = format!(
            "{} is for {}, not for {role}; set it for {}",
            setting.key,
            readers.join(" and "),
            readers[0]
        );
        return Err(text);
    }
    match (role, one) {
        ("global", Some(_)) => Err(format!("{section:?} names nobody; write global")),
        ("mon", Some(_)) => Err(format!("all monitors go by one {}; set it for mon", setting.key)),
        ("osd", Some(one)) => match one.parse().map(OsdId) {
            // Where an OSD hangs is told before it is first there.
            Ok(_) if setting.key == "crush_location" => Ok(()),
            Ok(id) if map.osds.contains_key(&id) => Ok(()),
            _ => Err(format!("there is no {section}; `nacre osd tree` lists the OSDs there are")),
        },
        _ => Ok(()),
    }
}

/// Whether the warning comes no later than what it warns of.
pub fn ratios_in_order(values: &BTreeMap<(String, String), String>) -> bool {
    let ratio = |key| effective(values, "mon", key).and_then(|v| v.parse::<f64>().ok());
    ratio("mon_osd_nearfull_ratio") <= ratio("mon_osd_full_ratio")
}

/// The roles whose daemons read a key.
fn readers(key: &str) -> &'static [&'static str] {
    match key {
        // The OSDs scrub by them, and the monitors warn by them.
        "osd_deep_scrub_interval" | "osd_scrub_max_interval" => &["osd", "mon"],
        _ if key.starts_with("osd_pool_default_") || key.starts_with("mon_") => &["mon"],
        _ if key.starts_with("rgw_") => &["gateway"],
        _ => &["osd"],
    }
}

fn number(kind: Kind, value: &str) -> Option<f64> {
    match kind {
        Kind::Seconds | Kind::FineSeconds | Kind::Count | Kind::Ratio => value.parse().ok(),
        Kind::Size => parse_size(value).map(|bytes| bytes as f64),
        _ => None,
    }
}

/// A bound as one would write it.
fn shown(kind: Kind, n: f64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    let whole = |(_, shift): &(&str, u32)| kind == Kind::Size && n > 0.0 && n % (1u64 << shift) as f64 == 0.0;
    match units.iter().find(|unit| whole(unit)) {
        Some((unit, shift)) => format!("{}{unit}", n / (1u64 << shift) as f64),
        None => n.to_string(),
    }
}

fn is_url(value: &str) -> bool {
    let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        (rest.starts_with('[') || !host.is_empty())
            && !value.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

fn is_word(value: &str) -> bool {
    (1..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SETTINGS, check, find, section_ok};

    fn taken(key: &str, value: &str) -> Result<(), String> {
        let setting = find(key).expect("defined");
        check(setting, value).and_then(|()| check_bounds(setting, value))
    }

    #[test]
    fn what_nothing_can_work_with_is_refused_with_what_would_do() {
        for (key, value, hint) in [
            ("mon_osd_beacon_grace", "0", "4 to 3600"),
            ("mon_osd_beacon_grace", "1000000000", "4 to 3600"),
            ("mon_osd_min_down_reporters", "0", "1 to 100"),
            ("mon_osd_min_down_reporters", "4000000000", "1 to 100"),
            ("osd_scrub_begin_hour", "77", "0 to 23"),
            ("osd_pool_default_size", "99", "1 to 10"),
            ("osd_pool_default_pg_num", "100000000", "1 to"),
            ("osd_memory_target", "99999T", "128M to 16T"),
            ("osd_memory_target", "1", "128M to 16T"),
            ("osd_scrub_bytes_per_second", "1", "64K to 1T"),
            ("mon_osd_full_ratio", "0.01", "0.1 to 1"),
            ("rgw_crypt_vault_addr", "gopher://x", "http"),
            ("rgw_crypt_vault_addr", "http://", "http"),
            ("rgw_crypt_vault_token_file", "token", "absolute"),
            ("rgw_ops_log_file_path", "log", "absolute"),
            ("rgw_region", "", "letters"),
        ] {
            let said = taken(key, value).expect_err(key);
            assert!(said.contains(hint), "{said}");
        }
        for (key, value) in [
            ("mon_osd_beacon_grace", "4"),
            ("osd_memory_target", "128M"),
            ("rgw_crypt_vault_addr", "http://127.0.0.1:8200"),
            ("rgw_crypt_vault_addr", "https://[::1]:8200/path"),
            ("rgw_crypt_vault_addr", ""),
            ("rgw_ops_log_file_path", "-"),
            ("rgw_ops_log_file_path", "/var/log/$name"),
            ("rgw_region", "eu-west-1"),
        ] {
            assert_eq!(taken(key, value), Ok(()), "{key} {value}");
        }
    }

    #[test]
    fn a_setting_is_for_those_who_read_it() {
        let mut map = ClusterMap::default();
        map.osds.insert(OsdId(3), crate::osd::OsdInfo::new(crate::osd::Uuid([1; 16])));
        let said = |section: &str, key: &str| {
            assert!(section_ok(section), "{section}");
            check_section(&map, section, find(key).expect("defined"))
        };
        for setting in SETTINGS {
            assert_eq!(said("global", setting.key), Ok(()));
            assert_eq!(said(readers(setting.key)[0], setting.key), Ok(()));
        }
        assert_eq!(said("osd.3", "osd_max_scrubs"), Ok(()));
        assert_eq!(said("osd.99", "crush_location"), Ok(()));
        assert_eq!(said("gateway.a", "rgw_region"), Ok(()));
        assert!(said("osd", "rgw_region").unwrap_err().contains("for gateway"));
        assert!(said("gateway", "osd_max_scrubs").unwrap_err().contains("for osd"));
        assert!(said("mon.0", "mon_osd_beacon_grace").unwrap_err().contains("for mon"));
        for nobody in ["osd.99", "osd.x", "global.x"] {
            assert!(said(nobody, "osd_max_scrubs").is_err(), "{nobody}");
        }
    }
}
