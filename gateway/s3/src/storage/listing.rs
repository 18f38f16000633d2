//! Listings: pages of a bucket's objects and uploads, put together from the shards that hold them.

use super::Storage;
use super::convert;
use super::types::{Bucket, ListQuery, Listing, UploadId, UploadListing, UploadQuery};
use super::version_types::{VersionEntry, VersionId, VersionListing, VersionQuery, Which};
use crate::error::S3Error;
use bytes::Bytes;
use gateway_client::Rados;
use osd_class::index::{
    List, ListItem, ListPage, UploadItem, UploadList, UploadPage, VersionItem, VersionList, VersionPage,
    after_key, after_prefix,
};
use stdx::codec::to_bytes;

/// Where a listing begins that goes on behind `after`: behind all that it stands for, if it is a common
/// prefix of this listing. None: behind everything.
fn start_after(after: &str, prefix: &str, delimiter: Option<&str>) -> Option<Bytes> {
    let common = delimiter.filter(|d| !d.is_empty()).is_some_and(|d| {
        after.strip_prefix(prefix).and_then(|rest| rest.find(d).map(|at| at + d.len() == rest.len()))
            == Some(true)
    });
    if common { after_prefix(after.as_bytes()) } else { Some(after_key(after.as_bytes())) }
}

fn first(after: Option<&str>, prefix: &str, delimiter: Option<&str>) -> Option<Bytes> {
    let start = match after {
        Some(after) => start_after(after, prefix, delimiter)?,
        None => Bytes::new(),
    };
    Some(start.max(Bytes::copy_from_slice(prefix.as_bytes())))
}

impl<R: Rados> Storage<R> {
    /// A page of objects.
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Listing, S3Error> {
        let mut out = Listing::default();
        let delimiter = query.delimiter.as_deref();
        let most = query.max as usize;
        let mut at = first(query.after.as_deref(), &query.prefix, delimiter).filter(|_| most > 0);
        let prefix = Bytes::copy_from_slice(query.prefix.as_bytes());
        let delimiter = Bytes::copy_from_slice(delimiter.unwrap_or("").as_bytes());
        while let Some(start) = at {
            if out_of(&start, &prefix) {
                break;
            }
            // One more than wanted tells whether there is more.
            let max = (most - out.entries.len() - out.common_prefixes.len() + 1) as u32;
            let input = |generation| {
                let (start, prefix, delimiter) = (start.clone(), prefix.clone(), delimiter.clone());
                to_bytes(&List { generation, start, prefix, delimiter, max })
            };
            let page: ListPage = self.call_index(bucket.id, &start, "list", input).await?;
            for item in page.items {
                if out.entries.len() + out.common_prefixes.len() == most {
                    out.truncated = true;
                    return Ok(out);
                }
                match item {
                    ListItem::Object { key, head } => {
                        let entry = convert::list_entry(&key, head)?;
                        out.next_after = Some(entry.key.clone());
                        out.entries.push(entry);
                    }
                    ListItem::Prefix { prefix } => {
                        let text = convert::text(&prefix)?;
                        // A prefix that reaches over shards is met once in each.
                        if out.common_prefixes.last() != Some(&text) {
                            out.next_after = Some(text.clone());
                            out.common_prefixes.push(text);
                        }
                    }
                }
            }
            at = page.next;
        }
        out.next_after = None;
        Ok(out)
    }

