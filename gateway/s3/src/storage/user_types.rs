//! What a user is: names, keys, limits, and what it may administer. Names and meanings follow RGW's.

use super::rate_limit::RateLimit;
use super::types::Secret;
use crate::error::{Code, S3Error};
use std::collections::BTreeMap;
use std::fmt;
use stdx::time::WallTime;

/// Buckets that a new user may own.
pub const MAX_BUCKETS_DEFAULT: i32 = 1000;

/// A user, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user's id, unique and unchanging: `ID`, or `TENANT$ID`.
    pub uid: String,
    /// The name shown to people.
    pub display_name: String,
    /// When the user was made.
    pub created: WallTime,
    /// The access keys (their public halves).
    pub access_keys: Vec<String>,
    /// The address, in lower case, unique among users; empty for none.
    pub email: String,
    /// Whether its requests are refused.
    pub suspended: bool,
    /// The most buckets it may own; 0: any number, negative: none.
    pub max_buckets: i32,
    /// What it may administer.
    pub caps: Caps,
    /// The limit of all its buckets together.
    pub user_quota: Quota,
    /// The limit of each of its buckets that has none of its own.
    pub bucket_quota: Quota,
    /// What it may ask per minute; none: what all users may.
    pub rate_limit: Option<RateLimit>,
    /// Its subusers, and what each may do in its name.
    pub subusers: BTreeMap<String, Access>,
    /// The account that it belongs to, which owns what it makes; empty: none.
    pub account: String,
    /// Whether it may do there all that can be done.
    pub account_root: bool,
}

impl User {
    /// The tenant whose buckets it names when it names no tenant; empty for none.
    pub fn tenant(&self) -> &str {
        self.uid.split_once('$').map_or("", |(tenant, _)| tenant)
    }
    /// Whether this is no user but an account: the owner of what its users make. It has no keys.
    pub fn is_account(&self) -> bool {
        is_account_id(&self.uid)
    }
    /// The id within its tenant.
    pub fn id(&self) -> &str {
        self.uid.split_once('$').map_or(&self.uid, |(_, id)| id)
    }
}

/// What a subuser may do in the name of its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Read and list.
    Read,
    /// Write and remove.
    Write,
    /// Both.
    ReadWrite,
    /// Also read and set ACLs: all that its user may.
    #[default]
    Full,
}
stdx::codec_enum!(Access { 0 => None, 1 => Read, 2 => Write, 3 => ReadWrite, 4 => Full });

impl Access {
    /// Reads a level as operators write it: `read`, `write`, `readwrite`, `full`; empty: none. `InvalidArgument`.
    pub fn parse(word: &str) -> Result<Access, S3Error> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "" | "none" => Access::None,
            "read" => Access::Read,
            "write" => Access::Write,
            "readwrite" | "read-write" => Access::ReadWrite,
            "full" | "full-control" => Access::Full,
            _ => {
                let message = "access must be read, write, readwrite or full.";
                return Err(S3Error::invalid_argument(message, "access", word));
            }
        })
    }

    /// The level as RGW shows it.
    pub fn words(self) -> &'static str {
        match self {
            Access::None => "<none>",
            Access::Read => "read",
            Access::Write => "write",
            Access::ReadWrite => "read-write",
            Access::Full => "full-control",
        }
    }

    /// Whether a request may be made at all; what it is about decides for itself.
    pub(crate) fn allows(self, method: &http::Method, acl: bool) -> bool {
        let reads = matches!(*method, http::Method::GET | http::Method::HEAD);
        match self {
            Access::Full => true,
            _ if acl => false,
            Access::None => false,
            Access::Read => reads,
            Access::Write => !reads,
            Access::ReadWrite => true,
        }
    }
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// All but its keys and the time, which are set when it is made.
    pub user: User,
    /// Its first key: none, one drawn at random, or this one.
    pub key: NewKey,
}

impl NewUser {
    /// One with the usual limits and a random key.
    pub fn new(uid: &str, display_name: &str) -> NewUser {
        let user = User {
            uid: uid.to_string(),
            display_name: display_name.to_string(),
            max_buckets: MAX_BUCKETS_DEFAULT,
            ..User::default()
        };
        NewUser { user, key: NewKey::Random }
    }
}

/// The first key of a new user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewKey {
    /// None.
    Without,
    /// Drawn at random.
    Random,
    /// Access key and secret key.
    Given(String, Secret),
}

