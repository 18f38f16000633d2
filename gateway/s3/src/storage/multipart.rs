//! Multipart uploads.

use super::Storage;
use super::convert::{self, Owner};
use super::data::Collected;
use super::encryption::Seal;
use super::index::IndexError;
use super::objects::{part_of, version_nonce};
use super::types::{
    Body, Bucket, CompletePart, Conditions, ETag, ObjectAttrs, ObjectChecksum, PartInfo, PartListing,
    PutDone, UploadId, UploadInfo,
};
use super::version_types::VersionId;
use crate::checksum::{ChecksumAlgorithm, ChecksumKind};
use crate::error::{Code, S3Error};
use bytes::Bytes;
use gateway_client::Rados;
use md5::{Digest, Md5};
use osd_class::index::{
    Head, PART_NUMBER_MAX, Part, PartList, PartPage, PartPut, PutReply, Refusal, Stat, Tag, UploadAbort,
    UploadComplete, UploadCreate, UploadRow,
};
use stdx::codec::to_bytes;

impl<R: Rados> Storage<R> {
    /// Begins a multipart upload.
    pub async fn upload_create(
        &self,
        bucket: &Bucket,
        key: &str,
        mut attrs: ObjectAttrs,
        checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    ) -> Result<UploadId, S3Error> {
        if let Some(seal) = attrs.seal.take() {
            seal.sealing.keep(&mut attrs.extra);
        }
        let initiated_ms = self.inner.rados.now().millis();
        // Ids sort by time, as listings of uploads want it.
        let random = u64::from_le_bytes(super::names::random()?);
        let upload = (u128::from(initiated_ms) << 64) | u128::from(random);
        let (checksum_algorithm, checksum_kind) = convert::checksum_numbers(checksum);
        let attrs = convert::upload_attrs_to_bytes(&attrs);
        let row = UploadRow { initiated_ms, attrs, checksum_algorithm, checksum_kind };
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input =
            |generation| to_bytes(&UploadCreate { generation, key: name.clone(), upload, row: row.clone() });
        let stat: Stat = self.call_index(bucket.id, &name, "upload_create", input).await?;
        self.note_stat(bucket, &name, &stat);
        Ok(UploadId(upload))
    }

    pub(crate) async fn parts(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartPage, IndexError> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input =
            |generation| to_bytes(&PartList { generation, key: name.clone(), upload: upload.0, after, max });
        self.call_index(bucket.id, &name, "part_list", input).await
    }

    /// An upload that is under way. `NoSuchUpload`.
    pub async fn upload_get(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
    ) -> Result<UploadInfo, S3Error> {
        let page = self.parts(bucket, key, upload, 0, 0).await?;
        convert::upload_info(key, upload, page.upload)
    }

