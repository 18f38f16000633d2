//! Tokens per minute, as RGW gives them out: so many requests, and so many bytes, of which the last request may take more
//! than are left and pay for it later. Pure; the time is an argument.

use crate::storage::RateLimit;
use std::collections::HashMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Tokens are counted in parts that one millisecond adds one of for each token per minute: nothing is ever rounded.
const PARTS: i128 = 60_000;
/// More than so many are not kept: who was quiet for a minute has all tokens anyway.
const KEPT_MAX: usize = 10_000;
/// The most that can be owed, in minutes' worth.
const DEBT_MAX: i128 = 2;

/// Whose tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    User(String),
    Bucket(String),
    Anonymous,
}

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// Tokens that are left, in parts.
#[derive(Clone, Copy, Debug)]
struct Tokens {
    at: Duration,
    read_ops: i128,
    write_ops: i128,
    read_bytes: i128,
    write_bytes: i128,
}

fn parts(tokens: u64) -> i128 {
    i128::from(tokens) * PARTS
}

impl Tokens {
    fn full(limit: &RateLimit, at: Duration) -> Tokens {
        Tokens {
            at,
            read_ops: parts(limit.max_read_ops),
            write_ops: parts(limit.max_write_ops),
            read_bytes: parts(limit.max_read_bytes),
            write_bytes: parts(limit.max_write_bytes),
        }
    }

    fn fill(&mut self, limit: &RateLimit, now: Duration) {
        let ms = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        // What is less than a millisecond counts the next time.
        self.at = self.at.saturating_add(Duration::from_millis(ms));
        // More than what pays every debt and fills up counts no more.
        let ms = i128::from(ms).min(PARTS * (1 + DEBT_MAX));
        for (tokens, most) in [
            (&mut self.read_ops, limit.max_read_ops),
            (&mut self.write_ops, limit.max_write_ops),
            (&mut self.read_bytes, limit.max_read_bytes),
            (&mut self.write_bytes, limit.max_write_bytes),
        ] {
            *tokens = (*tokens + i128::from(most) * ms).min(parts(most));
        }
    }
}

/// Everybody's tokens.
#[derive(Default)]
pub(super) struct Limiter {
    tokens: HashMap<Who, Tokens>,
}

impl Limiter {
    fn of(&mut self, who: &Who, limit: &RateLimit, now: Duration) -> &mut Tokens {
        if !self.tokens.contains_key(who) {
            if self.tokens.len() >= KEPT_MAX {
                self.tokens.retain(|_, tokens| now.saturating_sub(tokens.at) < MINUTE);
            }
            if self.tokens.len() >= KEPT_MAX {
                // More at once than anybody has users: all begin anew.
                self.tokens.clear();
            }
        }
        let tokens = self.tokens.entry(who.clone()).or_insert_with(|| Tokens::full(limit, now));
        tokens.fill(limit, now);
        tokens
    }

    /// Takes a request's token; false: there is none, or bytes are owed.
    pub(super) fn admit(&mut self, who: &Who, limit: &RateLimit, kind: Kind, now: Duration) -> bool {
        let tokens = self.of(who, limit, now);
        let (ops, max_ops, bytes, max_bytes) = match kind {
            Kind::Read => (&mut tokens.read_ops, limit.max_read_ops, tokens.read_bytes, limit.max_read_bytes),
            Kind::Write => {
                (&mut tokens.write_ops, limit.max_write_ops, tokens.write_bytes, limit.max_write_bytes)
            }
        };
        if (max_ops > 0 && *ops < PARTS) || (max_bytes > 0 && bytes <= 0) {
            return false;
        }
        if max_ops > 0 {
            *ops -= PARTS;
        }
        true
    }

    /// Gives a token back that came to nothing.
    pub(super) fn give_back(&mut self, who: &Who, kind: Kind) {
        if let Some(tokens) = self.tokens.get_mut(who) {
            match kind {
                Kind::Read => tokens.read_ops += PARTS,
                Kind::Write => tokens.write_ops += PARTS,
            }
        }
    }

    /// Takes the tokens of bytes that went over the wire.
    pub(super) fn charge(&mut self, who: &Who, limit: &RateLimit, sent: u64, received: u64, now: Duration) {
        let tokens = self.of(who, limit, now);
        for (left, most, bytes) in [
            (&mut tokens.read_bytes, limit.max_read_bytes, sent),
            (&mut tokens.write_bytes, limit.max_write_bytes, received),
        ] {
            *left = (*left - parts(bytes)).max(-DEBT_MAX * parts(most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn requests_run_out_and_come_back() {
        let limit = RateLimit { enabled: true, max_read_ops: 6, max_write_ops: 1, ..RateLimit::default() };
        let (mut l, ann) = (Limiter::default(), Who::User("ann".into()));
        let mut reads = |at| (0..20).filter(|_| l.admit(&ann, &limit, Kind::Read, S(at))).count();
        assert_eq!((reads(0), reads(0), reads(9), reads(10), reads(30), reads(600)), (6, 0, 0, 1, 2, 6));
        assert!(l.admit(&ann, &limit, Kind::Write, S(600)), "writes have their own");
        assert!(!l.admit(&ann, &limit, Kind::Write, S(600)));
        l.give_back(&ann, Kind::Write);
        assert!(l.admit(&ann, &limit, Kind::Write, S(600)));
        assert!(l.admit(&Who::User("bob".into()), &limit, Kind::Write, S(600)), "others have theirs");
    }

    #[test]
    fn bytes_are_paid_for_afterwards() {
        let limit = RateLimit { enabled: true, max_read_bytes: 600, ..RateLimit::default() };
        let (mut l, b) = (Limiter::default(), Who::Bucket("b".into()));
        assert!(l.admit(&b, &limit, Kind::Read, S(0)));
        l.charge(&b, &limit, 1000, 5_000_000, S(0));
        assert!(!l.admit(&b, &limit, Kind::Read, S(39)), "400 are owed, 10 come each second");
        assert!(l.admit(&b, &limit, Kind::Read, S(41)));
        assert!(l.admit(&b, &limit, Kind::Write, S(41)), "nothing limits these");
        l.charge(&b, &limit, u64::MAX, 0, S(41));
        assert!(!l.admit(&b, &limit, Kind::Read, S(160)), "nobody owes more than two minutes");
        assert!(l.admit(&b, &limit, Kind::Read, S(162)));
    }

    #[test]
    fn the_table_is_bounded() {
        let limit = RateLimit { enabled: true, max_read_ops: 1, ..RateLimit::default() };
        let mut l = Limiter::default();
        for n in 0..3 * KEPT_MAX {
            l.admit(&Who::User(n.to_string()), &limit, Kind::Read, S(1));
        }
        assert!(l.tokens.len() <= KEPT_MAX);
    }
}