/// How much may be stored. Counts are of objects and versions, bytes of their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Whether it holds.
    pub enabled: bool,
    /// The most bytes; negative: any number.
    pub max_bytes: i64,
    /// The most objects; negative: any number.
    pub max_objects: i64,
}
stdx::codec_plain!(Quota { enabled, max_bytes, max_objects });

impl Default for Quota {
    fn default() -> Quota {
        Quota { enabled: false, max_bytes: -1, max_objects: -1 }
    }
}

impl Quota {
    /// Whether it limits anything.
    pub fn limits(&self) -> bool {
        self.enabled && (self.max_bytes >= 0 || self.max_objects >= 0)
    }
    /// Whether one more object of so many bytes fits beside what is there.
    pub fn has_room(&self, used: &Usage, bytes: u64) -> bool {
        let within = |limit: i64, used: u64| u64::try_from(limit).map_or(true, |limit| used <= limit);
        !self.enabled
            || (within(self.max_objects, used.objects.saturating_add(1))
                && within(self.max_bytes, used.bytes.saturating_add(bytes)))
    }
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects and versions.
    pub objects: u64,
    /// Sum of their sizes.
    pub bytes: u64,
}

impl Usage {
    /// Both together.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            objects: self.objects.saturating_add(other.objects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// What a user may administer: areas, and whether to read or to write in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps(BTreeMap<String, u8>);
stdx::codec_newtype!(Caps);

const READ: u8 = 1;
const WRITE: u8 = 2;

impl Caps {
    /// The areas there are.
    pub const AREAS: [&'static str; 14] = [
        "accounts",
        "bilog",
        "buckets",
        "datalog",
        "info",
        "mdlog",
        "metadata",
        "oidc-provider",
        "ratelimit",
        "roles",
        "usage",
        "user-policy",
        "users",
        "zone",
    ];

    /// Everything that tools of administrators use.
    pub fn all() -> Caps {
        Caps(Caps::AREAS.iter().map(|area| ((*area).to_string(), READ | WRITE)).collect())
    }

    /// Reads `AREA=PERM;AREA=PERM`, where PERM is `read`, `write`, `read, write` or `*`. `InvalidArgument`.
    pub fn parse(text: &str) -> Result<Caps, S3Error> {
        let mut caps = Caps::default();
        for one in text.split(';').map(str::trim).filter(|one| !one.is_empty()) {
            let wrong = || {
                let message = format!(
                    "A capability is AREA=PERM: AREA one of {}; PERM read, write, or * for both.",
                    Caps::AREAS.join(", ")
                );
                S3Error::with_message(Code::InvalidCapability, message)
            };
            let (area, perms) = one.split_once('=').ok_or_else(wrong)?;
            let area = Caps::AREAS.iter().find(|a| **a == area.trim()).ok_or_else(wrong)?;
            let mut bits = 0;
            for perm in perms.split([',', ' ']).map(str::trim).filter(|p| !p.is_empty()) {
                bits |= match perm {
                    "*" => READ | WRITE,
                    "read" => READ,
                    "write" => WRITE,
                    _ => return Err(wrong()),
                };
            }
            if bits == 0 {
                return Err(wrong());
            }
            *caps.0.entry((*area).to_string()).or_default() |= bits;
        }
        Ok(caps)
    }

    /// Takes these in as well.
    pub fn add(&mut self, other: &Caps) {
        for (area, bits) in &other.0 {
            *self.0.entry(area.clone()).or_default() |= bits;
        }
    }
    /// Takes these away.
    pub fn remove(&mut self, other: &Caps) {
        for (area, bits) in &other.0 {
            if let Some(have) = self.0.get_mut(area) {
                *have &= !bits;
            }
        }
        self.0.retain(|_, bits| *bits != 0);
    }

    /// Whether they let read in an area.
    pub fn may_read(&self, area: &str) -> bool {
        self.0.get(area).is_some_and(|bits| bits & READ != 0)
    }
    /// Whether they let write in an area.
    pub fn may_write(&self, area: &str) -> bool {
        self.0.get(area).is_some_and(|bits| bits & WRITE != 0)
    }

    /// Area and permission, as RGW writes them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.0.iter().map(|(area, bits)| {
            let perm = match *bits {
                READ => "read",
                WRITE => "write",
                _ => "*",
            };
            (area.as_str(), perm)
        })
    }
}

