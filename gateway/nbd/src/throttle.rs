//! Holding an image to its limits: two leaky buckets, which all its clients share.

use gateway_block::Limits;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What may come at once where nothing else was said, as time at the full rate.
const BURST: Duration = Duration::from_millis(100);

/// One bucket. Pure: time is given, as seconds since some moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What leaks a second.
    rate: f64,
    /// What fits.
    room: f64,
    /// When it will be empty.
    empty_at: f64,
}

impl Bucket {
    fn new(limit: Option<u64>, burst: Option<u64>) -> Option<Bucket> {
        let rate = limit.filter(|n| *n > 0)? as f64;
        let room = burst.map_or(rate * BURST.as_secs_f64(), |n| n as f64).max(1.0);
        Some(Bucket { rate, room, empty_at: 0.0 })
    }
    /// Pours `amount` in; how long whoever did so has to wait, seconds. In the order of asking; what is larger than
    /// the bucket waits for its excess.
    fn pour(&mut self, now: f64, amount: f64) -> f64 {
        self.empty_at = self.empty_at.max(now) + amount / self.rate;
        (self.empty_at - now - self.room / self.rate).max(0.0)
    }
}

struct State {
    limits: Limits,
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// The limits of one image on this server.
pub(crate) struct Throttle {
    begun: Instant,
    state: Mutex<State>,
}

impl Throttle {
    pub(crate) fn new(limits: Limits) -> Throttle {
        let state = State { limits: Limits::default(), requests: None, bytes: None };
        let throttle = Throttle { begun: Instant::now(), state: Mutex::new(state) };
        throttle.set(limits);
        throttle
    }

    /// Other limits hold from here on. Who waits already waits as long as it was told.
    pub(crate) fn set(&self, limits: Limits) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.limits != limits {
            let requests = Bucket::new(limits.iops, limits.iops_burst);
            *state = State { limits, requests, bytes: Bucket::new(limits.bps, limits.bps_burst) };
        }
    }

    /// Waits for the turn of a request.
    pub(crate) async fn admit(&self, bytes: u64) {
        let wait = self.wait(self.begun.elapsed().as_secs_f64(), bytes);
        if wait > 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
    }

    /// How long a request that comes now has to wait, seconds.
    fn wait(&self, now: f64, bytes: u64) -> f64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = state.requests.as_mut().map_or(0.0, |bucket| bucket.pour(now, 1.0));
        let second = state.bytes.as_mut().map_or(0.0, |bucket| bucket.pour(now, bytes as f64));
        first.max(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_its_burst_through_and_its_rate_after_it() {
        let mut bucket = Bucket::new(Some(100), Some(20)).unwrap();
        let waits: Vec<f64> = (0..40).map(|_| bucket.pour(0.0, 1.0)).collect();
        assert!(waits[..20].iter().all(|w| *w < 1e-9), "the burst");
        assert!((waits[39] - 0.2).abs() < 1e-9, "then one each 10 ms: {}", waits[39]);
        assert!(bucket.pour(10.0, 1.0) < 1e-9, "after a pause it is empty again");
        assert!(
            (bucket.pour(10.0, 1000.0) - 9.81).abs() < 1e-6,
            "what is larger than it waits for the excess"
        );
        assert!(Bucket::new(None, Some(5)).is_none() && Bucket::new(Some(0), None).is_none());
    }

    #[test]
    fn requests_and_bytes_are_both_held_and_limits_may_change() {
        let throttle = Throttle::new(Limits { iops: Some(1000), bps: Some(1 << 20), ..Limits::default() });
        let waits: Vec<f64> = (0..40).map(|_| throttle.wait(0.0, 64 << 10)).collect();
        // 2.5 MiB at 1 MiB/s, a tenth of a second's worth of which comes at once.
        assert!((waits[39] - 2.4).abs() < 1e-6, "{}", waits[39]);
        let small: Vec<f64> = (0..300).map(|_| throttle.wait(10.0, 0)).collect();
        assert!(
            (small[299] - 0.2).abs() < 1e-6,
            "300 requests at 1000 a second, 100 at once: {}",
            small[299]
        );
        throttle.set(Limits::default());
        assert_eq!(throttle.wait(0.0, 1 << 40), 0.0);
    }
}
