//! What was asked for on the command line.

use std::path::PathBuf;

const USAGE: &str = "[--against ceph] [--short] [--seconds N] [--only WORD]... [--link crc|secure] [--rounds N] \
                     [--fio PROGRAM] [--scratch DIR] [--json FILE] [--gib N] [--away SECONDS]";

/// The options of every suite.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Measure the peer too.
    pub(crate) against_ceph: bool,
    /// Seconds of each case.
    pub(crate) seconds: u64,
    /// How often each side has its turn.
    pub(crate) rounds: usize,
    /// Cases whose name holds one of these; none: all.
    pub(crate) only: Vec<String>,
    /// Protection of our links: `crc` as Ceph's own default, or `secure`.
    pub(crate) link: String,
    /// GiB that a backfill copies.
    pub(crate) gib: u64,
    /// How long an OSD is away, seconds.
    pub(crate) away_seconds: u64,
    /// The program that is run as fio: a wrapper of it may keep the machine quiet meanwhile.
    pub(crate) fio: PathBuf,
    /// Where stores lie while the run lasts.
    pub(crate) scratch: PathBuf,
    /// Where the rows are written.
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// Reads the words after the suite's name.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            against_ceph: false,
            seconds: 15,
            rounds: 2,
            only: Vec::new(),
            link: "crc".to_owned(),
            gib: 10,
            away_seconds: 60,
            fio: "fio".into(),
            scratch: std::env::temp_dir(),
            json: None,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            if word == "--short" {
                options.seconds = 4;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("what {word}? usage: {USAGE}"))?;
            let number = || value.parse::<u64>().ok().filter(|n| *n > 0);
            match (word.as_str(), value.as_str()) {
                ("--against", "ceph") => options.against_ceph = true,
                ("--link", "crc" | "secure") => options.link = value,
                ("--seconds", _) if number().is_some() => options.seconds = number().unwrap_or_default(),
                ("--rounds", _) if number().is_some() => {
                    options.rounds = number().unwrap_or_default() as usize;
                }
                ("--gib", _) if number().is_some() => options.gib = number().unwrap_or_default(),
                ("--away", _) if number().is_some() => options.away_seconds = number().unwrap_or_default(),
                ("--only", _) => options.only.push(value),
                ("--fio", _) => options.fio = value.into(),
                ("--scratch", _) => options.scratch = value.into(),
                ("--json", _) => options.json = Some(value.into()),
                _ => return Err(format!("{word} {value}? usage: {USAGE}")),
            }
        }
        Ok(options)
    }

    /// Whether a case is wanted.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| case.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_understood_or_refused() {
        let plain = parse("").expect("defaults");
        assert!(!plain.against_ceph && plain.wants("anything") && plain.link == "crc");
        let all =
            parse("--against ceph --short --rounds 1 --only 4k --link secure --json a.json").expect("good");
        assert!(all.against_ceph && all.seconds == 4 && all.rounds == 1);
        assert!(all.wants("mixed 4k") && !all.wants("mixed 1m"));
        for bad in ["--against", "--against minio", "--seconds 0", "--seconds x", "--what ever"] {
            assert!(parse(bad).expect_err(bad).contains("usage"), "{bad}");
        }
    }
}
