//! A number that several clients count up, each step under a guard: no step is lost, none is made twice.

use super::{FULL_PAUSE, PAUSE, User};
use bytes::Bytes;
use osd_object::Op;
use osd_object::op::Compare;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use stdx::Errno;

const OBJECT: &str = "counter";
const VALUE: &str = "value";

/// What is known of it.
#[derive(Default)]
pub(super) struct Counter {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// It is at least this.
    floor: u64,
    /// The highest number that a step was asked to.
    ceiling: u64,
    /// The steps that were answered with success.
    made: BTreeSet<u64>,
}

impl Counter {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads it and judges what it is.
    async fn read(&self, user: &User) -> Option<u64> {
        let (floor, begun) = (self.known().floor, Instant::now());
        let value = match user.operate(OBJECT, vec![Op::GetXattr { name: VALUE.into() }]).await {
            Ok(reply) => {
                let text = reply.data(0).unwrap_or_default();
                std::str::from_utf8(&text).ok().and_then(|t| t.parse().ok()).unwrap_or(u64::MAX)
            }
            Err(e) if [Errno::ENOENT, Errno::ENODATA].contains(&e.code) => 0,
            Err(e) => {
                user.unexpected("reading the counter", &e);
                return None;
            }
        };
        let mut known = self.known();
        if value < floor || value > known.ceiling {
            let ceiling = known.ceiling;
            drop(known);
            user.run.broken(format!("the counter is read as {value}; possible are {floor} to {ceiling}"));
            return None;
        }
        known.floor = known.floor.max(value);
        drop(known);
        user.acknowledged("read", begun);
        Some(value)
    }

    /// At the end no step is open: it is what was counted.
    pub(super) async fn settle(&self, user: &User) {
        let value = self.read(user).await;
        let made = self.known().made.len() as u64;
        if value != Some(made) {
            user.run.broken(format!("the counter is {value:?} at the end; {made} steps were acknowledged"));
        }
    }
}

/// Counts until the run stops.
pub(super) async fn count(user: User, counter: Arc<Counter>) {
    while !user.run.stopping() {
        let Some(value) = counter.read(&user).await else { return };
        let text = |n: u64| if n == 0 { Bytes::new() } else { Bytes::from(n.to_string()) };
        {
            let mut known = counter.known();
            known.ceiling = known.ceiling.max(value + 1);
        }
        let begun = Instant::now();
        let step = vec![
            Op::Create { exclusive: false },
            Op::CmpXattr { name: VALUE.into(), compare: Compare::Eq, value: text(value) },
            Op::SetXattr { name: VALUE.into(), value: text(value + 1) },
        ];
        match user.operate(OBJECT, step).await {
            Ok(_) => {
                let mut known = counter.known();
                known.floor = known.floor.max(value + 1);
                if !known.made.insert(value + 1) {
                    drop(known);
                    user.run.broken(format!("two clients were told that they counted to {}", value + 1));
                    return;
                }
                drop(known);
                user.acknowledged("count", begun);
            }
            // Another client was first.
            Err(e) if e.code == Errno::ECANCELED => {}
            Err(e) if e.code == Errno::ENOSPC => user.pause(FULL_PAUSE).await,
            Err(e) => return user.unexpected("counting", &e),
        }
        user.pause(PAUSE * 3).await;
    }
}
