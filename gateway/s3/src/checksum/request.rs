//! Which checksum a request announces: as a header, in a trailer, or by algorithm only.

use super::{Checksum, ChecksumAlgorithm};
use crate::error::{Code, S3Error};
use http::HeaderMap;

/// The checksum that the body of a request must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) algorithm: ChecksumAlgorithm,
    pub(crate) source: Source,
}

/// Where the expected value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is known beforehand.
    Header(Checksum),
    /// It follows the body.
    Trailer,
    /// Nowhere: it is computed to be kept, not to be compared.
    Computed,
}

/// Reads the announced checksum. `InvalidRequest` for more than one, `BadDigest` for one that is no checksum, `InvalidRequest` for an
/// announcement that nothing follows.
pub(crate) fn expected_of_headers(headers: &HeaderMap) -> Result<Option<Requested>, S3Error> {
    let mut found: Option<Requested> = None;
    let mut add = |new: Requested| match found.replace(new) {
        None => Ok(()),
        Some(_) => Err(S3Error::with_message(
            Code::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )),
    };
    for algorithm in ChecksumAlgorithm::ALL {
        for value in headers.get_all(algorithm.header()) {
            let checksum =
                value.to_str().ok().and_then(|v| Checksum::from_base64(algorithm, v)).ok_or_else(|| {
                    // S3 says InvalidRequest; RGW, that no body has it.
                    S3Error::with_message(
                        Code::BadDigest,
                        format!("Value for {} header is invalid.", algorithm.header()),
                    )
                })?;
            add(Requested { algorithm, source: Source::Header(checksum) })?;
        }
    }
    for name in headers.get_all("x-amz-trailer").iter().flat_map(|v| v.to_str().unwrap_or("").split(',')) {
        let name = name.trim().to_ascii_lowercase();
        if let Some(algorithm) = ChecksumAlgorithm::ALL.into_iter().find(|a| a.header() == name) {
            add(Requested { algorithm, source: Source::Trailer })?;
        } else if name.starts_with("x-amz-checksum-") {
            let message = "The value specified in the x-amz-trailer header is not supported";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
    }
    let declared = headers.get("x-amz-sdk-checksum-algorithm").map(|v| v.to_str().unwrap_or(""));
    match (declared, &found) {
        (None, _) => {}
        (Some(name), found) => {
            let invalid = || {
                S3Error::with_message(
                    Code::InvalidRequest,
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.",
                )
            };
            let algorithm = ChecksumAlgorithm::from_name(name);
            match (algorithm, found) {
                // MD5 is announced this way by clients that send Content-MD5.
                (None, None) if name.eq_ignore_ascii_case("MD5") => {}
                (None, _) => return Err(invalid()),
                (Some(a), Some(f)) if a != f.algorithm => return Err(invalid()),
                (Some(_), Some(_)) => {}
                (Some(_), None) => {
                    return Err(S3Error::with_message(
                        Code::InvalidRequest,
                        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// The algorithm that `x-amz-checksum-algorithm` asks for (CreateMultipartUpload, CopyObject).
pub(crate) fn declared_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(value) = headers.get("x-amz-checksum-algorithm") else { return Ok(None) };
    let name = value.to_str().unwrap_or("");
    ChecksumAlgorithm::from_name(name).map(Some).ok_or_else(|| {
        S3Error::with_message(
            Code::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Result<Option<Requested>, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        expected_of_headers(&headers).map_err(|e| e.code())
    }

    #[test]
    fn one_checksum_in_a_header_or_a_trailer() {
        let by_header =
            of(&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]);
        assert!(matches!(by_header, Ok(Some(Requested { source: Source::Header(_), .. }))));
        let by_trailer = of(&[("x-amz-trailer", "x-amz-checksum-crc64nvme")]);
        let expected = Requested { algorithm: ChecksumAlgorithm::Crc64Nvme, source: Source::Trailer };
        assert_eq!(by_trailer, Ok(Some(expected)));
        assert_eq!(of(&[("content-type", "x")]), Ok(None));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for bad in [
            &[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")]
                [..],
            &[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-trailer", "x-amz-checksum-crc32")],
            &[("x-amz-sdk-checksum-algorithm", "CRC32")],
            &[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "y/Q5Jg==")],
            &[("x-amz-trailer", "x-amz-checksum-md4")],
        ] {
            assert_eq!(of(bad), Err(Code::InvalidRequest), "{bad:?}");
        }
        for junk in ["not base64", "AAAA"] {
            assert_eq!(of(&[("x-amz-checksum-crc32", junk)]), Err(Code::BadDigest), "{junk}");
        }
    }
}
