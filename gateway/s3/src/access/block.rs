//! The block of public access: four switches that overrule ACLs and policies that are open to everybody.

use crate::error::{Code, S3Error};
use crate::xml::{self, Document};
use bytes::Bytes;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "public_access_block";

/// The switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// No public ACL can be set.
    pub(crate) set_acls: bool,
    /// Public grants of ACLs count for nothing.
    pub(crate) ignore_acls: bool,
    /// No public policy can be set.
    pub(crate) set_policy: bool,
    /// A public policy lets only the owner in.
    pub(crate) restrict_buckets: bool,
}
stdx::codec_versioned!(Block, 1 { set_acls, ignore_acls, set_policy, restrict_buckets });

impl Block {
    /// The one that is kept, if one is.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Block>, S3Error> {
        let Some(bytes) = kept.get(KEPT_AS) else { return Ok(None) };
        from_bytes(bytes.clone())
            .map(Some)
            .map_err(|e| S3Error::internal(format!("a block of public access cannot be read: {e}")))
    }
    /// Keeps it; none removes what was kept.
    pub(crate) fn keep(block: Option<Block>, kept: &mut BTreeMap<String, Bytes>) {
        match block {
            Some(block) => _ = kept.insert(KEPT_AS.into(), to_bytes(&block)),
            None => _ = kept.remove(KEPT_AS),
        }
    }

    /// Reads a `PublicAccessBlockConfiguration`. `MalformedXML`.
    pub(crate) fn of_document(document: &[u8]) -> Result<Block, S3Error> {
        let malformed = || S3Error::new(Code::MalformedXML);
        let mut block = Block::default();
        xml::walk(document, "PublicAccessBlockConfiguration", 16, |path, text| {
            let on = match text.trim().to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(malformed()),
            };
            match path[0].as_str() {
                "BlockPublicAcls" => block.set_acls = on,
                "IgnorePublicAcls" => block.ignore_acls = on,
                "BlockPublicPolicy" => block.set_policy = on,
                "RestrictPublicBuckets" => block.restrict_buckets = on,
                _ => return Err(malformed()),
            }
            Ok(())
        })?;
        Ok(block)
    }
    /// The document that shows it.
    pub(crate) fn document(self) -> Document {
        let mut d = Document::new("PublicAccessBlockConfiguration");
        for (name, on) in [
            ("BlockPublicAcls", self.set_acls),
            ("IgnorePublicAcls", self.ignore_acls),
            ("BlockPublicPolicy", self.set_policy),
            ("RestrictPublicBuckets", self.restrict_buckets),
        ] {
            d.leaf(name, if on { "true" } else { "false" });
        }
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back() {
        let block = Block { set_acls: true, restrict_buckets: true, ..Block::default() };
        assert_eq!(Block::of_document(&block.document().finish()).unwrap(), block);
        for bad in ["<X>true</X>", "<BlockPublicAcls>yes</BlockPublicAcls>"] {
            let text = format!("<PublicAccessBlockConfiguration>{bad}</PublicAccessBlockConfiguration>");
            assert_eq!(Block::of_document(text.as_bytes()).unwrap_err().code(), Code::MalformedXML);
        }
    }
}
