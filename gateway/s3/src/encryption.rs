//! What requests and answers say about encryption at rest: SSE-C, SSE-S3, SSE-KMS, and a bucket's default.
//!
//! S3 user guide, "Protecting data with server-side encryption". Unlike S3, customers' keys are taken over plain HTTP
//! too, as RGW does with `rgw_crypt_require_ssl` off: who encrypts the way to the gateway is the operator's choice.

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::set;
use crate::server::Gateway;
use crate::storage::{Bucket, Entry, KeyHolder, Seal, Sealing, SecretKey};
use crate::xml::{self, Document};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_client::Rados;
use http::HeaderMap;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "encryption";
const SSE: &str = "x-amz-server-side-encryption";
const KMS_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";

/// The names of the three headers that bring a customer's key.
pub(crate) struct Names {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

/// Those about the object itself.
pub(crate) const OBJECT: Names = Names {
    algorithm: "x-amz-server-side-encryption-customer-algorithm",
    key: "x-amz-server-side-encryption-customer-key",
    md5: "x-amz-server-side-encryption-customer-key-md5",
};
/// Those about the source of a copy.
pub(crate) const COPY_SOURCE: Names = Names {
    algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
    key: "x-amz-copy-source-server-side-encryption-customer-key",
    md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("").trim())
}

/// The key that a customer sends. `InvalidArgument`, `InvalidEncryptionAlgorithmError`, `InvalidRequest`.
fn customer_key(headers: &HeaderMap, names: &Names) -> Result<Option<SecretKey>, S3Error> {
    let (algorithm, key, md5) =
        (text(headers, names.algorithm), text(headers, names.key), text(headers, names.md5));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    let missing = |what: &str, name: &str| {
        let message = format!(
            "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
        );
        S3Error::invalid_argument(message, name, "")
    };
    let algorithm = algorithm.ok_or_else(|| missing("a valid encryption algorithm", names.algorithm))?;
    if algorithm != "AES256" {
        return Err(Code::InvalidEncryptionAlgorithmError.into());
    }
    let key = key.ok_or_else(|| missing("an appropriate secret key", names.key))?;
    let md5 = md5.ok_or_else(|| missing("the client calculated MD5 of the secret key", names.md5))?;
    // Neither goes into an error: what is wrong with a key is nobody else's business.
    let bad = |message: &'static str| S3Error::with_message(Code::InvalidArgument, message);
    let mut buffer = zeroize::Zeroizing::new([0; 48]);
    let n = STANDARD.decode_slice(key, &mut buffer[..]).unwrap_or(0);
    let bytes: [u8; 32] =
        buffer[..n].try_into().map_err(|_| bad("The secret key was invalid for the specified algorithm."))?;
    if STANDARD.decode(md5).ok().as_deref() != Some(&Md5::digest(bytes)[..]) {
        return Err(bad("The calculated MD5 hash of the key did not match the hash that was provided."));
    }
    Ok(Some(SecretKey::new(bytes)))
}

/// What a bucket encrypts new objects with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BucketEncryption {
    /// A key's id; none: the cluster's own.
    kms: Option<String>,
    bucket_key: bool,
}
stdx::codec_versioned!(BucketEncryption, 1 { kms, bucket_key });

