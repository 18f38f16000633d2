//! Names of daemons and clients, as certificates carry them: `osd.3`, `mon.0`, `gateway.0`, `client.admin`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes: a DNS label's bound for the part behind the dot, and room for the role.
const ID_BYTES_MAX: usize = 48;

/// What a peer is, and so what it may ask for: the part of its name before the dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Keeps objects.
    Osd,
    /// Keeps the cluster map.
    Mon,
    /// Serves S3.
    Gateway,
    /// Serves block devices.
    Nbd,
    /// A person's or program's own access.
    Client,
}

const ROLES: [(Role, &str); 5] = [
    (Role::Osd, "osd"),
    (Role::Mon, "mon"),
    (Role::Gateway, "gateway"),
    (Role::Nbd, "nbd"),
    (Role::Client, "client"),
];

/// A daemon's or client's name: a role, a dot, and an id of 1 to 48 of `a-z 0-9 _ -`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// `osd.N`.
    pub fn osd(number: u32) -> PeerName {
        PeerName(format!("osd.{number}").into())
    }
    /// The role, the part before the dot.
    pub fn role(&self) -> Role {
        let role = self.0.split('.').next().and_then(role_of);
        role.expect("checked when the name was made")
    }
    /// The part behind the dot.
    pub fn id(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, id)| id)
    }
    /// The part behind the dot, where it is a number (`3` of `osd.3`).
    pub fn number(&self) -> Option<u32> {
        self.id().parse().ok()
    }
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn role_of(word: &str) -> Option<Role> {
    ROLES.iter().find(|(_, w)| *w == word).map(|(r, _)| *r)
}

/// Text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a daemon's name; names look like osd.3, mon.0, gateway.0, client.admin")]
pub struct BadName(pub String);

impl FromStr for PeerName {
    type Err = BadName;
    fn from_str(s: &str) -> Result<PeerName, BadName> {
        let good_id = |id: &str| {
            (1..=ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
                // A DNS label neither starts nor ends with a hyphen.
                && !id.starts_with('-')
                && !id.ends_with('-')
        };
        match s.split_once('.') {
            Some((role, id)) if role_of(role).is_some() && good_id(id) => Ok(PeerName(s.into())),
            _ => Err(BadName(s.chars().take(80).collect())),
        }
    }
}
impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_tell_their_parts() {
        let n: PeerName = "osd.12".parse().unwrap();
        assert_eq!((n.role(), n.id(), n.number()), (Role::Osd, "12", Some(12)));
        assert_eq!(n, PeerName::osd(12));
        let n: PeerName = "client.admin".parse().unwrap();
        assert_eq!((n.role(), n.number()), (Role::Client, None));
    }

    #[test]
    fn what_could_confuse_a_certificate_is_no_name() {
        for bad in
            ["", "osd", "osd.", ".3", "osd.3.4", "disk.3", "osd.A", "osd.a b", "osd.*", "osd.-1", "osd.a\0"]
        {
            assert!(bad.parse::<PeerName>().is_err(), "{bad:?}");
        }
        assert!(format!("osd.{}", "a".repeat(49)).parse::<PeerName>().is_err());
    }
}
