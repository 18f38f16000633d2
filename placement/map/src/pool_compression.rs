//! What a pool wants of compression, in Ceph's words (`compression_mode`, `compression_algorithm`,
//! `compression_required_ratio`).

use crate::pool::Pool;

/// When data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionMode {
    /// What its writer called compressible.
    Passive,
    /// All but what its writer called incompressible.
    Aggressive,
    /// All.
    Force,
}

/// How data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionAlgorithm {
    /// LZ4: costs least.
    Lz4,
    /// Zstandard: packs most.
    Zstd,
}

/// What a pool wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolCompression {
    /// When.
    pub mode: CompressionMode,
    /// How.
    pub algorithm: CompressionAlgorithm,
    /// Compressed data is kept if it takes at most so many thousandths of what it was.
    pub required_ratio_permille: u32,
}

/// When it is compressed: `none`, `passive`, `aggressive` or `force`.
pub const MODE_OPTION: &str = "compression_mode";
/// How: `lz4` or `zstd`.
pub const ALGORITHM_OPTION: &str = "compression_algorithm";
/// What makes it worth it, above 0 and up to 1.
pub const RATIO_OPTION: &str = "compression_required_ratio";
/// All of these options.
pub const OPTIONS: [&str; 3] = [MODE_OPTION, ALGORITHM_OPTION, RATIO_OPTION];

/// Ceph's default: an eighth must be gained.
const RATIO_DEFAULT_PERMILLE: u32 = 875;

impl Pool {
    /// What the pool wants; `None`: nothing is compressed.
    pub fn compression(&self) -> Option<PoolCompression> {
        let option = |key: &str| self.options.get(key).map(String::as_str);
        let mode = parse_mode(option(MODE_OPTION)?)?;
        Some(PoolCompression {
            mode,
            algorithm: option(ALGORITHM_OPTION)
                .and_then(parse_algorithm)
                .unwrap_or(CompressionAlgorithm::Lz4),
            required_ratio_permille: option(RATIO_OPTION)
                .and_then(parse_ratio)
                .unwrap_or(RATIO_DEFAULT_PERMILLE),
        })
    }
}

/// Whether a value fits one of [`OPTIONS`]; the sentence says what would.
pub fn check(key: &str, value: &str) -> Result<(), &'static str> {
    match key {
        MODE_OPTION if value != "none" && parse_mode(value).is_none() => {
            Err("none, passive, aggressive or force")
        }
        ALGORITHM_OPTION if parse_algorithm(value).is_none() => Err("lz4 or zstd"),
        RATIO_OPTION if parse_ratio(value).is_none() => Err("a number above 0, up to 1, such as 0.875"),
        _ => Ok(()),
    }
}

fn parse_mode(word: &str) -> Option<CompressionMode> {
    match word {
        "passive" => Some(CompressionMode::Passive),
        "aggressive" => Some(CompressionMode::Aggressive),
        "force" => Some(CompressionMode::Force),
        _ => None,
    }
}

fn parse_algorithm(word: &str) -> Option<CompressionAlgorithm> {
    match word {
        "lz4" => Some(CompressionAlgorithm::Lz4),
        "zstd" => Some(CompressionAlgorithm::Zstd),
        _ => None,
    }
}

fn parse_ratio(word: &str) -> Option<u32> {
    let ratio = word.parse::<f64>().ok().filter(|r| (0.001..=1.0).contains(r))?;
    Some((ratio * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_make_no_sense_are_refused_and_say_what_would() {
        for (key, good, bad) in [
            (MODE_OPTION, vec!["none", "passive", "aggressive", "force"], vec!["", "on", "Force"]),
            (ALGORITHM_OPTION, vec!["lz4", "zstd"], vec!["snappy", "zlib", "none"]),
            (RATIO_OPTION, vec!["1", "0.5", ".875", "1e-1"], vec!["0", "-1", "1.1", "NaN", "half", "inf"]),
        ] {
            assert!(OPTIONS.contains(&key));
            assert!(good.iter().all(|value| check(key, value).is_ok()), "{key}");
            assert!(bad.iter().all(|value| check(key, value).is_err()), "{key}");
        }
        assert_eq!(parse_ratio(".875"), Some(875));
    }
}
