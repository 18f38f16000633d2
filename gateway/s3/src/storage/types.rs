//! What storage is made of, as the verbs see it: users, buckets, objects, parts, listings, bodies.

use super::encryption::{Seal, Sealing};
use super::object_lock::ObjectLock;
use super::user_types::{Access, User};
use super::version_types::VersionId;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::error::S3Error;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use stdx::time::WallTime;

/// Bytes of an object as they arrive, in pieces of any size; ends after the last or at the first error.
/// Holds at most two pieces read ahead.
pub type ByteStream = BoxStream<'static, Result<Bytes, S3Error>>;

/// The body of an upload, with everything that must hold for it to become an object.
pub trait Body: Send {
    /// The next bytes; none at the end. An error aborts the put, and nothing of it stays.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, S3Error>> + Send;

    /// Called once, after the end: checks lengths, Content-MD5, signature and checksum. An error means that
    /// nothing becomes visible.
    fn finish(&mut self) -> impl Future<Output = Result<BodySummary, S3Error>> + Send;

    /// The announced length, bytes, if there is one. Only a hint for buffers.
    fn length_hint(&self) -> Option<u64>;
}

/// What a body turned out to be.
#[derive(Clone, Debug)]
pub struct BodySummary {
    /// MD5 of all its bytes, for the ETag.
    pub md5: [u8; 16],
    /// Its bytes.
    pub length: u64,
    /// The additional checksum that was computed over it, if one was asked for.
    pub checksum: Option<Checksum>,
}

/// A secret access key: never shown by Debug, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }
    /// The secret itself: for signing, and for showing once to the one who made it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An access key with its secret, as signature checks need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whose key it is.
    pub user: Arc<User>,
    /// Who owns what is made with it: the user, or its account.
    pub owner: String,
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret: Secret,
    /// What may be done with it: all that the user may, unless it is a subuser's.
    pub access: Access,
}

/// A bucket's unique and unchanging identity: another bucket of the same name later has another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub u64);

impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
impl fmt::Debug for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A bucket as its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The tenant that its name belongs to; empty for none.
    pub tenant: String,
    /// Its name, unique within the tenant.
    pub name: String,
    /// Its identity.
    pub id: BucketId,
    /// The owner's uid.
    pub owner: String,
    /// When it was made.
    pub created: WallTime,
    /// Counts the changes of this record, for compare-and-set.
    pub generation: u64,
    /// A shard of its index splits at so many keys.
    pub split_keys: u64,
    /// A shard of its index splits at so many bytes of rows.
    pub split_bytes: u64,
    /// Settings by name (`policy`, `versioning`, ...), each in its own encoding.
    pub settings: BTreeMap<String, Bytes>,
}

impl Bucket {
    /// The name by which storage knows it: `NAME`, or `TENANT/NAME`.
    pub fn full_name(&self) -> String {
        full_name(&self.tenant, &self.name)
    }
}

/// The name by which storage knows a tenant's bucket.
pub fn full_name(tenant: &str, name: &str) -> String {
    if tenant.is_empty() { name.to_string() } else { format!("{tenant}/{name}") }
}

/// Tenant and name of what `full_name` made.
pub(crate) fn split_name(full: &str) -> (&str, &str) {
    full.split_once('/').unwrap_or(("", full))
}

/// What creating a bucket found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketCreated {
    /// It is new.
    Created(Bucket),
    /// The same owner has it already.
    AlreadyYours(Bucket),
}

/// An ETag as S3 makes it: the MD5 of the body, or of the parts' MD5s with their count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag {
    /// The digest.
    pub md5: [u8; 16],
    /// Number of parts; 0: not a multipart object.
    pub parts: u16,
}

impl fmt::Display for ETag {
    /// Without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex::encode(&self.md5))?;
        if self.parts > 0 {
            write!(f, "-{}", self.parts)?;
        }
        Ok(())
    }
}

impl ETag {
    /// Reads an ETag, with or without quotes; none if no object can have it.
    pub fn parse(text: &str) -> Option<ETag> {
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            Some((hex, n)) => (hex, n.parse().ok().filter(|n: &u16| *n > 0)?),
            None => (text, 0u16),
        };
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut md5 = [0; 16];
        for (i, b) in md5.iter_mut().enumerate() {
            *b = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(ETag { md5, parts })
    }
}

/// An object's additional checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Algorithm and value.
    pub checksum: Checksum,
    /// What it is over.
    pub kind: ChecksumKind,
}

/// What a client says of an object besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectAttrs {
    /// Standard headers to give back, by lower-case name: `content-type`, `cache-control`, ...
    pub headers: BTreeMap<String, String>,
    /// User metadata, by lower-case name without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// The storage class; empty for STANDARD.
    pub storage_class: String,
    /// What keeps the object from being removed.
    pub lock: Option<ObjectLock>,
    /// How its bytes are to be encrypted. (Of what is stored, `extra` says how, and this is none.)
    pub(crate) seal: Option<Seal>,
    /// Everything later verbs keep with an object (tags, ACL, ...), each in its own encoding.
    pub extra: BTreeMap<String, Bytes>,
}