    /// Parts behind number `after`, at most `max`. `NoSuchUpload`.
    pub async fn part_list(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, S3Error> {
        let page = self.parts(bucket, key, upload, after, max).await?;
        Ok(PartListing {
            upload: convert::upload_info(key, upload, page.upload)?,
            parts: page.parts.iter().map(convert::part_info).collect(),
            truncated: page.more,
        })
    }

    /// Stores a part, in place of one of that number. `NoSuchUpload`.
    pub async fn part_put<B: Body>(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        number: u16,
        body: &mut B,
    ) -> Result<PartInfo, S3Error> {
        self.part_put_in(bucket, key, (upload, number), body, ("", None)).await
    }

    /// The same of an upload of that storage class, whose parts may be encrypted.
    pub(crate) async fn part_put_in<B: Body>(
        &self,
        bucket: &Bucket,
        key: &str,
        (upload, number): (UploadId, u16),
        body: &mut B,
        place: (&str, Option<&Seal>),
    ) -> Result<PartInfo, S3Error> {
        let owner = Owner::new(bucket.id, key);
        // Parts are always data objects: a row of parts stays small, and nothing has to move on completion.
        let (collected, summary) = self.collect(&owner, body, 0, place).await?;
        let mtime_ms = self.inner.rados.now().millis();
        match collected {
            Collected::Run(writer) => {
                let part = part_of(&writer, number, &summary, mtime_ms);
                let info = convert::part_info(&part);
                let (storage, bucket) = (self.clone(), bucket.clone());
                let name = owner.key.clone();
                let commit = async move { storage.put_part_row(&bucket, name, upload, part).await };
                self.commit_runs(vec![writer], owner, commit).await?;
                Ok(info)
            }
            Collected::Inline(_) => {
                let part = Part {
                    number,
                    size: 0,
                    md5: summary.md5,
                    mtime_ms,
                    checksum: convert::part_checksum_to_bytes(summary.checksum.as_ref()),
                    tag: Tag { instance: 0, seq: 0 },
                    object_bytes: 1,
                };
                let info = convert::part_info(&part);
                self.put_part_row(bucket, owner.key, upload, part).await?;
                Ok(info)
            }
        }
    }

    async fn put_part_row(
        &self,
        bucket: &Bucket,
        key: Bytes,
        upload: UploadId,
        part: Part,
    ) -> Result<(), IndexError> {
        let input = |generation| {
            to_bytes(&PartPut { generation, key: key.clone(), upload: upload.0, part: part.clone() })
        };
        let stat: Stat = self.call_index(bucket.id, &key, "part_put", input).await?;
        self.note_stat(bucket, &key, &stat);
        Ok(())
    }

    /// Makes the object of the parts named, in their order. `checksum` gets the upload and the parts as they
    /// are stored, and gives the whole's checksum or refuses (it compares what the client said). Errors:
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, those of the conditions. Doing it
    /// again after it succeeded succeeds as long as the object is that one.
    pub async fn upload_complete(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        parts: Vec<CompletePart>,
        conditions: Conditions,
        checksum: impl Fn(&UploadInfo, &[PartInfo]) -> Result<Option<ObjectChecksum>, S3Error> + Send,
    ) -> Result<PutDone, S3Error> {
        if parts.is_empty() {
            return Err(S3Error::new(Code::MalformedXML));
        }
        if !parts.windows(2).all(|w| w[0].number < w[1].number) {
            return Err(S3Error::new(Code::InvalidPartOrder));
        }
        let page = match self.parts(bucket, key, upload, 0, u32::from(PART_NUMBER_MAX)).await {
            Ok(page) => page,
            Err(e @ IndexError::Refused(Refusal::NoSuchUpload)) => {
                let done = self.completed_before(bucket, key, &parts).await?;
                return done.ok_or_else(|| e.into());
            }
            Err(e) => return Err(e.into()),
        };
        let info = convert::upload_info(key, upload, page.upload)?;
        let wanted = choose(&parts, &page.parts, self.inner.config.part_bytes_min)?;
        let checksum = checksum(&info, &wanted)?;
        let (checksum_algorithm, checksum_kind) =
            convert::checksum_numbers(checksum.as_ref().map(|c| (c.checksum.algorithm, c.kind)));
        let mtime_ms = self.inner.rados.now().millis();
        let head = Head {
            size: wanted.iter().map(|p| p.size).sum(),
            md5: md5_of(wanted.iter().map(|p| p.etag.md5)),
            parts: u16::try_from(wanted.len()).map_err(|_| S3Error::new(Code::InvalidPart))?,
            mtime_ms,
            checksum_algorithm,
            checksum_kind,
            storage_class: info.attrs.storage_class.clone(),
        };
        // The parts were not counted one by one.
        self.check_quota(bucket, head.size).await?;
        let name = Bytes::copy_from_slice(key.as_bytes());
        let row = UploadComplete {
            generation: 0,
            key: name.clone(),
            upload: upload.0,
            parts: wanted.iter().map(|p| (p.number, p.etag.md5)).collect(),
            head,
            attrs: convert::attrs_to_bytes(&info.attrs, checksum.as_ref()),
            conditions: convert::conditions(&conditions),
            gc_delay_ms: self.gc_delay_ms(),
            versioning: bucket.versioning(),
            nonce: version_nonce(bucket)?,
            lock: bucket.lock_of_new(info.attrs.lock, mtime_ms)?,
        };
        let input = |generation| to_bytes(&UploadComplete { generation, ..row.clone() });
        let reply: PutReply = self.call_index(bucket.id, &name, "upload_complete", input).await?;
        self.note_stat(bucket, &name, &reply.stat);
        self.count_put(bucket, row.head.size);
        let head = reply.head.unwrap_or(row.head);
        Ok(PutDone {
            etag: convert::etag(&head),
            size: head.size,
            mtime: convert::wall(head.mtime_ms),
            checksum,
            version: VersionId(reply.version),
        })
    }

    /// The object of the key, if it is what these parts make: then the answer to an earlier completion was
    /// lost. (The upload is gone, and an ETag over digests of parts is no coincidence.)
    async fn completed_before(
        &self,
        bucket: &Bucket,
        key: &str,
        parts: &[CompletePart],
    ) -> Result<Option<PutDone>, S3Error> {
        let Some(entry) = self.head(bucket, key).await? else { return Ok(None) };
        let Some(digests) = parts.iter().map(|p| p.etag.map(|e| e.md5)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let same = usize::from(entry.etag.parts) == parts.len() && md5_of(digests) == entry.etag.md5;
        Ok(same.then_some(PutDone {
            etag: entry.etag,
            size: entry.size,
            mtime: entry.mtime,
            checksum: entry.checksum,
            version: entry.version,
        }))
    }

    /// Ends an upload and frees its parts. `NoSuchUpload`.
    pub async fn upload_abort(&self, bucket: &Bucket, key: &str, upload: UploadId) -> Result<(), S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input = |generation| to_bytes(&UploadAbort { generation, key: name.clone(), upload: upload.0 });
        let stat: Stat = self.call_index(bucket.id, &name, "upload_abort", input).await?;
        self.note_stat(bucket, &name, &stat);
        Ok(())
    }
}

fn md5_of(digests: impl IntoIterator<Item = [u8; 16]>) -> [u8; 16] {
    let mut md5 = Md5::new();
    for digest in digests {
        md5.update(digest);
    }
    md5.finalize().into()
}

/// The stored parts that a completion names.
fn choose(named: &[CompletePart], stored: &[Part], bytes_min: u64) -> Result<Vec<PartInfo>, S3Error> {
    let mut chosen = Vec::with_capacity(named.len());
    for part in named {
        let invalid = || S3Error::new(Code::InvalidPart).field("PartNumber", part.number.to_string());
        let at = stored.binary_search_by_key(&part.number, |s| s.number).map_err(|_| invalid())?;
        let info = convert::part_info(&stored[at]);
        let same = part.etag == Some(ETag { md5: stored[at].md5, parts: 0 });
        let checksum = part.checksum.as_ref().is_none_or(|c| info.checksum.as_ref() == Some(c));
        if !same || !checksum {
            return Err(invalid());
        }
        chosen.push(info);
    }
    let all_but_last = chosen.split_last().map_or(&[][..], |(_, rest)| rest);
    if let Some(info) = all_but_last.iter().find(|info| info.size < bytes_min) {
        return Err(S3Error::new(Code::EntityTooSmall)
            .field("ProposedSize", info.size.to_string())
            .field("MinSizeAllowed", bytes_min.to_string())
            .field("PartNumber", info.number.to_string())
            .field("ETag", info.etag.to_string()));
    }
    Ok(chosen)
}
