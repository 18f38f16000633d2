//! Erasure-code profiles: which code a pool uses, how its stripes are cut, which failures it is laid out against, and
//! what that means in words.

use crate::config::parse_size;
use crate::refusal::{Refusal, RefusalKind};
use erasure::{Profile, ProfileError, Stripes, Technique};
use std::fmt;

/// The stripe unit when nobody says: with 16 KiB most small reads touch one shard.
pub const STRIPE_UNIT_DEFAULT: u64 = 16 << 10;
/// The store's unit: a chunk that ends within one would share it with its neighbour.
const STRIPE_UNIT_MULTIPLE: u64 = 4 << 10;
/// The largest stripe unit. Beyond it a stripe no longer fits in any cache while its parity is made.
const STRIPE_UNIT_MAX: u64 = 4 << 20;
/// The longest name of a failure domain.
const DOMAIN_BYTES_MAX: usize = 64;

/// An erasure-code profile. As text (`Display` and [`EcProfile::parse`]) it has Ceph's words:
/// `plugin=isa technique=reed_sol_van k=4 m=2 stripe_unit=16384 crush-failure-domain=host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcProfile {
    code: Profile,
    stripe_unit: u64,
    failure_domain: String,
    locality: Option<String>,
}

impl EcProfile {
    /// `code` with stripes of chunks of `stripe_unit` bytes, each shard in another `failure_domain`; with lrc each local
    /// group in another `locality`.
    pub fn new(
        code: Profile,
        stripe_unit: u64,
        failure_domain: &str,
        locality: Option<&str>,
    ) -> Result<EcProfile, Refusal> {
        code.check_stripe_unit(stripe_unit).map_err(refusal)?;
        if !stripe_unit.is_multiple_of(STRIPE_UNIT_MULTIPLE) || stripe_unit > STRIPE_UNIT_MAX {
            let text = format!("stripe unit {stripe_unit}: it must be a multiple of 4 KiB, up to 4 MiB");
            return Err(Refusal::invalid(text));
        }
        let named = |name: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            !name.is_empty() && name.len() <= DOMAIN_BYTES_MAX && name.bytes().all(plain)
        };
        if let Some(bad) = [Some(failure_domain), locality].into_iter().flatten().find(|name| !named(name)) {
            return Err(Refusal::invalid(format!("{bad:?} cannot be a failure domain's name")));
        }
        if locality.is_some() && code.groups() == 0 {
            return Err(Refusal::invalid(format!(
                "{code} has no local groups to put into different places: take plugin=lrc, or leave the locality out"
            )));
        }
        if locality == Some(failure_domain) {
            return Err(Refusal::invalid(format!(
                "locality and failure domain are both {failure_domain}: a group of several shards needs the wider one"
            )));
        }
        Ok(EcProfile {
            code,
            stripe_unit,
            failure_domain: failure_domain.to_owned(),
            locality: locality.map(str::to_owned),
        })
    }

    /// `NAME=VALUE` words, separated by spaces or commas: those of the code, `stripe_unit` (bytes, or with K or M),
    /// `crush-failure-domain` (`host` when nobody says) and `crush-locality`.
    pub fn parse(text: &str) -> Result<EcProfile, Refusal> {
        let (mut code, mut unit, mut domain, mut locality) = (Vec::new(), None, None, None);
        for word in text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
            let slot = match word.split_once('=') {
                Some(("stripe_unit", value)) => (&mut unit, value),
                Some(("crush-failure-domain", value)) => (&mut domain, value),
                Some(("crush-locality", value)) => (&mut locality, value),
                _ => {
                    code.push(word);
                    continue;
                }
            };
            if slot.0.replace(slot.1).is_some() {
                return Err(Refusal::invalid(format!("{word:?} says again what was said before")));
            }
        }
        let code: Profile = code.join(" ").parse().map_err(refusal)?;
        let unit = match unit {
            None => STRIPE_UNIT_DEFAULT,
            Some(text) => parse_size(text).ok_or_else(|| {
                Refusal::invalid(format!("stripe_unit={text}: a number of bytes, like 16K"))
            })?,
        };
        EcProfile::new(code, unit, domain.unwrap_or("host"), locality)
    }

    /// `K+M` as in `--ec 4+2`: ISA-L's code with the default stripe unit.
    pub fn from_sum(text: &str, failure_domain: &str) -> Result<EcProfile, Refusal> {
        let numbers = text.split_once('+').and_then(|(k, m)| Some((k.parse().ok()?, m.parse().ok()?)));
        let Some((k, m)) = numbers else {
            return Err(Refusal::invalid(format!(
                "{text:?} should be K+M, like 4+2: data and parity shards"
            )));
        };
        EcProfile::new(Profile::isa(k, m).map_err(refusal)?, STRIPE_UNIT_DEFAULT, failure_domain, None)
    }

    /// The code.
    pub fn code(&self) -> Profile {
        self.code
    }

    /// How objects are cut.
    pub fn stripes(&self) -> Stripes {
        Stripes::new(self.code, self.stripe_unit).expect("checked when the profile was made")
    }

    /// Bytes of a chunk.
    pub fn stripe_unit(&self) -> u64 {
        self.stripe_unit
    }

    /// What each shard has to itself.
    pub fn failure_domain(&self) -> &str {
        &self.failure_domain
    }

    /// What each local group has to itself.
    pub fn locality(&self) -> Option<&str> {
        self.locality.as_deref()
    }

    /// Shards of an object.
    pub fn size(&self) -> u32 {
        self.code.chunks() as u32
    }

    /// In-sync shards with which writes are accepted by default: one more than those with which every object can still be
    /// read, whichever are lost. That is k + 1 without local groups; without parity there are no more than k.
    pub fn default_min_size(&self) -> u32 {
        (self.code.chunks() - self.code.m() + 1).min(self.code.chunks()) as u32
    }

    /// Percent of the raw space that data may fill, rounded.
    pub fn usable_percent(&self) -> u32 {
        let (k, chunks) = (self.code.k() as u32, self.size());
        (k * 200 + chunks) / (chunks * 2)
    }

    /// Whether the cluster has the places: `domains`, how many failure domains there are; `domains_of_localities`, for
    /// each bucket of the locality's type how many failure domains it holds (of no meaning without a locality).
    pub fn check_places(&self, domains: u32, domains_of_localities: &[u32]) -> Result<(), Refusal> {
        let (size, domain) = (self.size(), &self.failure_domain);
        if domains < size {
            return Err(Refusal::new(
                RefusalKind::Impossible,
                format!(
                    "{size} shards in different {domain}s need {size} of them, and there are {domains}; add OSDs in more \
                     {domain}s, take a smaller k or m, or a narrower failure domain"
                ),
            ));
        }
        if let (Some(locality), Technique::Local { l }) = (&self.locality, self.code.technique()) {
            let (groups, each) = (self.code.groups(), l as u32 + 1);
            let fit = domains_of_localities.iter().filter(|there| **there >= each).count();
            if fit < groups {
                return Err(Refusal::new(
                    RefusalKind::Impossible,
                    format!(
                        "{groups} groups in different {locality}s need {each} {domain}s in each of {groups} {locality}s, \
                         and {fit} of {} have so many; add {domain}s there, or take another k, m and l",
                        domains_of_localities.len()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What the profile means, for people: capacity, what may fail, and with lrc what a repair reads.
    pub fn words(&self) -> String {
        let (m, domain) = (self.code.m(), &self.failure_domain);
        let any = |n: usize| match n {
            1 => format!("any 1 {domain}"),
            n => format!("any {n} {domain}s"),
        };
        if m == 0 {
            return format!(
                "usable capacity 100 %, no {domain} may fail: the first lost one loses data for good"
            );
        }
        let mut words = format!("usable capacity {} %, {} may fail", self.usable_percent(), any(m));
        let writable = self.code.chunks() - self.default_min_size() as usize;
        words += &match writable {
            0 => format!("; while one is down writes wait (min_size {})", self.default_min_size()),
            n => format!("; writes go on with {} down (min_size {})", any(n), self.default_min_size()),
        };
        if let Technique::Local { l } = self.code.technique() {
            let place =
                self.locality.as_ref().map_or("group".to_owned(), |locality| format!("own {locality}"));
            words += &format!("; one lost shard is rebuilt from {l} others of its {place}");
        }
        words
    }
}

impl fmt::Display for EcProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stripe_unit={} ", self.code, self.stripe_unit)?;
        write!(f, "crush-failure-domain={}", self.failure_domain)?;
        match &self.locality {
            Some(locality) => write!(f, " crush-locality={locality}"),
            None => Ok(()),
        }
    }
}

fn refusal(error: ProfileError) -> Refusal {
    Refusal::invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "plugin=isa technique=reed_sol_van k=4 m=2 stripe_unit=16384 crush-failure-domain=host",
            "plugin=jerasure technique=reed_sol_van k=8 m=3 stripe_unit=4096 crush-failure-domain=rack",
            "plugin=lrc k=4 m=2 l=3 stripe_unit=65536 crush-failure-domain=host crush-locality=rack",
        ] {
            assert_eq!(EcProfile::parse(text).map(|p| p.to_string()).as_deref(), Ok(text));
        }
        let short = EcProfile::parse("k=4,m=2,stripe_unit=64K").unwrap();
        assert_eq!((short.stripe_unit(), short.failure_domain()), (64 << 10, "host"));
        assert_eq!(short.stripes().width(), 256 << 10);
        assert_eq!(EcProfile::from_sum("4+2", "host"), EcProfile::parse("k=4 m=2"));
        let wide = EcProfile::from_sum("24+4", "osd").unwrap();
        assert_eq!(wide.code().technique(), Technique::IsaCauchy, "beyond the safe Vandermonde codes");
    }

    #[test]
    fn words_for_people() {
        let words = |text: &str| EcProfile::parse(text).unwrap().words();
        assert_eq!(
            words("k=4 m=2"),
            "usable capacity 67 %, any 2 hosts may fail; writes go on with any 1 host down (min_size 5)"
        );
        assert_eq!(
            words("k=2 m=1 crush-failure-domain=osd"),
            "usable capacity 67 %, any 1 osd may fail; while one is down writes wait (min_size 3)"
        );
        assert_eq!(
            words("k=8 m=4 crush-failure-domain=rack"),
            "usable capacity 67 %, any 4 racks may fail; writes go on with any 3 racks down (min_size 9)"
        );
        assert_eq!(
            words("plugin=lrc k=4 m=2 l=3 crush-locality=rack"),
            "usable capacity 50 %, any 2 hosts may fail; writes go on with any 1 host down (min_size 7); \
             one lost shard is rebuilt from 3 others of its own rack"
        );
        assert_eq!(EcProfile::parse("k=10 m=4").unwrap().usable_percent(), 71);
        assert_eq!(
            words("k=4 m=0 crush-failure-domain=osd"),
            "usable capacity 100 %, no osd may fail: the first lost one loses data for good"
        );
        assert_eq!(EcProfile::parse("k=4 m=0").unwrap().default_min_size(), 4);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let refused = |text: &str| EcProfile::parse(text).unwrap_err().text;
        for (text, word) in [
            ("k=1 m=2", "k goes from 2"),
            ("plugin=jerasure k=4 m=0", "m goes from 1"),
            ("k=4 m=17", "m goes from 1"),
            ("k=22 m=4", "cauchy"),
            ("k=4", "m is missing"),
            ("k=4 m=2 color=red", "color"),
            ("k=4 m=2 stripe_unit=0", "stripe unit 0"),
            ("k=4 m=2 stripe_unit=1000", "stripe unit 1000"),
            ("k=4 m=2 stripe_unit=2080", "multiple of 4 KiB"),
            ("k=4 m=2 stripe_unit=8M", "up to 4 MiB"),
            ("k=4 m=2 stripe_unit=x", "stripe_unit=x"),
            ("k=4 m=2 stripe_unit=4K stripe_unit=8K", "again"),
            ("k=4 m=2 crush-failure-domain=", "cannot be"),
            ("k=4 m=2 crush-locality=rack", "no local groups"),
            ("plugin=lrc k=4 m=2 l=3 crush-locality=host", "wider"),
            ("plugin=lrc k=4 m=2 l=6", "groups"),
        ] {
            assert!(refused(text).contains(word), "{text}: {}", refused(text));
        }
        for sum in ["4", "4+", "+2", "4+2+1", "a+b", "1+1", "0+0", "4+-1"] {
            assert!(EcProfile::from_sum(sum, "host").is_err(), "{sum}");
        }
    }

    #[test]
    fn shards_need_places() {
        let plain = EcProfile::parse("k=4 m=2").unwrap();
        assert_eq!(plain.check_places(6, &[]), Ok(()));
        let refused = plain.check_places(5, &[]).unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Impossible);
        assert!(refused.text.contains("need 6 of them, and there are 5"), "{refused}");
        let local = EcProfile::parse("plugin=lrc k=4 m=2 l=3 crush-locality=rack").unwrap();
        assert_eq!(local.size(), 8);
        assert_eq!(local.check_places(12, &[4, 3, 5]), Ok(()));
        let refused = local.check_places(12, &[4, 3, 3]).unwrap_err();
        assert!(refused.text.contains("1 of 3 have so many"), "{refused}");
    }
}