/// One side of a conditional request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `*`: any object.
    Any,
    /// One of these ETags. What is no ETag that an object can have is left out, and so never matches.
    Tags(Vec<ETag>),
}

/// What must hold of the object of that name, checked in the same transaction as the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// It exists and matches, else `PreconditionFailed` (of puts `NoSuchKey` if there is none).
    pub if_match: Option<Match>,
    /// It does not exist or does not match, else `PreconditionFailed`.
    pub if_none_match: Option<Match>,
}

/// What a put made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutDone {
    /// The ETag.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// When it became visible.
    pub mtime: WallTime,
    /// Its additional checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Which version it is.
    pub version: VersionId,
}

/// A part of a multipart upload or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number, 1 to 10000.
    pub number: u16,
    /// Bytes.
    pub size: u64,
    /// MD5 of its bytes.
    pub etag: ETag,
    /// When it was uploaded.
    pub mtime: WallTime,
    /// Its additional checksum.
    pub checksum: Option<Checksum>,
}

/// An object, with all that is needed to serve it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was last put, to the millisecond.
    pub mtime: WallTime,
    /// Its additional checksum.
    pub checksum: Option<ObjectChecksum>,
    /// What the client said of it.
    pub attrs: ObjectAttrs,
    /// The parts of a multipart object, in order; empty for others.
    pub parts: Vec<PartInfo>,
    /// Which version it is.
    pub version: VersionId,
    /// Where its bytes are.
    pub(crate) data: super::manifest::Manifest,
    /// The key of its bytes, once whoever asks for it has shown that they may; none: they are not encrypted.
    pub(crate) seal: Option<Seal>,
}

impl Entry {
    /// How its bytes are encrypted; none: they are not.
    pub(crate) fn sealing(&self) -> Result<Option<Sealing>, S3Error> {
        Sealing::of(&self.attrs.extra)
    }
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was last put.
    pub mtime: WallTime,
    /// Of which kind its additional checksum is.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// The storage class; empty for STANDARD.
    pub storage_class: String,
}

/// Which objects to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Keys that start so.
    pub prefix: String,
    /// Keys that hold it behind the prefix are rolled up into a common prefix that ends with it. Not empty.
    pub delimiter: Option<String>,
    /// Only what sorts behind this. If it is itself a common prefix (as `next_after` may be), all that it
    /// stands for is skipped.
    pub after: Option<String>,
    /// At most so many entries and common prefixes together.
    pub max: u32,
}

/// A page of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects, in byte order of their keys.
    pub entries: Vec<ListEntry>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
    /// Whether more may follow.
    pub truncated: bool,
    /// The last key or common prefix of this page; set when it is truncated.
    pub next_after: Option<String>,
}

/// Names one multipart upload. Opaque to clients.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u128);

impl UploadId {
    /// Reads what `Display` wrote; none if it is no upload's id (answer `NoSuchUpload`).
    pub fn parse(text: &str) -> Option<UploadId> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(UploadId)
    }
}
impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A multipart upload that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadInfo {
    /// The key that it will become.
    pub key: String,
    /// Its identity.
    pub id: UploadId,
    /// When it began.
    pub initiated: WallTime,
    /// The checksum it was created with: algorithm, and what the whole's is to be over.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What the client said of the object.
    pub attrs: ObjectAttrs,
}

/// Which uploads to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadQuery {
    /// Keys that start so.
    pub prefix: String,
    /// As for objects.
    pub delimiter: Option<String>,
    /// Only keys behind this one (or common prefixes behind it).
    pub key_marker: Option<String>,
    /// With `key_marker`: also that key's uploads behind this one.
    pub upload_id_marker: Option<UploadId>,
    /// At most so many uploads and common prefixes together.
    pub max: u32,
}

/// A page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadListing {
    /// Uploads, by key, then by id (which is by time of creation).
    pub uploads: Vec<UploadInfo>,
    /// Common prefixes.
    pub common_prefixes: Vec<String>,
    /// Whether more may follow.
    pub truncated: bool,
    /// The last key or common prefix of this page; set when it is truncated.
    pub next_key_marker: Option<String>,
    /// The last upload of this page, if an upload came last.
    pub next_upload_id_marker: Option<UploadId>,
}

/// A page of an upload's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartListing {
    /// The upload.
    pub upload: UploadInfo,
    /// Parts by number.
    pub parts: Vec<PartInfo>,
    /// Whether more follow.
    pub truncated: bool,
}

/// A part as CompleteMultipartUpload names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePart {
    /// Its number.
    pub number: u16,
    /// The ETag the client was given; none if what it said can be no part's.
    pub etag: Option<ETag>,
    /// The checksum the client says, if it says one.
    pub checksum: Option<Checksum>,
}
