//! Addresses of daemons: one (`entity_addr_t`) and a list of them (`entity_addrvec_t`), in the old forms and the new.

use super::error::{OsdMapError, OsdMapFault};
use super::wire::{Envelope, Reader, Wire};
use std::net::{IpAddr, SocketAddr};

/// Starts an address of nautilus and later, and a list that holds one address without a count.
const NEW: u8 = 1;
/// Starts a list with a count.
const LIST: u8 = 2;
/// Linux's numbers of address families.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// What an old address has behind its marker: three zeros, the nonce, a `sockaddr_storage`.
const OLD_BYTES: usize = 135;

/// Which protocol an address speaks; Ceph's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AddrKind {
    /// The first messenger protocol.
    Legacy = 1,
    /// The second.
    Msgr2 = 2,
    /// Not said.
    Any = 3,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr {
    /// As before nautilus; its bytes behind the marker.
    Old(Box<[u8; OLD_BYTES]>),
    /// As since nautilus.
    New {
        /// How it was written.
        envelope: Envelope,
        /// [`AddrKind`]'s number, 0 for none.
        kind: u32,
        /// Tells two processes at one address apart.
        nonce: u32,
        /// Linux's `sockaddr`, the family in little-endian; empty for none.
        sockaddr: Vec<u8>,
    },
}

impl Addr {
    /// The address of a daemon at `at`.
    pub fn new(kind: AddrKind, at: SocketAddr, nonce: u32) -> Addr {
        let mut sockaddr = Vec::with_capacity(28);
        let family = if at.is_ipv4() { AF_INET } else { AF_INET6 };
        sockaddr.extend(family.to_le_bytes());
        sockaddr.extend(at.port().to_be_bytes());
        match at.ip() {
            IpAddr::V4(ip) => {
                sockaddr.extend(ip.octets());
                sockaddr.extend([0; 8]);
            }
            IpAddr::V6(ip) => {
                sockaddr.extend([0; 4]);
                sockaddr.extend(ip.octets());
                sockaddr.extend([0; 4]);
            }
        }
        Addr::New { envelope: Envelope::new(1, 1), kind: kind as u32, nonce, sockaddr }
    }

    /// Where it leads, if it is an IP address in the new form.
    pub fn socket(&self) -> Option<SocketAddr> {
        let Addr::New { sockaddr, .. } = self else { return None };
        let family = u16::from_le_bytes(*sockaddr.first_chunk()?);
        let port = u16::from_be_bytes(*sockaddr.get(2..)?.first_chunk()?);
        let ip: IpAddr = match family {
            AF_INET => (*sockaddr.get(4..)?.first_chunk::<4>()?).into(),
            AF_INET6 => (*sockaddr.get(8..)?.first_chunk::<16>()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    fn read_after(marker: u8, r: &mut Reader<'_>) -> Result<Addr, OsdMapError> {
        match marker {
            0 => Ok(Addr::Old(Box::new(r.array()?))),
            NEW => {
                let fields = |r: &mut Reader<'_>, _| {
                    let (kind, nonce) = (r.read()?, r.read()?);
                    let length = r.count(1)?;
                    Ok((kind, nonce, r.bytes(length)?.to_vec()))
                };
                let ((kind, nonce, sockaddr), envelope) = r.envelope(1, 1, fields)?;
                Ok(Addr::New { envelope, kind, nonce, sockaddr })
            }
            _ => Err(r.fault(OsdMapFault::Value(marker.into()))),
        }
    }
}

impl Wire for Addr {
    const BYTES_MIN: usize = 19;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let marker = r.read()?;
        Addr::read_after(marker, r)
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Addr::Old(bytes) => {
                0u8.write(out);
                out.extend(bytes.as_slice());
            }
            Addr::New { envelope, kind, nonce, sockaddr } => {
                NEW.write(out);
                envelope.write(out, |out| {
                    kind.write(out);
                    nonce.write(out);
                    sockaddr.write(out);
                });
            }
        }
    }
}

/// The addresses of one daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addrs {
    /// All of them.
    pub list: Vec<Addr>,
    /// Written as one address without a count, as before nautilus.
    bare: bool,
}

impl Addrs {
    /// A list of one, or of none.
    pub fn of(addr: Option<Addr>) -> Addrs {
        Addrs { list: addr.into_iter().collect(), bare: false }
    }
}

impl Wire for Addrs {
    const BYTES_MIN: usize = 5;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        match r.read()? {
            LIST => Ok(Addrs { list: r.read()?, bare: false }),
            marker => Ok(Addrs { list: vec![Addr::read_after(marker, r)?], bare: true }),
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self.list.as_slice() {
            [one] if self.bare => one.write(out),
            _ => {
                LIST.write(out);
                self.list.write(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(addrs: &Addrs) {
        let mut bytes = Vec::new();
        addrs.write(&mut bytes);
        assert_eq!(Reader::new(&bytes).read::<Addrs>().as_ref(), Ok(addrs));
    }

    #[test]
    fn addresses_of_both_families_and_forms_come_back() {
        for text in ["192.0.2.7:6801", "[2001:db8::7]:6802"] {
            let at: SocketAddr = text.parse().expect("an address");
            let addr = Addr::new(AddrKind::Msgr2, at, 7);
            assert_eq!(addr.socket(), Some(at));
            round_trip(&Addrs::of(Some(addr.clone())));
            round_trip(&Addrs { list: vec![addr], bare: true });
        }
        round_trip(&Addrs { list: vec![Addr::Old(Box::new([3; OLD_BYTES]))], bare: true });
        round_trip(&Addrs::of(None));
    }
}
