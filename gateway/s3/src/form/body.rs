//! A form while it streams in: its fields first, then its file, as the body of a put.

use super::Fields;
use super::parser::{Parser, Piece, boundary_of};
use crate::body::{MAX_BODY_BYTES, PutBody};
use crate::checksum::{Digest, Requested, Source, expected_of_headers};
use crate::error::{Code, S3Error};
use crate::request::{Request, RequestBody};
use crate::storage::{Body, BodySummary};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use md5::{Digest as _, Md5};

/// All fields before the file together, bytes. (S3 takes 20,000.)
const FIELDS_BYTES_MAX: usize = 64 * 1024;
/// More fields than any form has.
const FIELDS_MAX: usize = 128;
/// What may stand behind the file: fields that come too late to mean anything.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// A form whose file is yet to come.
pub(crate) struct FormBody {
    incoming: PutBody<RequestBody>,
    parser: Parser,
    /// The least and the most bytes.
    range: (u64, u64),
    seen: u64,
    ended: bool,
    md5: Md5,
    checksum: Option<(Digest, Requested)>,
}

/// Reads the fields of a request's form up to its file. `MalformedPOSTRequest`, `MaxPostPreDataLengthExceededError`,
/// `InvalidArgument` if there is no file.
pub(crate) async fn read_fields(rq: &mut Request) -> Result<(Fields, FormBody), S3Error> {
    let boundary = rq.header("content-type").and_then(boundary_of).ok_or_else(|| {
        let message = "Bucket POST must be of the enclosure-type multipart/form-data";
        S3Error::with_message(Code::PreconditionFailed, message)
    })?;
    let mut form = FormBody {
        incoming: rq.take_body()?,
        parser: Parser::new(&boundary),
        range: (0, MAX_BODY_BYTES),
        seen: 0,
        ended: false,
        md5: Md5::new(),
        checksum: None,
    };
    let mut fields = Fields::default();
    let (mut name, mut value, mut total) = (String::new(), BytesMut::new(), 0);
    loop {
        match form.piece().await? {
            Some(Piece::Part { name: next, filename }) => {
                name = next.to_ascii_lowercase();
                total += name.len();
                if name == "file" {
                    let filename = filename.unwrap_or_default();
                    // Some browsers give the path.
                    fields.filename = filename.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
                    return Ok((fields, form));
                }
            }
            Some(Piece::Data(data)) => {
                total += data.len();
                value.extend_from_slice(&data);
            }
            Some(Piece::PartEnd) => {
                // The first of a name counts, as everywhere where one is looked up.
                fields.all.push((std::mem::take(&mut name), value.split().freeze()));
            }
            Some(Piece::End) | None => {
                let message = "POST requires exactly one file upload per request.";
                return Err(S3Error::invalid_argument(message, "file", "0"));
            }
        }
        if total > FIELDS_BYTES_MAX || fields.all.len() > FIELDS_MAX {
            return Err(Code::MaxPostPreDataLengthExceededError.into());
        }
    }
}

impl FormBody {
    /// Asks for so many bytes of the file, and for what the headers made of the fields say of its checksum.
    pub(crate) fn expect(
        mut self,
        range: Option<(u64, u64)>,
        headers: &HeaderMap,
    ) -> Result<FormBody, S3Error> {
        let (least, most) = range.unwrap_or((0, MAX_BODY_BYTES));
        self.range = (least, most.min(MAX_BODY_BYTES));
        self.checksum = expected_of_headers(headers)?.map(|asked| (Digest::new(asked.algorithm), asked));
        Ok(self)
    }

    /// The next piece of the form; none where the body ends.
    async fn piece(&mut self) -> Result<Option<Piece>, S3Error> {
        loop {
            if let Some(piece) = self.parser.next()? {
                return Ok(Some(piece));
            }
            match self.incoming.data().await? {
                Some(data) => self.parser.push(&data),
                None => return Ok(None),
            }
        }
    }

    /// Reads what is left of the form, so that the client can read its answer.
    async fn drain(&mut self) -> Result<(), S3Error> {
        let mut left = TAIL_BYTES_MAX;
        loop {
            match self.piece().await? {
                Some(Piece::Data(data)) => {
                    left = left.checked_sub(data.len() as u64).ok_or(Code::MaxMessageLengthExceeded)?;
                }
                Some(Piece::Part { name, .. }) if name.eq_ignore_ascii_case("file") => {
                    let message = "POST requires exactly one file upload per request.";
                    return Err(S3Error::invalid_argument(message, "file", "2"));
                }
                Some(Piece::Part { .. } | Piece::PartEnd) => {
                    left = left.checked_sub(1).ok_or(Code::MaxMessageLengthExceeded)?;
                }
                Some(Piece::End) => return Ok(()),
                None => return Err(Code::IncompleteBody.into()),
            }
        }
    }

    fn out_of_range(&self, code: Code) -> S3Error {
        let (name, limit) = match code {
            Code::EntityTooSmall => ("MinSizeAllowed", self.range.0),
            _ => ("MaxSizeAllowed", self.range.1),
        };
        S3Error::new(code).field("ProposedSize", self.seen.to_string()).field(name, limit.to_string())
    }
}

impl Body for FormBody {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        if self.ended {
            return Ok(None);
        }
        match self.piece().await? {
            Some(Piece::Data(data)) => {
                self.seen += data.len() as u64;
                if self.seen > self.range.1 {
                    return Err(self.out_of_range(Code::EntityTooLarge));
                }
                self.md5.update(&data);
                if let Some((digest, _)) = &mut self.checksum {
                    digest.update(&data);
                }
                Ok(Some(data))
            }
            Some(Piece::PartEnd) => {
                self.ended = true;
                Ok(None)
            }
            _ => Err(Code::IncompleteBody.into()),
        }
    }

    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        if !self.ended {
            return Err(Code::IncompleteBody.into());
        }
        self.drain().await?;
        if self.seen < self.range.0 {
            return Err(self.out_of_range(Code::EntityTooSmall));
        }
        let checksum = match self.checksum.take() {
            None => None,
            Some((digest, asked)) => {
                let computed = digest.finish();
                if let Source::Header(expected) = asked.source
                    && expected != computed
                {
                    return Err(Code::BadDigest.into());
                }
                Some(computed)
            }
        };
        Ok(BodySummary { md5: self.md5.finalize_reset().into(), length: self.seen, checksum })
    }

    fn length_hint(&self) -> Option<u64> {
        None
    }
}
