//! Uploads by a browser's form (`POST Object`): the form as it streams in (`parser`), what its policy allows (`policy`),
//! and the file in it as the body of a put (`body`).
//!
//! S3 API reference, "POST Object"; S3 user guide, "Creating an HTML form (using AWS Signature Version 4)"; RFC 7578.

mod body;
mod parser;
mod policy;

pub(crate) use body::read_fields;
pub(crate) use parser::pieces;
pub(crate) use policy::FormPolicy;

use bytes::Bytes;

/// What stands in a form before its file.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// By lower-case name, in the order they came.
    all: Vec<(String, Bytes)>,
    /// The name that the browser gives the file; empty: none.
    pub(crate) filename: String,
}

impl Fields {
    /// A field's value, if it is text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }
    /// A field's value.
    pub(crate) fn bytes(&self, name: &str) -> Option<&Bytes> {
        self.all.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
    /// All fields.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.all.iter().map(|(name, value)| (name.as_str(), value))
    }
    /// These fields, in this order.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Fields {
        let all = pairs.iter().map(|(n, v)| (n.to_string(), Bytes::copy_from_slice(v.as_bytes()))).collect();
        Fields { all, filename: String::new() }
    }
}
