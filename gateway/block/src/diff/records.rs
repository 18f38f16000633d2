//! Reading and writing the records of a stream, one after the other.

use super::DiffError;
use super::format::{MAGIC, RECORD_HEAD, Record, VERSION, first_check};
use bytes::Bytes;
use std::io;
use stdx::checksum::crc32c_of;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Writes records.
pub(super) struct Out<W> {
    stream: W,
    check: u32,
    records: u64,
    data_bytes: u64,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    pub(super) async fn begin(mut stream: W) -> Result<Out<W>, DiffError> {
        stream.write_all(MAGIC).await?;
        stream.write_all(&VERSION.to_le_bytes()).await?;
        Ok(Out { stream, check: first_check(), records: 0, data_bytes: 0 })
    }

    pub(super) async fn put(&mut self, record: Record) -> Result<(), DiffError> {
        if let Record::Data(_, data) = &record {
            self.data_bytes += data.len() as u64;
        }
        self.records += u64::from(matches!(record, Record::Data(..) | Record::Zero(..)));
        for part in record.encode(&mut self.check) {
            self.stream.write_all(&part).await?;
        }
        Ok(())
    }

    /// Writes the end; gives how many records and bytes of data there were.
    pub(super) async fn end(mut self) -> Result<(u64, u64), DiffError> {
        self.put(Record::End(self.records, self.data_bytes)).await?;
        self.stream.flush().await?;
        Ok((self.records, self.data_bytes))
    }
}

/// Reads records, and sees to it that they are whole, in order, and all there.
pub(super) struct In<S> {
    stream: S,
    check: u32,
    records: u64,
    data_bytes: u64,
    at: u64,
    /// Ranges go up; this is where the next may begin.
    next: u64,
}

impl<S: AsyncRead + Unpin> In<S> {
    pub(super) async fn begin(mut stream: S) -> Result<In<S>, DiffError> {
        let mut start = [0; MAGIC.len() + 4];
        match stream.read_exact(&mut start).await {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(DiffError::NotADiff),
            other => other?,
        };
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(DiffError::NotADiff);
        }
        let version = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
        if version != VERSION {
            return Err(DiffError::Newer(version));
        }
        let at = start.len() as u64;
        Ok(In { stream, check: first_check(), records: 0, data_bytes: 0, at, next: 0 })
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> DiffError {
        DiffError::Damaged { at: self.at, what: what.into() }
    }

    async fn fill(&mut self, into: &mut [u8]) -> Result<(), DiffError> {
        match self.stream.read_exact(into).await {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(DiffError::Cut { at: self.at }),
            Err(e) => Err(e.into()),
            Ok(_) => {
                self.at += into.len() as u64;
                Ok(())
            }
        }
    }

    /// The next record, whose checksum is right; behind the end record nothing may follow.
    pub(super) async fn next(&mut self) -> Result<Record, DiffError> {
        let mut head = [0; RECORD_HEAD];
        self.fill(&mut head).await?;
        let len = Record::body_len(&head).map_err(|what| self.damaged(what))?;
        let mut body = vec![0; len];
        self.fill(&mut body).await?;
        let mut check = [0; 4];
        self.fill(&mut check).await?;
        self.check = crc32c_of([&self.check.to_le_bytes()[..], &head, &body]);
        if self.check.to_le_bytes() != check {
            return Err(self.damaged("a record's checksum is wrong"));
        }
        let record = Record::decode(&head, Bytes::from(body)).map_err(|what| self.damaged(what))?;
        self.follow(&record).await?;
        Ok(record)
    }

    async fn follow(&mut self, record: &Record) -> Result<(), DiffError> {
        let (at, len) = match record {
            Record::Head(_) => return Ok(()),
            Record::Data(at, data) => (*at, data.len() as u64),
            Record::Zero(at, len) => (*at, *len),
            Record::End(records, bytes) => {
                if (*records, *bytes) != (self.records, self.data_bytes) {
                    return Err(self.damaged("its end speaks of other records than there were"));
                }
                let more = self.stream.read(&mut [0]).await?;
                return if more == 0 { Ok(()) } else { Err(self.damaged("something follows its end")) };
            }
        };
        self.records += 1;
        if let Record::Data(_, data) = record {
            self.data_bytes += data.len() as u64;
        }
        match at.checked_add(len) {
            Some(end) if at >= self.next && len > 0 => self.next = end,
            _ => return Err(self.damaged("its ranges are out of order")),
        }
        Ok(())
    }
}
