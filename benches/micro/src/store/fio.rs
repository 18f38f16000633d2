//! The machine's own limit: fio on a raw file, with the same flush discipline.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What fio is asked to do.
pub(super) struct Job<'a> {
    /// fio's word: `randwrite`, `randread`, `write`, `read`.
    pub(super) rw: &'a str,
    pub(super) block_bytes: u64,
    pub(super) depth: usize,
    /// Writes per flush; 0: none.
    pub(super) writes_per_flush: u64,
    pub(super) seconds: u64,
}

/// Operations a second that fio reaches on `file`, of which it uses `file_bytes`; the file must be written already.
pub(super) fn rate(file: &Path, file_bytes: u64, job: &Job<'_>) -> Result<f64, String> {
    let mut fio = Command::new("fio");
    fio.args(["--name=limit", "--ioengine=io_uring", "--direct=1", "--time_based", "--randrepeat=0"])
        .args(["--norandommap", "--output-format=json"])
        .arg(format!("--filename={}", file.display()))
        .arg(format!("--rw={}", job.rw))
        .arg(format!("--bs={}", job.block_bytes))
        .arg(format!("--iodepth={}", job.depth))
        .arg(format!("--fdatasync={}", job.writes_per_flush))
        .arg(format!("--runtime={}", job.seconds))
        .arg(format!("--size={file_bytes}"));
    let output = fio.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("fio: {error} (Debian's package fio)"))?;
    if !output.status.success() {
        return Err(format!("{fio:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let side = if job.rw.ends_with("read") { "read" } else { "write" };
    parse(&output.stdout, side).ok_or_else(|| format!("{fio:?}: no rate in what it printed"))
}

fn parse(json: &[u8], side: &str) -> Option<f64> {
    // fio may print notes before the document.
    let start = json.iter().position(|byte| *byte == b'{')?;
    let all: Value = serde_json::from_slice(&json[start..]).ok()?;
    all["jobs"][0][side]["iops"].as_f64().filter(|rate| *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_rate_is_found_behind_notes() {
        let text = br#"fio: note
            {"jobs": [{"write": {"iops": 12.5}, "read": {"iops": 0}}]}"#;
        assert_eq!(parse(text, "write"), Some(12.5));
        assert_eq!(parse(text, "read"), None);
        assert_eq!(parse(b"nothing", "read"), None);
    }
}
