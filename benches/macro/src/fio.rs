//! fio: the load, the same for every target.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What fio is let loose on.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// An export of an NBD server.
    Nbd(String),
    /// An image in the pool `rbd` of the Ceph cluster of this ceph.conf.
    Rbd { conf: PathBuf, image: String },
    /// A file, past the page cache.
    File(PathBuf),
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    /// fio's word: `randrw`, `randwrite`, `randread`, `write`, `read`.
    pub(crate) rw: &'a str,
    /// Reads among a hundred, where `rw` mixes them.
    pub(crate) reads_percent: u32,
    /// Bytes of each, as fio writes them: `4k`.
    pub(crate) block: &'a str,
    pub(crate) depth: u32,
    pub(crate) jobs: u32,
}

/// One direction's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Side {
    pub(crate) iops: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// What fio reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) read: Side,
    pub(crate) write: Side,
}

/// How it is started.
#[derive(Clone, Debug)]
pub(crate) struct Fio {
    /// The program.
    pub(crate) program: PathBuf,
    /// Bytes that each job works on, from the start of the target.
    pub(crate) bytes: u64,
}

impl Fio {
    /// Writes every byte once.
    pub(crate) fn fill(&self, target: &Target) -> Result<(), String> {
        let job = Job { rw: "write", reads_percent: 0, block: "1m", depth: 16, jobs: 1 };
        // Not measured, so not with a program that may keep the machine for itself.
        let plain = Fio { program: "fio".into(), bytes: self.bytes };
        plain.start(target, &job, &[]).map(drop)
    }

    /// Runs for some seconds, after a first one that does not count.
    pub(crate) fn run(&self, target: &Target, job: &Job<'_>, seconds: u64) -> Result<Report, String> {
        self.run_with(target, job, seconds, &[])
    }

    /// The same with further words to fio.
    pub(crate) fn run_with(
        &self,
        target: &Target,
        job: &Job<'_>,
        seconds: u64,
        more: &[&str],
    ) -> Result<Report, String> {
        let runtime = format!("--runtime={seconds}");
        let words = [&["--time_based", "--ramp_time=1", &runtime], more].concat();
        let text = self.start(target, job, &words)?;
        parse(&text).ok_or_else(|| format!("fio printed no figures: {}", String::from_utf8_lossy(&text)))
    }

    fn start(&self, target: &Target, job: &Job<'_>, more: &[&str]) -> Result<Vec<u8>, String> {
        let mut fio = Command::new(&self.program);
        fio.args(["--name=bench", "--direct=1", "--group_reporting", "--randrepeat=0", "--norandommap"])
            .args(["--output-format=json", "--thread"])
            .arg(format!("--rw={}", job.rw))
            .arg(format!("--rwmixread={}", job.reads_percent))
            .arg(format!("--bs={}", job.block))
            .arg(format!("--iodepth={}", job.depth))
            .arg(format!("--numjobs={}", job.jobs))
            .arg(format!("--size={}", self.bytes))
            .args(more);
        match target {
            Target::Nbd(uri) => fio.arg("--ioengine=nbd").arg(format!("--uri={uri}")),
            Target::Rbd { conf, image } => fio
                .args(["--ioengine=rbd", "--clientname=admin", "--pool=rbd"])
                .arg(format!("--rbdname={image}"))
                .env("CEPH_CONF", conf),
            Target::File(path) => {
                fio.arg("--ioengine=io_uring").arg(format!("--filename={}", path.display()))
            }
        };
        let output = fio.stdin(Stdio::null()).output();
        let output = output.map_err(|e| format!("{}: {e} (Debian's package fio)", self.program.display()))?;
        if !output.status.success() {
            let said = [output.stderr, output.stdout].concat();
            return Err(format!("{fio:?}: {}", String::from_utf8_lossy(&said)));
        }
        Ok(output.stdout)
    }
}

fn parse(json: &[u8]) -> Option<Report> {
    // fio may print notes before the document.
    let start = json.iter().position(|byte| *byte == b'{')?;
    let all: Value = serde_json::from_slice(&json[start..]).ok()?;
    let job = &all["jobs"][0];
    if job["error"].as_i64() != Some(0) {
        return None;
    }
    let side = |name: &str| {
        let us = |p: &str| job[name]["clat_ns"]["percentile"][p].as_f64().unwrap_or(0.0) / 1e3;
        Some(Side { iops: job[name]["iops"].as_f64()?, p50_us: us("50.000000"), p99_us: us("99.000000") })
    };
    Some(Report { read: side("read")?, write: side("write")? })
}

/// A file of `bytes` that was written once, so that its blocks need no allocation later.
pub(crate) fn raw_file(path: &Path, bytes: u64) -> Result<Target, String> {
    let target = Target::File(path.to_path_buf());
    Fio { program: "fio".into(), bytes }.fill(&target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_notes() {
        let text = br#"fio: note
            {"jobs": [{"error": 0, "read": {"iops": 0.0}, "write": {"iops": 12.5,
              "clat_ns": {"percentile": {"50.000000": 2000, "99.000000": 9000}}}}]}"#;
        let report = parse(text).expect("figures");
        assert_eq!((report.write.iops, report.write.p50_us, report.write.p99_us), (12.5, 2.0, 9.0));
        assert_eq!(report.read.iops, 0.0);
        assert!(parse(b"nothing").is_none());
        assert!(parse(br#"{"jobs": [{"error": 5, "read": {"iops": 0}, "write": {"iops": 0}}]}"#).is_none());
    }
}
