//! The signature of a form's policy: Version 4, or 2 where the operator lets it in.

use super::key::equal;
use super::{KeyCache, claim};
use crate::error::{Code, S3Error};
use crate::form::Fields;
use crate::hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Who signed a form, as it says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FormClaim {
    /// Signature Version 4.
    V4 {
        /// Whose key it is said to be.
        access_key: String,
        /// `YYYYMMDD`.
        date: String,
        signature: [u8; 32],
    },
    /// Signature Version 2.
    V2 {
        /// Whose key it is said to be.
        access_key: String,
        signature: Vec<u8>,
    },
}

impl FormClaim {
    /// Reads the claim of a form with a policy. `InvalidArgument` for one that says too little.
    pub(crate) fn of(fields: &Fields, region: &str) -> Result<FormClaim, S3Error> {
        let missing = |name: &str| {
            let message = format!("Bucket POST must contain a field named '{name}'.");
            S3Error::invalid_argument(message, name, "")
        };
        let get = |name: &str| fields.get(name).map(str::trim).ok_or_else(|| missing(name));
        if fields.bytes("x-amz-algorithm").is_none() && fields.bytes("x-amz-signature").is_none() {
            let access_key = get("awsaccesskeyid")?.to_string();
            let signature = STANDARD.decode(get("signature")?).unwrap_or_default();
            return Ok(FormClaim::V2 { access_key, signature });
        }
        let algorithm = get("x-amz-algorithm")?;
        if algorithm != "AWS4-HMAC-SHA256" {
            let message = "Only AWS4-HMAC-SHA256 is supported.";
            return Err(S3Error::invalid_argument(message, "x-amz-algorithm", algorithm));
        }
        let credential = get("x-amz-credential")?;
        let (access_key, date) = claim::form_credential(credential, region)
            .map_err(|what| S3Error::invalid_argument(what, "x-amz-credential", credential))?;
        let amz_date = get("x-amz-date")?;
        if !amz_date.starts_with(&date) || crate::dates::parse_amz(amz_date).is_none() {
            let message = "x-amz-date is not the date of the credential";
            return Err(S3Error::invalid_argument(message, "x-amz-date", amz_date));
        }
        let signature = hex::decode(get("x-amz-signature")?.as_bytes())
            .ok_or_else(|| S3Error::new(Code::SignatureDoesNotMatch))?;
        Ok(FormClaim::V4 { access_key, date, signature })
    }

    /// The access key whose secret it must be signed with.
    pub(crate) fn access_key(&self) -> &str {
        match self {
            FormClaim::V4 { access_key, .. } | FormClaim::V2 { access_key, .. } => access_key,
        }
    }

    /// Whether `secret` signed the policy, which is as it came. `SignatureDoesNotMatch`.
    pub(crate) fn verify(
        &self,
        policy: &[u8],
        secret: &str,
        region: &str,
        keys: &KeyCache,
    ) -> Result<(), S3Error> {
        let good = match self {
            FormClaim::V4 { access_key, date, signature } => {
                equal(&keys.get(access_key, secret, date, region).sign(policy), signature)
            }
            FormClaim::V2 { signature, .. } => {
                // HMAC takes keys of any length; the type cannot say so.
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
                    unreachable!("HMAC refused a key")
                };
                mac.update(policy);
                // Compares in constant time.
                mac.verify_slice(signature).is_ok()
            }
        };
        if good {
            return Ok(());
        }
        Err(S3Error::new(Code::SignatureDoesNotMatch).field("AWSAccessKeyId", self.access_key()))
    }
}