    /// A page of all versions.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        query: &VersionQuery,
    ) -> Result<VersionListing, S3Error> {
        let mut out = VersionListing::default();
        let delimiter = query.delimiter.as_deref();
        let most = query.max as usize;
        let mut at = match (&query.key_marker, query.version_marker) {
            // Go on within the key.
            (Some(key), Some(which)) => Some((Bytes::copy_from_slice(key.as_bytes()), Some(which))),
            (marker, _) => first(marker.as_deref(), &query.prefix, delimiter).map(|start| (start, None)),
        }
        .filter(|_| most > 0);
        let prefix = Bytes::copy_from_slice(query.prefix.as_bytes());
        let delimiter = Bytes::copy_from_slice(delimiter.unwrap_or("").as_bytes());
        while let Some((start, after)) = at {
            let after = after.filter(|_| start >= prefix);
            let start = start.max(prefix.clone());
            if out_of(&start, &prefix) {
                break;
            }
            // One more than wanted tells whether there is more.
            let max = (most - out.versions.len() - out.common_prefixes.len() + 1) as u32;
            let input = |generation| {
                let (start, prefix, delimiter) = (start.clone(), prefix.clone(), delimiter.clone());
                to_bytes(&VersionList { generation, start, after, prefix, delimiter, max })
            };
            let page: VersionPage = self.call_index(bucket.id, &start, "list_versions", input).await?;
            for item in page.items {
                if out.versions.len() + out.common_prefixes.len() == most {
                    out.truncated = true;
                    return Ok(out);
                }
                match item {
                    VersionItem::Version { key, version, head, marker, latest } => {
                        let object = convert::list_entry(&key, head)?;
                        let version = VersionId(version);
                        out.next_key_marker = Some(object.key.clone());
                        out.next_version_marker = Some(version);
                        out.versions.push(VersionEntry { object, version, marker, latest });
                    }
                    VersionItem::Prefix { prefix } => {
                        let text = convert::text(&prefix)?;
                        // A prefix that reaches over shards is met once in each.
                        if out.common_prefixes.last() != Some(&text) {
                            out.next_key_marker = Some(text.clone());
                            out.next_version_marker = None;
                            out.common_prefixes.push(text);
                        }
                    }
                }
            }
            at = page.next.map(|(key, version)| (key, version.map(Which::Version)));
        }
        (out.next_key_marker, out.next_version_marker) = (None, None);
        Ok(out)
    }

    /// A page of uploads under way.
    pub async fn upload_list(&self, bucket: &Bucket, query: &UploadQuery) -> Result<UploadListing, S3Error> {
        let mut out = UploadListing::default();
        let delimiter = query.delimiter.as_deref();
        let most = query.max as usize;
        let mut at = match (&query.key_marker, query.upload_id_marker) {
            // Go on within the key.
            (Some(key), Some(UploadId(id))) => Some((Bytes::copy_from_slice(key.as_bytes()), Some(id))),
            (marker, _) => first(marker.as_deref(), &query.prefix, delimiter).map(|start| (start, None)),
        }
        .filter(|_| most > 0);
        let prefix = Bytes::copy_from_slice(query.prefix.as_bytes());
        let delimiter = Bytes::copy_from_slice(delimiter.unwrap_or("").as_bytes());
        while let Some((start, after)) = at {
            let start = start.max(prefix.clone());
            if out_of(&start, &prefix) {
                break;
            }
            let max = (most - out.uploads.len() - out.common_prefixes.len() + 1) as u32;
            let input = |generation| {
                let (start, prefix, delimiter) = (start.clone(), prefix.clone(), delimiter.clone());
                to_bytes(&UploadList { generation, start, after, prefix, delimiter, max })
            };
            let page: UploadPage = self.call_index(bucket.id, &start, "upload_list", input).await?;
            for item in page.items {
                if out.uploads.len() + out.common_prefixes.len() == most {
                    out.truncated = true;
                    return Ok(out);
                }
                match item {
                    UploadItem::Upload { key, upload, row } => {
                        let info = convert::upload_info(&convert::text(&key)?, UploadId(upload), row)?;
                        out.next_key_marker = Some(info.key.clone());
                        out.next_upload_id_marker = Some(info.id);
                        out.uploads.push(info);
                    }
                    UploadItem::Prefix { prefix } => {
                        let text = convert::text(&prefix)?;
                        if out.common_prefixes.last() != Some(&text) {
                            out.next_key_marker = Some(text.clone());
                            out.next_upload_id_marker = None;
                            out.common_prefixes.push(text);
                        }
                    }
                }
            }
            at = page.next;
        }
        (out.next_key_marker, out.next_upload_id_marker) = (None, None);
        Ok(out)
    }
}

/// Whether nothing at or behind `start` begins with the prefix.
fn out_of(start: &Bytes, prefix: &Bytes) -> bool {
    after_prefix(prefix).is_some_and(|end| *start >= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_all_of_it() {
        let at =
            |after, prefix, d| start_after(after, prefix, d).map(|b| String::from_utf8(b.to_vec()).unwrap());
        assert_eq!(at("a/", "", Some("/")).as_deref(), Some("a0"));
        assert_eq!(at("a/b", "", Some("/")).as_deref(), Some("a/b\0"));
        assert_eq!(at("a/", "a/", Some("/")).as_deref(), Some("a/\0"));
        assert_eq!(at("a/", "", None).as_deref(), Some("a/\0"));
        assert_eq!(at("x--", "x", Some("--")).as_deref(), Some("x-."));
    }
}
