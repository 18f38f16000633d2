//! `aws-chunked`: the body as chunks with a header line each, signed or not, and trailing headers.
//! Source: the S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in
//! Multiple Chunks (Chunked Upload)" and "... Including Trailing Headers".

mod line;

#[cfg(test)]
mod decoder_test;

use crate::auth::{ChunkSigner, Payload};
use crate::error::{Code, S3Error};
use crate::hex;
use bytes::Bytes;
use line::{Line, parse_chunk_header, parse_trailer};
use sha2::{Digest, Sha256};

/// More trailing headers than any client sends.
const MAX_TRAILERS: usize = 16;

/// Takes a body as it comes and gives the data in it. Holds at most a line; data passes through uncopied.
pub(crate) struct Decoder {
    state: State,
    line: Line,
    signer: Option<Signing>,
    expects_trailers: bool,
    /// Data not announced yet by a chunk header.
    unannounced: u64,
    trailers: Vec<(String, String)>,
}

struct Signing {
    signer: ChunkSigner,
    hash: Sha256,
    /// What the current chunk's header claims.
    claimed: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Data { left: u64 },
    AfterData,
    Trailers,
    Done,
}

impl Decoder {
    /// For a body of `payload`'s form that holds `length` bytes of data (`x-amz-decoded-content-length`).
    pub(crate) fn new(payload: &Payload, signer: Option<ChunkSigner>, length: u64) -> Decoder {
        let signer = signer.map(|signer| Signing { signer, hash: Sha256::new(), claimed: [0; 32] });
        let expects_trailers = !matches!(payload, Payload::SignedChunks { trailer: false });
        Decoder {
            state: State::Header,
            line: Line::default(),
            signer,
            expects_trailers,
            unannounced: length,
            trailers: Vec::new(),
        }
    }

    /// Takes from the front of `input`: the next piece of data, or none when more input is needed (`input`
    /// is then empty) or the body is over. The data of a signed chunk comes before its signature is checked:
    /// nothing may become visible before `is_done`.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, S3Error> {
        while !input.is_empty() {
            match self.state {
                State::Data { left } => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(n);
                    if let Some(s) = &mut self.signer {
                        s.hash.update(&data);
                    }
                    let left = left - n as u64;
                    self.state = if left == 0 { State::AfterData } else { State::Data { left } };
                    return Ok(Some(data));
                }
                State::Done => {
                    let message = "The request body is longer than its chunks say.";
                    return Err(S3Error::with_message(Code::IncompleteBody, message));
                }
                State::Header | State::AfterData | State::Trailers => {
                    if let Some(text) = self.line.take(input)? {
                        self.on_line(&text)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether the body ended as it should.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The value of a trailing header, once the body is over.
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn on_line(&mut self, text: &[u8]) -> Result<(), S3Error> {
        match self.state {
            State::Header => self.on_header(text),
            State::AfterData if text.is_empty() => {
                self.check_chunk()?;
                self.state = State::Header;
                Ok(())
            }
            State::AfterData => Err(malformed("a chunk is longer than its header says")),
            State::Trailers => self.on_trailer(text),
            State::Data { .. } | State::Done => unreachable!("no line is read in {:?}", self.state),
        }
    }

    fn on_header(&mut self, text: &[u8]) -> Result<(), S3Error> {
        let header = parse_chunk_header(text).ok_or_else(|| malformed("a chunk header is malformed"))?;
        self.unannounced = self.unannounced.checked_sub(header.size).ok_or_else(|| {
            S3Error::with_message(
                Code::IncompleteBody,
                "The body holds more bytes than x-amz-decoded-content-length says.",
            )
        })?;
        if let Some(s) = &mut self.signer {
            s.claimed = header.signature.ok_or_else(|| malformed("a chunk has no chunk-signature"))?;
            s.hash = Sha256::new();
        }
        if header.size > 0 {
            self.state = State::Data { left: header.size };
            return Ok(());
        }
        self.check_chunk()?;
        if self.unannounced > 0 {
            return Err(S3Error::new(Code::IncompleteBody));
        }
        self.state = State::Trailers;
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), S3Error> {
        let Some(s) = &mut self.signer else { return Ok(()) };
        let hash: [u8; 32] = s.hash.finalize_reset().into();
        if s.signer.check_chunk(&hash, &s.claimed) { Ok(()) } else { Err(Code::SignatureDoesNotMatch.into()) }
    }

    fn on_trailer(&mut self, text: &[u8]) -> Result<(), S3Error> {
        if text.is_empty() {
            // Some clients write an empty line between the trailing headers and their signature.
            let signature_follows =
                self.signer.is_some() && self.expects_trailers && !self.trailers.is_empty();
            if !signature_follows {
                if self.signer.is_some() && self.expects_trailers {
                    return Err(malformed("the trailing headers are not signed"));
                }
                self.state = State::Done;
            }
            return Ok(());
        }
        let (name, value) = parse_trailer(text).ok_or_else(|| malformed("a trailing header is malformed"))?;
        if !self.expects_trailers || self.trailers.len() >= MAX_TRAILERS {
            return Err(malformed("unexpected trailing headers"));
        }
        match &mut self.signer {
            Some(s) if name == "x-amz-trailer-signature" => {
                let signed: String = self.trailers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
                let good = hex::decode(value.as_bytes())
                    .is_some_and(|c| s.signer.check_trailer(signed.as_bytes(), &c));
                if !good {
                    return Err(Code::SignatureDoesNotMatch.into());
                }
                // What follows is the last empty line, and nothing else is signed.
                self.signer = None;
                self.expects_trailers = false;
            }
            _ => self.trailers.push((name, value)),
        }
        Ok(())
    }
}

fn malformed(what: &str) -> S3Error {
    S3Error::with_message(Code::InvalidRequest, format!("The aws-chunked body is malformed: {what}."))
}