impl fmt::Display for Caps {
    /// In the form that `parse` reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.iter().map(|(area, perm)| format!("{area}={perm}")).collect();
        f.write_str(&all.join(";"))
    }
}

/// Whether an id is an account's: `RGW` and 17 digits.
pub fn is_account_id(id: &str) -> bool {
    id.strip_prefix("RGW").is_some_and(|n| n.len() == 17 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a uid is one that a user may have: `ID` or `TENANT$ID`, a tenant of letters, digits, `_` and `-`.
/// `InvalidArgument`.
pub(crate) fn check_uid(uid: &str) -> Result<(), S3Error> {
    let (tenant, id) = uid.split_once('$').unwrap_or(("", uid));
    let tenant_ok = uid.starts_with(|c: char| c != '$')
        && tenant.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let id_ok = !id.is_empty() && !id.contains('$') && !uid.chars().any(char::is_control);
    if tenant_ok && id_ok && uid.len() <= 128 {
        return Ok(());
    }
    let message =
        "A user id has 1 to 128 characters: ID, or TENANT$ID with a tenant of letters, digits, _ and -.";
    Err(S3Error::invalid_argument(message, "uid", uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_written_added_and_taken_away() {
        let mut caps = Caps::parse("users=read; buckets=*;usage=read, write").unwrap();
        assert_eq!(caps.to_string(), "buckets=*;usage=*;users=read");
        assert!(caps.may_read("users") && !caps.may_write("users") && !caps.may_read("metadata"));
        caps.add(&Caps::parse("users=write").unwrap());
        assert!(caps.may_write("users"));
        caps.remove(&Caps::parse("buckets=write;usage=*").unwrap());
        assert_eq!(caps.to_string(), "buckets=read;users=*");
        for bad in ["users", "users=", "users=all", "elephants=read"] {
            assert_eq!(Caps::parse(bad).unwrap_err().code(), Code::InvalidCapability, "{bad}");
        }
        assert_eq!(Caps::parse("").unwrap(), Caps::default());
    }

    #[test]
    fn ids_of_accounts() {
        assert!(is_account_id("RGW12345678901234567"));
        for not in ["RGW1234567890123456", "RGW1234567890123456x", "rgw12345678901234567", "RGW", ""] {
            assert!(!is_account_id(not), "{not}");
        }
    }

    #[test]
    fn levels_of_access() {
        use http::Method;
        let may = |level: &str| {
            let access = Access::parse(level).unwrap();
            assert_eq!(Access::parse(access.words().trim_matches(['<', '>'])).unwrap(), access);
            [(Method::GET, false), (Method::PUT, false), (Method::GET, true)]
                .map(|(m, acl)| access.allows(&m, acl))
        };
        assert_eq!(may("read"), [true, false, false]);
        assert_eq!(may("write"), [false, true, false]);
        assert_eq!(may("readwrite"), [true, true, false]);
        assert_eq!(may("full"), [true, true, true]);
        assert_eq!(may(""), [false, false, false]);
        assert!(Access::parse("all").is_err());
    }

    #[test]
    fn quotas_count_the_object_that_comes() {
        let used = Usage { objects: 9, bytes: 90 };
        let quota = Quota { enabled: true, max_bytes: 100, max_objects: 10 };
        assert!(quota.has_room(&used, 10) && !quota.has_room(&used, 11));
        assert!(!quota.has_room(&Usage { objects: 10, bytes: 0 }, 0));
        assert!(Quota { enabled: false, ..quota }.has_room(&used, 1000));
        assert!(Quota { enabled: true, ..Quota::default() }.has_room(&used, u64::MAX));
        assert!(!Quota { max_bytes: 0, ..quota }.has_room(&Usage::default(), 1));
    }

    #[test]
    fn ids_may_name_a_tenant() {
        let user = User { uid: "t1$ann".into(), ..User::default() };
        assert_eq!((user.tenant(), user.id()), ("t1", "ann"));
        assert_eq!(User { uid: "ann".into(), ..User::default() }.tenant(), "");
        for good in ["ann", "t_1$ann", "a b", "ü"] {
            assert!(check_uid(good).is_ok(), "{good}");
        }
        for bad in ["", "$ann", "t$", "t/1$ann", "a$b$c", "a\nb", &"a".repeat(129)] {
            assert!(check_uid(bad).is_err(), "{bad}");
        }
    }
}
