//! Rows for people, and as JSON for programs.

use crate::work::Speeds;
use std::path::PathBuf;

/// Which cases are wanted, and what was found.
pub(crate) struct Report {
    json: Option<PathBuf>,
    words: Vec<String>,
    rows: Vec<String>,
}

impl Report {
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Report {
        let mut report = Report { json: None, words: Vec::new(), rows: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => report.json = arguments.next().map(PathBuf::from),
                // The only peer there is, and it is always there if it is installed.
                "--against" => drop(arguments.next()),
                // What cargo itself passes, and what only introduces a word.
                "--bench" | "--kernel" => {}
                word => report.words.push(word.to_owned()),
            }
        }
        report
    }

    pub(crate) fn wants(&self, case: &str) -> bool {
        self.words.iter().all(|word| format!(" {case} ").contains(&format!(" {word} ")))
    }

    /// `promised`: a rate at least the peer's is.
    pub(crate) fn row(&mut self, case: &str, speeds: Speeds, promised: bool) {
        let gb = |bytes_per_second: f64| bytes_per_second / 1e9;
        let (ours, peer) = (gb(speeds.ours), speeds.peer.map(gb));
        let ratio = peer.map(|peer| ours / peer);
        let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let missed = if promised && ratio.is_some_and(|ratio| ratio < 1.0) { "  NOT REACHED" } else { "" };
        println!("{case:<52} {ours:8.2} GB/s  isa-l {:>7}  ratio {}{missed}", text(peer), text(ratio));
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.3}"));
        let limit = if promised { "1.0" } else { "null" };
        self.rows.push(format!(
            r#"{{"case": "erasure {case}", "unit": "GB/s", "ours": {ours:.3}, "peer": {}, "ratio": {}, "limit": {limit}}}"#,
            number(peer),
            number(ratio)
        ));
    }

    pub(crate) fn end(self) {
        if let Some(file) = self.json {
            let rows = format!("[\n{}\n]\n", self.rows.join(",\n"));
            std::fs::write(&file, rows).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}