impl BucketEncryption {
    /// A bucket's; none: it encrypts nothing by itself.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<BucketEncryption>, S3Error> {
        let Some(bytes) = kept.get(KEPT_AS) else { return Ok(None) };
        let damaged = |e| S3Error::internal(format!("a bucket's encryption cannot be read: {e}"));
        from_bytes(bytes.clone()).map(Some).map_err(damaged)
    }
    /// Keeps it, or takes it away.
    pub(crate) fn keep(this: Option<&BucketEncryption>, kept: &mut BTreeMap<String, Bytes>) {
        match this {
            Some(this) => _ = kept.insert(KEPT_AS.into(), to_bytes(this)),
            None => _ = kept.remove(KEPT_AS),
        }
    }

    /// Reads a `ServerSideEncryptionConfiguration`. `MalformedXML`, `InvalidArgument`.
    pub(crate) fn of_document(document: &[u8]) -> Result<BucketEncryption, S3Error> {
        let malformed = || S3Error::new(Code::MalformedXML);
        let (mut algorithm, mut rules, mut this) = (None, 0, BucketEncryption::default());
        xml::walk(document, "ServerSideEncryptionConfiguration", 16, |path, text| {
            match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["Rule"] => rules += 1,
                ["Rule", "ApplyServerSideEncryptionByDefault"] => {}
                ["Rule", "ApplyServerSideEncryptionByDefault", "SSEAlgorithm"] => {
                    algorithm = Some(text.trim().to_string());
                }
                ["Rule", "ApplyServerSideEncryptionByDefault", "KMSMasterKeyID"] => {
                    this.kms = Some(text.trim().to_string());
                }
                ["Rule", "BucketKeyEnabled"] => this.bucket_key = text.trim() == "true",
                _ => return Err(malformed()),
            }
            Ok(())
        })?;
        match (algorithm.as_deref(), &this.kms) {
            _ if rules != 1 => Err(malformed()),
            (Some("AES256"), None) | (Some("aws:kms"), Some(_)) => Ok(this),
            (Some("AES256"), Some(id)) => {
                let message =
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms";
                Err(S3Error::invalid_argument(message, "KMSMasterKeyID", id))
            }
            (Some("aws:kms"), None) => {
                Err(S3Error::invalid_argument("aws:kms needs a KMSMasterKeyID here.", "KMSMasterKeyID", ""))
            }
            _ => Err(malformed()),
        }
    }

    /// The document that shows it.
    pub(crate) fn document(&self) -> Document {
        let mut d = Document::new("ServerSideEncryptionConfiguration");
        d.open("Rule").open("ApplyServerSideEncryptionByDefault");
        d.leaf("SSEAlgorithm", if self.kms.is_some() { "aws:kms" } else { "AES256" });
        d.leaf_if("KMSMasterKeyID", self.kms.as_deref()).close();
        d.leaf("BucketKeyEnabled", if self.bucket_key { "true" } else { "false" });
        d
    }
}

/// How a new object is to be encrypted, as its headers say, or else its bucket.
pub(crate) async fn seal_of_new<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
) -> Result<Option<Seal>, S3Error> {
    let (sse, kms) = (text(&rq.headers, SSE), text(&rq.headers, KMS_ID));
    let conflict = |message: &'static str, value: &str| Err(S3Error::invalid_argument(message, SSE, value));
    if let Some(key) = customer_key(&rq.headers, &OBJECT)? {
        if let Some(word) = sse.or(kms) {
            return conflict(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
                word,
            );
        }
        return Seal::of_customer(key).map(Some);
    }
    let wanted = match (sse, kms) {
        (Some("AES256"), None) => None,
        (Some("aws:kms"), Some(id)) => Some(id.to_string()),
        (Some("aws:kms"), None) => return conflict("aws:kms needs a key id here.", "aws:kms"),
        (Some("AES256"), Some(id)) => return conflict("A key id goes with aws:kms only.", id),
        (Some(word), _) => return conflict("The encryption method specified is not supported", word),
        (None, Some(id)) => return conflict("A key id goes with aws:kms only.", id),
        (None, None) => match BucketEncryption::of(&bucket.settings)? {
            None => return Ok(None),
            Some(default) => default.kms,
        },
    };
    gw.storage.seal_by_cluster(wanted.as_deref()).await.map(Some)
}

/// The key of something that is stored: the customer's, of the headers of these names, or the cluster's. None: it is
/// not encrypted. `InvalidRequest`, `InvalidArgument`.
async fn open<R: Rados>(
    gw: &Gateway<R>,
    headers: &HeaderMap,
    names: &Names,
    sealing: Option<Sealing>,
) -> Result<Option<Seal>, S3Error> {
    let refused = |message: &'static str| Err(S3Error::with_message(Code::InvalidRequest, message));
    let key = customer_key(headers, names)?;
    match (sealing, key) {
        (None, None) => Ok(None),
        (Some(Sealing { holder: KeyHolder::Customer { .. }, .. }), None) => refused(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        ),
        (Some(sealing @ Sealing { holder: KeyHolder::Customer { .. }, .. }), Some(key)) => {
            match Seal::open_customer(sealing, key) {
                Some(seal) => Ok(Some(seal)),
                None => refused("The provided encryption key is not that of the object."),
            }
        }
        (_, Some(_)) => refused("The encryption parameters are not applicable to this object."),
        (Some(sealing), None) => gw.storage.open_by_cluster(sealing).await.map(Some),
    }
}

