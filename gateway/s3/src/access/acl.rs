//! Access control lists: canned ones, grants in headers and documents, and whom they let do what.
//!
//! Amazon S3 user guide, "Access control list (ACL) overview". Users are named by their uid.

use crate::error::{Code, S3Error};
use crate::people::People;
use crate::xml::{self, Document};
use bytes::Bytes;
use http::HeaderMap;
use std::collections::BTreeMap;
use stdx::codec::{from_bytes, to_bytes};

const KEPT_AS: &str = "acl";
const GRANTS_MAX: usize = 100;
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// Who is granted something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    /// A user, by uid.
    User(String),
    /// Everybody.
    Everybody,
    /// Everybody who signs.
    Authenticated,
    /// The service that delivers logs of buckets.
    LogDelivery,
    /// Whoever has this address: stands for a user until that one is looked up, and is never kept.
    Address(String),
}
stdx::codec_enum!(Grantee {
    0 => User(uid), 1 => Everybody, 2 => Authenticated, 3 => LogDelivery, 4 => Address(address)
});

/// What is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// List the bucket; read the object.
    Read,
    /// Write objects into the bucket.
    Write,
    /// Read the ACL.
    ReadAcp,
    /// Set the ACL.
    WriteAcp,
    /// All of them.
    FullControl,
}
stdx::codec_enum!(Permission { 0 => Read, 1 => Write, 2 => ReadAcp, 3 => WriteAcp, 4 => FullControl });

impl Permission {
    const ALL: [(Permission, &'static str, &'static str); 5] = [
        (Permission::Read, "READ", "x-amz-grant-read"),
        (Permission::Write, "WRITE", "x-amz-grant-write"),
        (Permission::ReadAcp, "READ_ACP", "x-amz-grant-read-acp"),
        (Permission::WriteAcp, "WRITE_ACP", "x-amz-grant-write-acp"),
        (Permission::FullControl, "FULL_CONTROL", "x-amz-grant-full-control"),
    ];
    fn name(self) -> &'static str {
        Permission::ALL.iter().find(|(p, ..)| *p == self).map_or("", |(_, name, _)| name)
    }
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) grantee: Grantee,
    pub(crate) permission: Permission,
}
stdx::codec_plain!(Grant { grantee, permission });

/// An access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    /// The owner's uid.
    pub(crate) owner: String,
    pub(crate) grants: Vec<Grant>,
}
stdx::codec_versioned!(Acl, 1 { owner, grants });

impl Acl {
    /// The owner may do everything, others nothing.
    pub(crate) fn private(owner: &str) -> Acl {
        let grantee = Grantee::User(owner.to_string());
        Acl { owner: owner.to_string(), grants: vec![Grant { grantee, permission: Permission::FullControl }] }
    }

    /// Whether the sender (none: anonymous) may. `open` is false where grants to everybody are ignored. Its owner may
    /// always read and set it: an owner who forgot himself could never mend it.
    pub(crate) fn allows(&self, uid: Option<&str>, wanted: Permission, open: bool) -> bool {
        if uid == Some(&self.owner) && matches!(wanted, Permission::ReadAcp | Permission::WriteAcp) {
            return true;
        }
        self.grants.iter().any(|grant| {
            let whom = match &grant.grantee {
                Grantee::User(user) => uid == Some(user.as_str()),
                Grantee::Everybody => open,
                Grantee::Authenticated => open && uid.is_some(),
                Grantee::LogDelivery | Grantee::Address(_) => false,
            };
            whom && (grant.permission == wanted || grant.permission == Permission::FullControl)
        })
    }

    /// Whether the service that delivers logs may write.
    pub(crate) fn lets_logs_in(&self) -> bool {
        let writes = |p| matches!(p, Permission::Write | Permission::FullControl);
        self.grants.iter().any(|g| g.grantee == Grantee::LogDelivery && writes(g.permission))
    }

