//! What a run is told on its command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long faults are injected; healing and the final checks come on top.
    pub length: Duration,
    /// Decides contents, keys, faults and their order. How processes interleave it does not.
    pub seed: u64,
    /// Where the cluster lives; none: a folder of its own beside this program.
    pub data: Option<PathBuf>,
    /// The raw objects lie in an erasure-coded pool.
    pub ec: bool,
    /// The only faults that are injected, by name; all that the machine allows when empty.
    pub only: Vec<String>,
    /// Links can be cut: this process is alone in its network namespace.
    pub cuts: bool,
}

/// The usage line.
pub const USAGE: &str = "usage: --minutes M [--seed S] [--data DIR] [--ec] [--only FAULT,FAULT...]";

impl Options {
    /// Understands the arguments after the program's name; an error is one sentence.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            length: Duration::ZERO,
            seed: drawn_seed(),
            data: None,
            ec: false,
            only: Vec::new(),
            cuts: false,
        };
        while let Some(arg) = args.next() {
            if arg == "--ec" {
                options.ec = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg:?} is unknown or needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number, not {value:?}"));
            match arg.as_str() {
                "--minutes" => options.length = Duration::from_secs(number()?.min(100_000) * 60),
                "--seed" => options.seed = number()?,
                "--data" => options.data = Some(PathBuf::from(value)),
                "--only" => options.only = value.split(',').map(str::to_string).collect(),
                _ => return Err(format!("{arg:?} is unknown")),
            }
        }
        match options.length.is_zero() {
            true => Err("--minutes says how long, at least 1".into()),
            false => Ok(options),
        }
    }
}

/// A seed for a run that was given none: it is printed, and that is all that matters of it.
fn drawn_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs()) % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, String> {
        Options::parse(words.iter().map(|w| w.to_string()))
    }

    #[test]
    fn arguments_are_understood_and_strangers_refused() {
        let options = parsed(&["--minutes", "2", "--ec", "--seed", "7", "--only", "kill-osd,cut"]).unwrap();
        assert_eq!(options.length, Duration::from_secs(120));
        assert!(options.ec && options.seed == 7 && options.only == ["kill-osd", "cut"]);
        for bad in [&[][..], &["--minutes"], &["--minutes", "x"], &["--minutes", "0"], &["--wrong", "1"]] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