/// Makes an object readable, if the request brings what that takes.
pub(crate) async fn unlock<R: Rados>(
    gw: &Gateway<R>,
    headers: &HeaderMap,
    names: &Names,
    entry: &mut Entry,
) -> Result<(), S3Error> {
    entry.seal = open(gw, headers, names, entry.sealing()?).await?;
    Ok(())
}

/// The same for reading an object: headers that ask for an encryption say nothing there. `InvalidArgument`.
pub(crate) async fn unlock_for_read<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    entry: &mut Entry,
) -> Result<(), S3Error> {
    if let Some(word) = text(&rq.headers, SSE) {
        let message = "x-amz-server-side-encryption header is not supported for this operation.";
        return Err(S3Error::invalid_argument(message, SSE, word));
    }
    unlock(gw, &rq.headers, &OBJECT, entry).await
}

/// The key of an upload's parts.
pub(crate) async fn seal_of_upload<R: Rados>(
    gw: &Gateway<R>,
    headers: &HeaderMap,
    kept: &BTreeMap<String, Bytes>,
) -> Result<Option<Seal>, S3Error> {
    open(gw, headers, &OBJECT, Sealing::of(kept)?).await
}

/// Says how something is encrypted.
pub(crate) fn describe(headers: &mut HeaderMap, sealing: Option<&Sealing>, asked: &HeaderMap) {
    match sealing.map(|sealing| &sealing.holder) {
        None => {}
        Some(KeyHolder::Customer { .. }) => {
            set(headers, OBJECT.algorithm, "AES256");
            // The key that it is, since it opened it; we do not keep it.
            set(headers, OBJECT.md5, text(asked, OBJECT.md5).unwrap_or(""));
        }
        Some(KeyHolder::Cluster { id, kms: true, .. } | KeyHolder::Vault { id, .. }) => {
            set(headers, SSE, "aws:kms");
            set(headers, KMS_ID, id);
        }
        Some(KeyHolder::Cluster { kms: false, .. }) => set(headers, SSE, "AES256"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const KEY_MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn of(pairs: &[(&'static str, &'static str)]) -> Result<bool, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        customer_key(&headers, &OBJECT).map(|key| key.is_some()).map_err(|e| {
            assert!(!e.to_string().contains(KEY));
            e.code()
        })
    }

    #[test]
    fn a_customers_key_comes_whole_or_not_at_all() {
        let (algorithm, key, md5) = ((OBJECT.algorithm, "AES256"), (OBJECT.key, KEY), (OBJECT.md5, KEY_MD5));
        assert_eq!(of(&[]), Ok(false));
        assert_eq!(of(&[algorithm, key, md5]), Ok(true));
        assert_eq!(of(&[(OBJECT.algorithm, "AES192"), key, md5]), Err(Code::InvalidEncryptionAlgorithmError));
        for bad in [
            &[algorithm, key][..],
            &[algorithm, md5],
            &[key, md5],
            &[algorithm, key, (OBJECT.md5, "AAAAAAAAAAAAAAAAAAAAAA==")],
            &[algorithm, (OBJECT.key, "c2hvcnQ="), md5],
            &[
                algorithm,
                (OBJECT.key, "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVspO3upElrwuEXSoFwCfnZPdSsmt"),
                md5,
            ],
        ] {
            assert_eq!(of(bad), Err(Code::InvalidArgument), "{bad:?}");
        }
    }

    #[test]
    fn defaults_are_read_and_written() {
        let of = |inner: &str| {
            let text = format!(
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
            );
            BucketEncryption::of_document(text.as_bytes()).map_err(|e| e.code())
        };
        for good in [
            "<SSEAlgorithm>AES256</SSEAlgorithm>",
            "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>",
        ] {
            let default = of(good).unwrap();
            assert_eq!(BucketEncryption::of_document(&default.document().finish()).unwrap(), default);
        }
        assert_eq!(of(""), Err(Code::MalformedXML));
        assert_eq!(of("<SSEAlgorithm>DES</SSEAlgorithm>"), Err(Code::MalformedXML));
        assert_eq!(of("<SSEAlgorithm>aws:kms</SSEAlgorithm>"), Err(Code::InvalidArgument));
    }
}