    /// Whether it grants anything to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.grants.iter().any(|g| matches!(g.grantee, Grantee::Everybody | Grantee::Authenticated))
    }

    /// The ACL of that name. None if there is no such name.
    fn canned(name: &str, owner: &str, bucket_owner: &str) -> Option<Acl> {
        let mut acl = Acl::private(owner);
        let mut grant = |grantee, permission| acl.grants.push(Grant { grantee, permission });
        let to_bucket = || Grantee::User(bucket_owner.to_string());
        match name {
            "private" | "aws-exec-read" => {}
            "public-read" => grant(Grantee::Everybody, Permission::Read),
            "public-read-write" => {
                grant(Grantee::Everybody, Permission::Read);
                grant(Grantee::Everybody, Permission::Write);
            }
            "authenticated-read" => grant(Grantee::Authenticated, Permission::Read),
            "bucket-owner-read" if owner != bucket_owner => grant(to_bucket(), Permission::Read),
            "bucket-owner-full-control" if owner != bucket_owner => {
                grant(to_bucket(), Permission::FullControl);
            }
            "bucket-owner-read" | "bucket-owner-full-control" => {}
            "log-delivery-write" => {
                grant(Grantee::LogDelivery, Permission::Write);
                grant(Grantee::LogDelivery, Permission::ReadAcp);
            }
            _ => return None,
        }
        Some(acl)
    }

    /// What headers say: a canned ACL or grants. None if they say nothing. `InvalidArgument`, `InvalidRequest`.
    pub(crate) fn of_headers(
        headers: &HeaderMap,
        owner: &str,
        bucket_owner: &str,
    ) -> Result<Option<Acl>, S3Error> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let mut grants = Vec::new();
        for (permission, _, header) in Permission::ALL {
            for grantee in text(header).unwrap_or("").split(',').map(str::trim).filter(|t| !t.is_empty()) {
                grants.push(Grant { grantee: grantee_of(grantee)?, permission });
            }
        }
        match (text("x-amz-acl"), grants.is_empty()) {
            (None, true) => Ok(None),
            (None, false) if grants.len() > GRANTS_MAX => Err(Code::InvalidRequest.into()),
            (None, false) => Ok(Some(Acl { owner: owner.to_string(), grants })),
            (Some(_), false) => {
                let message = "Specifying both Canned ACLs and Header Grants is not allowed";
                Err(S3Error::with_message(Code::InvalidRequest, message))
            }
            (Some(name), true) => Acl::canned(name, owner, bucket_owner)
                .map(Some)
                .ok_or_else(|| S3Error::invalid_argument("", "x-amz-acl", name)),
        }
    }

    /// Reads an `AccessControlPolicy`. The owner cannot be changed by it. `MalformedXML`, `MalformedACLError`,
    /// `AccessDenied`.
    pub(crate) fn of_document(document: &[u8], owner: &str) -> Result<Acl, S3Error> {
        let malformed = || S3Error::new(Code::MalformedACLError);
        let (mut grants, mut grantee, mut permission, mut named) = (Vec::new(), None, None, None);
        let mut listed = false;
        xml::walk(document, "AccessControlPolicy", 8 * GRANTS_MAX, |path, text| {
            let text = text.trim();
            match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["Owner", "ID"] => named = Some(text.to_string()),
                ["AccessControlList"] => listed = true,
                ["AccessControlList", "Grant"] => match (grantee.take(), permission.take()) {
                    (Some(grantee), Some(permission)) if grants.len() < GRANTS_MAX => {
                        grants.push(Grant { grantee, permission });
                    }
                    _ => return Err(malformed()),
                },
                ["AccessControlList", "Grant", "Permission"] => {
                    let found = Permission::ALL.iter().find(|(_, name, _)| *name == text);
                    permission = Some(found.ok_or_else(malformed)?.0);
                }
                ["AccessControlList", "Grant", "Grantee", kind @ ("ID" | "URI" | "EmailAddress")] => {
                    grantee = Some(grantee_named(kind, text)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        if !listed {
            return Err(malformed());
        }
        if named.is_some_and(|named| named != owner) {
            return Err(Code::AccessDenied.into());
        }
        Ok(Acl { owner: owner.to_string(), grants })
    }

    /// The users that it names.
    pub(crate) fn users(&self) -> impl Iterator<Item = &str> {
        let grantees = self.grants.iter().filter_map(|grant| match &grant.grantee {
            Grantee::User(uid) => Some(uid.as_str()),
            _ => None,
        });
        std::iter::once(self.owner.as_str()).chain(grantees)
    }

    /// The document that shows it.
    pub(crate) fn document(&self, people: &People) -> Document {
        let mut d = Document::new("AccessControlPolicy");
        people.write(&mut d, "Owner", &self.owner);
        d.open("AccessControlList");
        // Groups first, as RGW has them.
        let (users, groups): (Vec<_>, Vec<_>) =
            self.grants.iter().partition(|grant| matches!(grant.grantee, Grantee::User(_)));
        for grant in groups.into_iter().chain(users) {
            d.open("Grant");
            match &grant.grantee {
                Grantee::User(uid) | Grantee::Address(uid) => {
                    let name = people.name(uid);
                    d.open_with("Grantee", USER_ATTRIBUTES).leaf("ID", uid).leaf("DisplayName", name);
                }
                Grantee::Everybody => _ = d.open_with("Grantee", GROUP_ATTRIBUTES).leaf("URI", ALL_USERS),
                Grantee::Authenticated => {
                    d.open_with("Grantee", GROUP_ATTRIBUTES).leaf("URI", AUTHENTICATED);
                }
                Grantee::LogDelivery => {
                    d.open_with("Grantee", GROUP_ATTRIBUTES).leaf("URI", LOG_DELIVERY);
                }
            }
            d.close().leaf("Permission", grant.permission.name()).close();
        }
        d
    }

    /// The ACL that is kept, if one is.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Acl>, S3Error> {
        let Some(bytes) = kept.get(KEPT_AS) else { return Ok(None) };
        from_bytes(bytes.clone())
            .map(Some)
            .map_err(|e| S3Error::internal(format!("an ACL cannot be read: {e}")))
    }

    /// Keeps it; one that says what holds anyway costs nothing.
    pub(crate) fn keep(&self, kept: &mut BTreeMap<String, Bytes>, bucket_owner: &str) {
        if *self == Acl::private(bucket_owner) {
            kept.remove(KEPT_AS);
        } else {
            kept.insert(KEPT_AS.into(), to_bytes(self));
        }
    }
}

const USER_ATTRIBUTES: &str =
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
const GROUP_ATTRIBUTES: &str = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"";

/// Reads `id="UID"`, `uri="URI"` or `emailAddress="..."`.
fn grantee_of(text: &str) -> Result<Grantee, S3Error> {
    let invalid = || S3Error::invalid_argument("Argument format not recognized", "x-amz-grant", text);
    let (kind, value) = text.split_once('=').ok_or_else(invalid)?;
    let value = value.trim().trim_matches('"');
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => grantee_named("ID", value),
        "uri" => grantee_named("URI", value),
        "emailaddress" => grantee_named("EmailAddress", value),
        _ => Err(invalid()),
    }
}

fn grantee_named(kind: &str, value: &str) -> Result<Grantee, S3Error> {
    Ok(match (kind, value) {
        ("ID", uid) if !uid.is_empty() => Grantee::User(uid.to_string()),
        ("URI", ALL_USERS) => Grantee::Everybody,
        ("URI", AUTHENTICATED) => Grantee::Authenticated,
        ("URI", LOG_DELIVERY) => Grantee::LogDelivery,
        ("EmailAddress", address) => Grantee::Address(address.to_string()),
        _ => return Err(S3Error::invalid_argument("Invalid grantee", kind, value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> Result<Option<Acl>, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        Acl::of_headers(&headers, "ann", "boss").map_err(|e| e.code())
    }

    #[test]
    fn canned_lists_grant_what_they_say() {
        use Permission::{Read, ReadAcp, Write};
        let of = |name| headers(&[("x-amz-acl", name)]).unwrap().unwrap();
        let private = of("private");
        assert!(private.allows(Some("ann"), ReadAcp, true) && !private.allows(Some("boss"), Read, true));
        assert!(!private.allows(None, Read, true) && !private.is_public());
        let open = of("public-read");
        assert!(open.allows(None, Read, true) && !open.allows(None, Write, true) && open.is_public());
        assert!(!open.allows(None, Read, false) && open.allows(Some("ann"), Read, false));
        assert!(of("public-read-write").allows(None, Write, true));
        let signed = of("authenticated-read");
        assert!(signed.allows(Some("eve"), Read, true) && !signed.allows(None, Read, true));
        assert!(of("bucket-owner-read").allows(Some("boss"), Read, true));
        assert!(!of("bucket-owner-read").allows(Some("boss"), ReadAcp, true));
        assert!(of("bucket-owner-full-control").allows(Some("boss"), ReadAcp, true));
        assert_eq!(headers(&[("x-amz-acl", "all")]), Err(Code::InvalidArgument));
        assert_eq!(headers(&[]), Ok(None));
    }

    #[test]
    fn grants_in_headers() {
        let all = format!("uri=\"{ALL_USERS}\"");
        let acl = headers(&[
            ("x-amz-grant-read", &format!("id=\"eve\", {all}")),
            ("x-amz-grant-write-acp", "id=bob"),
        ]);
        let acl = acl.unwrap().unwrap();
        assert!(acl.allows(Some("eve"), Permission::Read, false) && acl.allows(None, Permission::Read, true));
        assert!(acl.allows(Some("bob"), Permission::WriteAcp, true));
        assert!(!acl.allows(Some("bob"), Permission::ReadAcp, true));
        assert!(
            acl.allows(Some("ann"), Permission::WriteAcp, true)
                && !acl.allows(Some("ann"), Permission::Read, false)
        );
        assert_eq!(headers(&[("x-amz-grant-read", "eve")]), Err(Code::InvalidArgument));
        assert_eq!(headers(&[("x-amz-grant-read", "uri=\"x\"")]), Err(Code::InvalidArgument));
        let mail = headers(&[("x-amz-grant-read", "emailAddress=\"a@b\"")]).unwrap().unwrap();
        assert!(!mail.allows(Some("a@b"), Permission::Read, true), "nobody's until it is looked up");
        let both = headers(&[("x-amz-grant-read", "id=eve"), ("x-amz-acl", "private")]);
        assert_eq!(both, Err(Code::InvalidRequest));
    }

    #[test]
    fn documents_come_back_and_keep_their_owner() {
        let acl = headers(&[("x-amz-acl", "public-read-write")]).unwrap().unwrap();
        let text = acl.document(&People::default()).finish();
        let mut back = Acl::of_document(&text, "ann").unwrap();
        // Groups are written first.
        back.grants.rotate_right(1);
        assert_eq!(back, acl);
        assert_eq!(Acl::of_document(&text, "bob").unwrap_err().code(), Code::AccessDenied);
        for bad in [
            "<AccessControlPolicy/>",
            "<AccessControlPolicy><AccessControlList><Grant/></AccessControlList></AccessControlPolicy>",
        ] {
            assert_eq!(Acl::of_document(bad.as_bytes(), "ann").unwrap_err().code(), Code::MalformedACLError);
        }
        let mut kept = BTreeMap::new();
        acl.keep(&mut kept, "boss");
        assert_eq!(Acl::of(&kept).unwrap(), Some(acl));
        Acl::private("boss").keep(&mut kept, "boss");
        assert!(kept.is_empty());
    }
}
