//! One key of a bucket: every version that was ever asked for, and judging what the cluster says it holds.

use crate::track::Track;
use std::sync::{Mutex, PoisonError};
use tests_cluster::content;
use tests_cluster::s3::Response;

/// What a version is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes; their ETag once the cluster has told it.
    Object {
        /// How many.
        len: usize,
        /// Without quotation marks; empty while unknown.
        etag: String,
    },
    /// No object.
    Deleted,
}

/// The key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: String,
    seed: u64,
    /// Which versions a read may give.
    pub(crate) track: Track,
    /// What versions 1, 2, 3... are.
    kinds: Mutex<Vec<Kind>>,
}

impl Key {
    /// A key that nobody has written.
    pub(crate) fn new(name: String, seed: u64) -> Key {
        let hash = name
            .bytes()
            .fold(7, |sum: u64, b| sum.wrapping_mul(1_099_511_628_211).wrapping_add(u64::from(b)));
        Key { seed: content::mix(&[seed, hash]), name, track: Track::default(), kinds: Mutex::default() }
    }

    /// Issues a version. Its number, and its bytes.
    pub(crate) fn begin(&self, len: Option<usize>) -> (u64, Vec<u8>) {
        // Told before it is issued: a reader may judge by it at once.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.push(len.map_or(Kind::Deleted, |len| Kind::Object { len, etag: String::new() }));
        let version = self.track.begin_write();
        assert_eq!(version, kinds.len() as u64, "versions are counted without gaps");
        (version, len.map_or_else(Vec::new, |len| self.bytes(version, len)))
    }

    /// The write of `version` was acknowledged, with this answer.
    pub(crate) fn acknowledged(&self, version: u64, told: &str) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Kind::Object { etag, .. }) = kinds.get_mut(version as usize - 1) {
            *etag = told.trim_matches('"').to_string();
        }
        drop(kinds);
        self.track.acknowledged(version);
    }

    /// What `version` is.
    pub(crate) fn kind(&self, version: u64) -> Kind {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        version.checked_sub(1).and_then(|at| kinds.get(at as usize)).cloned().unwrap_or(Kind::Deleted)
    }

    fn bytes(&self, version: u64, len: usize) -> Vec<u8> {
        content::bytes(content::mix(&[self.seed, version]), len)
    }

    /// Whether this is what a GET of `version` gives.
    fn is(&self, version: u64, got: Option<&[u8]>) -> bool {
        match (self.kind(version), got) {
            (Kind::Deleted, None) => true,
            (Kind::Object { len, .. }, Some(got)) => len == got.len() && self.bytes(version, len) == got,
            _ => false,
        }
    }

    /// Judges the answer to a GET that was sent when `floor` was taken. `Ok(false)`: it says nothing of the object.
    pub(crate) fn judge(&self, floor: u64, response: &Response) -> Result<bool, String> {
        let got = match response.status {
            200 => Some(&response.body[..]),
            404 if response.code() == "NoSuchKey" => None,
            _ => return Ok(false),
        };
        match self.track.end_read(floor, |version| self.is(version, got)) {
            Ok(_) => Ok(true),
            Err(impossible) => Err(format!(
                "{}: GET gives {}, but only versions {} to {} are possible ({:?} and {:?})",
                self.name,
                self.describe(got, impossible.ceiling),
                impossible.floor,
                impossible.ceiling,
                self.kind(impossible.floor),
                self.kind(impossible.ceiling)
            )),
        }
    }

    fn describe(&self, got: Option<&[u8]>, ceiling: u64) -> String {
        let Some(bytes) = got else { return "no object".into() };
        match (1..=ceiling).rev().find(|v| self.is(*v, got)) {
            Some(version) => format!("version {version}, whole"),
            None => format!("{} bytes that are no version of it", bytes.len()),
        }
    }

    /// Judges a row of a listing (`None`: not listed) that was asked for when `floor` was taken.
    pub(crate) fn judge_row(
        &self,
        floor: u64,
        row: Option<&tests_cluster::s3::Listed>,
    ) -> Result<(), String> {
        let fits = |version| match (self.kind(version), row) {
            (Kind::Deleted, None) => true,
            (Kind::Object { len, etag }, Some(row)) => {
                len as u64 == row.size && (etag.is_empty() || etag == row.etag)
            }
            _ => false,
        };
        self.track.end_read(floor, fits).map(drop).map_err(|impossible| {
            format!(
                "{}: listed as {row:?}, but only versions {} to {} are possible ({:?} and {:?})",
                self.name,
                impossible.floor,
                impossible.ceiling,
                self.kind(impossible.floor),
                self.kind(impossible.ceiling)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Response {
        Response { status, headers: Vec::new(), body: body.to_vec() }
    }

    #[test]
    fn answers_are_held_against_what_was_acknowledged() {
        let key = Key::new("a".into(), 7);
        let gone = answer(404, b"<Error><Code>NoSuchKey</Code></Error>");
        assert_eq!(key.judge(key.track.begin_read(), &gone), Ok(true));
        let (one, first) = key.begin(Some(1000));
        key.acknowledged(one, "\"x\"");
        let (two, second) = key.begin(Some(1000));
        assert_ne!(first, second);
        key.acknowledged(two, "\"y\"");
        let floor = key.track.begin_read();
        assert_eq!(key.judge(floor, &answer(200, &second)), Ok(true));
        assert!(key.judge(floor, &answer(200, &first)).unwrap_err().contains("version 1, whole"));
        assert!(key.judge(floor, &gone).unwrap_err().contains("no object"));
        assert!(key.judge(floor, &answer(200, &second[..999])).unwrap_err().contains("no version"));
        assert_eq!(key.judge(floor, &answer(503, b"")), Ok(false), "that says nothing of the object");
        let row = |size, etag: &str| tests_cluster::s3::Listed { size, etag: etag.into() };
        assert!(key.judge_row(floor, Some(&row(1000, "y"))).is_ok());
        assert!(key.judge_row(floor, Some(&row(1000, "x"))).is_err());
        assert!(key.judge_row(floor, None).is_err());
    }
}
