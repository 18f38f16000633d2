//! Who owns what others write into a bucket, and with it whether ACLs count.

use crate::error::{Code, S3Error};
use crate::xml::{self, Document};
use bytes::Bytes;
use std::collections::BTreeMap;

const KEPT_AS: &str = "ownership";

/// Object ownership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Whoever writes an object owns it.
    #[default]
    Writer,
    /// The bucket's owner does, if the writer grants full control of it.
    Preferred,
    /// The bucket's owner does, and ACLs count for nothing.
    Enforced,
}

impl Ownership {
    /// Reads its name. `InvalidArgument`.
    pub(crate) fn parse(name: &str) -> Result<Ownership, S3Error> {
        Ok(match name {
            "ObjectWriter" => Ownership::Writer,
            "BucketOwnerPreferred" => Ownership::Preferred,
            "BucketOwnerEnforced" => Ownership::Enforced,
            other => {
                return Err(S3Error::invalid_argument(
                    "Invalid ObjectOwnership",
                    "x-amz-object-ownership",
                    other,
                ));
            }
        })
    }
    fn name(self) -> &'static str {
        match self {
            Ownership::Writer => "ObjectWriter",
            Ownership::Preferred => "BucketOwnerPreferred",
            Ownership::Enforced => "BucketOwnerEnforced",
        }
    }

    /// The one that is kept, if one is.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Ownership>, S3Error> {
        let Some(name) = kept.get(KEPT_AS) else { return Ok(None) };
        let name = std::str::from_utf8(name).unwrap_or("");
        Ownership::parse(name).map(Some).map_err(|e| S3Error::internal(format!("a bucket's ownership: {e}")))
    }
    /// Keeps it; none removes what was kept.
    pub(crate) fn keep(ownership: Option<Ownership>, kept: &mut BTreeMap<String, Bytes>) {
        match ownership {
            Some(ownership) => _ = kept.insert(KEPT_AS.into(), Bytes::from(ownership.name())),
            None => _ = kept.remove(KEPT_AS),
        }
    }

    /// Reads `OwnershipControls`, which has one rule. `MalformedXML`.
    pub(crate) fn of_document(document: &[u8]) -> Result<Ownership, S3Error> {
        let malformed = || S3Error::new(Code::MalformedXML);
        let mut found = None;
        xml::walk(document, "OwnershipControls", 8, |path, text| {
            match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["Rule", "ObjectOwnership"] if found.is_none() => {
                    found = Some(Ownership::parse(text.trim()).map_err(|_| malformed())?);
                }
                ["Rule"] => {}
                _ => return Err(malformed()),
            }
            Ok(())
        })?;
        found.ok_or_else(malformed)
    }
    /// The document that shows it.
    pub(crate) fn document(self) -> Document {
        let mut d = Document::new("OwnershipControls");
        d.open("Rule").leaf("ObjectOwnership", self.name());
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back() {
        for ownership in [Ownership::Writer, Ownership::Preferred, Ownership::Enforced] {
            assert_eq!(Ownership::of_document(&ownership.document().finish()).unwrap(), ownership);
            let mut kept = BTreeMap::new();
            Ownership::keep(Some(ownership), &mut kept);
            assert_eq!(Ownership::of(&kept).unwrap(), Some(ownership));
        }
        for bad in ["", "<Rule/>", "<Rule><ObjectOwnership>Mine</ObjectOwnership></Rule>"] {
            let text = format!("<OwnershipControls>{bad}</OwnershipControls>");
            assert_eq!(Ownership::of_document(text.as_bytes()).unwrap_err().code(), Code::MalformedXML);
        }
    }
}
