//! Handshakes under way, by address: when there are as many as may be, who has to make room.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What everybody gets before he may have to make room: a peer that speaks needs milliseconds, and more only if all do.
const FAIR_TIME: Duration = Duration::from_millis(500);

/// One that is under way.
#[derive(Debug)]
struct Handshake {
    from: IpAddr,
    since: Instant,
    /// Set when the peer has proven itself: it only waits to be taken then, and stays.
    proven: Arc<AtomicBool>,
    task: AbortHandle,
}

/// All that are under way, oldest first.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<Handshake>);

impl UnderWay {
    /// Notes a new one.
    pub(crate) fn add(&mut self, from: IpAddr, proven: Arc<AtomicBool>, task: AbortHandle) {
        self.0.push(Handshake { from, since: Instant::now(), proven, task });
    }

    /// Forgets those that ended.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|one| !one.task.is_finished());
    }

    /// When the next one may be ended for the sake of others, if any may.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.next().map(|at| self.0[at].since + FAIR_TIME)
    }

    /// Ends it.
    pub(crate) fn make_room(&mut self) {
        if let Some(at) = self.next() {
            let ended = self.0.remove(at);
            tracing::debug!(addr = %ended.from, "too many connections wait to authenticate; this address has most of them");
            ended.task.abort();
        }
    }

    /// The oldest of the address that has most: whoever holds many connections open in silence keeps out himself only.
    fn next(&self) -> Option<usize> {
        let unproven = || self.0.iter().enumerate().filter(|(_, one)| !one.proven.load(Ordering::Relaxed));
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        unproven().for_each(|(_, one)| *held.entry(one.from).or_default() += 1);
        let most = held.values().copied().max()?;
        unproven().find(|(_, one)| held[&one.from] == most).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_of_the_address_with_most_makes_room() {
        let mut under_way = UnderWay::default();
        let mut tasks = Vec::new();
        for from in ["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.1"] {
            let proven = Arc::new(AtomicBool::new(false));
            let task = tokio::spawn(std::future::pending::<()>());
            under_way.add(from.parse().unwrap(), proven.clone(), task.abort_handle());
            tasks.push((proven, task));
        }
        // The oldest of the busiest is proven: the one behind it goes, then 10.0.0.1 has most.
        tasks[1].0.store(true, Ordering::Relaxed);
        tasks[0].0.store(true, Ordering::Relaxed);
        assert!(under_way.due().is_some());
        under_way.make_room();
        assert!((&mut tasks[2].1).await.unwrap_err().is_cancelled());
        under_way.make_room();
        assert!((&mut tasks[3].1).await.unwrap_err().is_cancelled());
        under_way.make_room();
        assert!((&mut tasks[4].1).await.unwrap_err().is_cancelled());
        assert_eq!(under_way.due(), None, "those that are proven stay");
        assert!(!tasks[0].1.is_finished() && !tasks[1].1.is_finished());
        tasks[0].1.abort();
        assert!((&mut tasks[0].1).await.is_err());
        under_way.tidy();
        assert_eq!(under_way.0.len(), 1);
    }
}
