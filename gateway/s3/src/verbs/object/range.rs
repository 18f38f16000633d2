//! Byte ranges of reads and of part copies.

use crate::error::{Code, S3Error};

/// A part of an object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What a `Range` header asks of an object of `size` bytes. None: all of it, which is also the answer to what
/// is no single range of bytes, as HTTP has it. `InvalidRange` if no byte of it exists.
pub(crate) fn of_header(text: &str, size: u64) -> Result<Option<Span>, S3Error> {
    let unsatisfiable = || {
        S3Error::new(Code::InvalidRange)
            .field("RangeRequested", text)
            .field("ActualObjectSize", size.to_string())
    };
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Ok(None);
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let Some(suffix) = number(last) else { return Ok(None) };
        let length = suffix.min(size);
        return if length == 0 {
            Err(unsatisfiable())
        } else {
            Ok(Some(Span { offset: size - length, length }))
        };
    }
    let Some(offset) = number(first) else { return Ok(None) };
    let end = match (last.is_empty(), number(last)) {
        (true, _) => size,
        (false, None) => return Ok(None),
        (false, Some(last)) if last < offset => return Ok(None),
        (false, Some(last)) => last.saturating_add(1).min(size),
    };
    if offset >= size { Err(unsatisfiable()) } else { Ok(Some(Span { offset, length: end - offset })) }
}

/// What `x-amz-copy-source-range` asks of a source of `size` bytes: always `bytes=FIRST-LAST`, both within it.
pub(crate) fn copy_range(text: &str, size: u64) -> Result<Span, S3Error> {
    let ends = text.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let Some((first, last)) = ends.filter(|(first, last)| first <= last) else {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
        return Err(S3Error::invalid_argument(message, "x-amz-copy-source-range", text));
    };
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(S3Error::with_message(Code::InvalidRange, message).field("RangeRequested", text));
    }
    Ok(Span { offset: first, length: last - first + 1 })
}

/// A number of bytes; one beyond all sizes counts as the largest.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_the_end() {
        let of = |text| of_header(text, 10).map(|s| s.map(|s| (s.offset, s.length))).map_err(|e| e.code());
        assert_eq!(of("bytes=0-0"), Ok(Some((0, 1))));
        assert_eq!(of("bytes=2-"), Ok(Some((2, 8))));
        assert_eq!(of("bytes=2-99999999999999999999999"), Ok(Some((2, 8))));
        assert_eq!(of("bytes=-3"), Ok(Some((7, 3))));
        assert_eq!(of("bytes=-30"), Ok(Some((0, 10))));
        for all in
            ["bytes=5-4", "bytes=a-b", "bytes=", "items=0-1", "bytes=0-1,3-4", "bytes=-", "bytes=1", ""]
        {
            assert_eq!(of(all), Ok(None), "{all}");
        }
        for none in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(of(none), Err(Code::InvalidRange), "{none}");
        }
        assert!(of_header("bytes=0-", 0).is_err());
    }

    #[test]
    fn copy_ranges_lie_within() {
        let of = |text| copy_range(text, 10).map(|s| (s.offset, s.length)).map_err(|e| e.code());
        assert_eq!(of("bytes=0-9"), Ok((0, 10)));
        assert_eq!(of("bytes=0-10"), Err(Code::InvalidRange));
        for bad in ["bytes=-5", "bytes=5-", "0-5", "bytes=5-4", "bytes=a-b", "bytes=0-1,2-3"] {
            assert_eq!(of(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
