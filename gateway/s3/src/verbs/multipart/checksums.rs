//! The additional checksums of multipart uploads: what is agreed at the beginning, and what the whole's is at
//! the end. Source: the S3 user guide, "Checking object integrity", tables of full object and composite types.

use crate::checksum::{
    self, Checksum, ChecksumAlgorithm, ChecksumKind, composite, declared_algorithm, full_object,
};
use crate::error::{Code, S3Error};
use crate::storage::{CompletePart, ObjectChecksum, PartInfo, UploadInfo};
use http::HeaderMap;

/// What CreateMultipartUpload's headers agree on. `InvalidRequest` for a pair that S3 does not know.
pub(super) fn agreed(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, S3Error> {
    let algorithm = declared_algorithm(headers)?;
    let kind = declared_kind(headers)?;
    let Some(algorithm) = algorithm else {
        if kind.is_some() {
            let message =
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        return Ok(None);
    };
    let usual = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        _ => ChecksumKind::Composite,
    };
    let kind = kind.unwrap_or(usual);
    let known = match kind {
        ChecksumKind::FullObject => algorithm.is_crc(),
        ChecksumKind::Composite => algorithm != ChecksumAlgorithm::Crc64Nvme,
    };
    if !known {
        let message = format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_ascii_lowercase()
        );
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    Ok(Some((algorithm, kind)))
}

fn declared_kind(headers: &HeaderMap) -> Result<Option<ChecksumKind>, S3Error> {
    let Some(value) = headers.get("x-amz-checksum-type") else { return Ok(None) };
    let kind = value.to_str().ok().and_then(ChecksumKind::from_name);
    let message = "Value for x-amz-checksum-type header is invalid.";
    kind.map(Some).ok_or_else(|| S3Error::with_message(Code::InvalidRequest, message))
}

/// What CompleteMultipartUpload's client says of the whole.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    checksum: Option<(ChecksumAlgorithm, String)>,
    kind: Option<ChecksumKind>,
    size: Option<u64>,
}

impl Claimed {
    /// Reads it from the headers. `InvalidRequest`.
    pub(super) fn of_headers(headers: &HeaderMap) -> Result<Claimed, S3Error> {
        let mut checksum = None;
        for algorithm in ChecksumAlgorithm::ALL {
            if let Some(value) = headers.get(algorithm.header()) {
                checksum = Some((algorithm, value.to_str().unwrap_or("").trim().to_string()));
            }
        }
        let size = match headers.get("x-amz-mp-object-size") {
            None => None,
            Some(v) => Some(v.to_str().ok().and_then(|v| v.trim().parse().ok()).ok_or_else(|| {
                let message = "Value for x-amz-mp-object-size header is invalid.";
                S3Error::with_message(Code::InvalidRequest, message)
            })?),
        };
        Ok(Claimed { checksum, kind: declared_kind(headers)?, size })
    }

    /// The checksum of the whole, after comparing all that the client says with what is stored: `InvalidPart`,
    /// `InvalidRequest`, `BadDigest`.
    pub(super) fn check(
        &self,
        upload: &UploadInfo,
        stored: &[PartInfo],
        named: &[CompletePart],
    ) -> Result<Option<ObjectChecksum>, S3Error> {
        let size: u64 = stored.iter().map(|p| p.size).sum();
        if self.size.is_some_and(|s| s != size) {
            let message = format!(
                "The provided 'x-amz-mp-object-size' header value does not match what was computed: {size}"
            );
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        for (part, named) in stored.iter().zip(named) {
            if let (Some(a), Some(b)) = (&named.checksum, &part.checksum)
                && a != b
            {
                return Err(S3Error::new(Code::InvalidPart).field("PartNumber", part.number.to_string()));
            }
        }
        let Some((algorithm, kind)) = upload.checksum else { return Ok(None) };
        if self.kind.is_some_and(|k| k != kind) {
            let message = format!(
                "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
                kind.name()
            );
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        let sums: Option<Vec<(&Checksum, u64)>> =
            stored.iter().map(|p| p.checksum.as_ref().map(|c| (c, p.size))).collect();
        let whole = sums.and_then(|sums| match kind {
            ChecksumKind::FullObject => full_object(algorithm, sums),
            ChecksumKind::Composite => composite(algorithm, sums.into_iter().map(|(c, _)| c)),
        });
        // Every part of such an upload got its checksum when it was stored.
        let Some(checksum) = whole else {
            return Err(S3Error::internal("a part of an upload with checksums has none"));
        };
        let whole = ObjectChecksum { checksum, kind };
        if let Some((claimed_algorithm, text)) = &self.checksum {
            let count = stored.len();
            let ours = whole.checksum.base64();
            let same = match kind {
                ChecksumKind::FullObject => *text == ours,
                ChecksumKind::Composite => *text == ours || *text == format!("{ours}-{count}"),
            };
            if *claimed_algorithm != algorithm || !same {
                let message = format!(
                    "The {} you specified did not match the calculated checksum.",
                    claimed_algorithm.name()
                );
                return Err(S3Error::with_message(Code::BadDigest, message));
            }
        }
        Ok(Some(whole))
    }
}

/// `InvalidRequest` if a part comes with a checksum of another algorithm than its upload's.
pub(super) fn check_part(
    upload: &UploadInfo,
    announced: Option<checksum::ChecksumAlgorithm>,
) -> Result<(), S3Error> {
    match (upload.checksum, announced) {
        (Some((agreed, _)), Some(announced)) if agreed != announced => {
            let name = |a: ChecksumAlgorithm| a.name().to_ascii_lowercase();
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                name(agreed),
                name(announced)
            );
            Err(S3Error::with_message(Code::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        agreed(&headers).map_err(|e| e.code())
    }

    #[test]
    fn what_an_upload_may_agree_on() {
        use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha256};
        use ChecksumKind::{Composite, FullObject};
        let algorithm = |name| ("x-amz-checksum-algorithm", name);
        let kind = |name| ("x-amz-checksum-type", name);
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[algorithm("CRC32")]), Ok(Some((Crc32, Composite))));
        assert_eq!(of(&[algorithm("CRC32"), kind("FULL_OBJECT")]), Ok(Some((Crc32, FullObject))));
        assert_eq!(of(&[algorithm("CRC64NVME")]), Ok(Some((Crc64Nvme, FullObject))));
        assert_eq!(of(&[algorithm("SHA256")]), Ok(Some((Sha256, Composite))));
        for bad in [
            &[algorithm("SHA256"), kind("FULL_OBJECT")][..],
            &[algorithm("CRC64NVME"), kind("COMPOSITE")],
            &[algorithm("MD5")],
            &[kind("COMPOSITE")],
            &[algorithm("SHA1"), kind("HALF")],
        ] {
            assert_eq!(of(bad), Err(Code::InvalidRequest), "{bad:?}");
        }
    }
}
