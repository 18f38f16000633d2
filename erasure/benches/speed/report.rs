//! Rows for people, or as JSON for `cargo xtask bench`.

use crate::work::Speeds;

/// Which cases are wanted, and what was found.
pub(crate) struct Report {
    json: bool,
    words: Vec<String>,
    rows: Vec<String>,
}

impl Report {
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Report {
        let mut report = Report { json: false, words: Vec::new(), rows: Vec::new() };
        for argument in arguments {
            match argument.as_str() {
                "--json" => report.json = true,
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
        if !self.json {
            let peer = peer.map_or("-".to_owned(), |peer| format!("{peer:.2}"));
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            println!("{case:<52} {ours:8.2} GB/s  isa-l {peer:>7}  ratio {ratio}");
        }
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.3}"));
        let limit = if promised { "1.0" } else { "null" };
        self.rows.push(format!(
            r#"{{"case": "erasure {case}", "unit": "GB/s", "ours": {ours:.3}, "peer": {}, "ratio": {}, "limit": {limit}}}"#,
            number(peer),
            number(ratio)
        ));
    }

    pub(crate) fn end(self) {
        if self.json {
            println!("[\n{}\n]", self.rows.join(",\n"));
        }
    }
}
