//! What only the leading monitor does: founds the cluster, listens to reports, decides who is down, remembers usage.

use crate::clock::Clock;
use crate::detector::{FailureDetector, LOOK_MAX};
use crate::level;
use crate::router::Router;
use crate::store::Identity;
use crate::view::View;
use openraft::ServerState;
use placement_map::status::Volatile;
use placement_map::{Bootstrap, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use wire_codec::mon::Forwarded;

/// The least pause between two looks that nothing but time caused: a verdict that is held back (`nodown`, too many
/// out) must not turn into a busy loop.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest: the map's settings may have changed what is due when.
const PAUSE_MAX: Duration = LOOK_MAX;
/// The pause after a commit that failed; leadership is being sorted out.
const PAUSE_FAILED: Duration = Duration::from_millis(200);

/// Volatile knowledge of a leader; meaningless on a follower.
pub(crate) struct Duty {
    pub(crate) detector: FailureDetector,
    pub(crate) seen: Volatile,
}

/// The leader's desk: sessions drop reports there, the duty task and queries look at it.
pub(crate) struct Desk {
    clock: Clock,
    duty: Mutex<Duty>,
    /// A report came that may decide something.
    reported: Notify,
}

impl Desk {
    pub(crate) fn new(clock: Clock) -> Desk {
        let duty = Duty { detector: FailureDetector::new(), seen: Volatile::default() };
        Desk { clock, duty: Mutex::new(duty), reported: Notify::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Duty> {
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a beacon or a failure report.
    pub(crate) fn hear(&self, message: &Forwarded, view: &View) {
        let now = self.clock.now();
        match message {
            // Of an incarnation that is not the map's, only silence would count.
            Forwarded::Beacon(beacon)
                if view.with(|state| state.map().incarnation(beacon.osd)) == Some(beacon.up_from) =>
            {
                let mut duty = self.lock();
                duty.detector.beacon(now, beacon.osd, beacon.up_from);
                duty.seen.beacon(beacon);
            }
            Forwarded::FailureReport(report) => {
                self.lock().detector.report(now, report);
                self.reported.notify_one();
            }
            _ => {}
        }
    }

    fn reset(&self) {
        *self.lock() = Duty { detector: FailureDetector::new(), seen: Volatile::default() };
    }
}

/// Runs for the life of the process; does something only while this monitor leads.
pub(crate) async fn attend(router: Arc<Router>, identity: Identity) {
    let Router { raft, desk, view, proposer, .. } = &*router;
    let mut metrics = raft.server_metrics();
    let mut news = view.subscribe();
    let mut leads = false;
    loop {
        let now_leads = metrics.borrow_and_update().state == ServerState::Leader;
        if now_leads && !leads {
            tracing::info!("this monitor leads");
            desk.reset();
        }
        leads = now_leads;
        if !leads {
            if metrics.changed().await.is_err() {
                return;
            }
            continue;
        }
        news.mark_unchanged();
        if !view.is_open() {
            // It leads before it has applied what it has in its log: nothing is decided by a map of the past.
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                changed = metrics.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let (commands, pause) = view.with(|state| {
            if state.map().epoch.0 == 0 && !identity.founders.is_empty() {
                return (vec![founding(&identity, router.voters_can())], PAUSE_MIN);
            }
            let mut duty = desk.lock();
            duty.seen.forget_gone(state.map());
            let now = desk.clock.now();
            duty.detector.look(now);
            let mut commands = duty.detector.decide(now, state.map());
            commands.extend(level::raise(state.map(), &duty.seen, router.voters_can()));
            commands.extend(placement_map::placement_due(state));
            let next = duty.detector.next_timeout(state.map());
            (commands, next.map_or(PAUSE_MAX, |time| desk.clock.until(time)).clamp(PAUSE_MIN, PAUSE_MAX))
        });
        let mut pause = pause;
        for command in commands {
            tracing::info!(?command, "the leader decided");
            match proposer.propose(command).await {
                Ok(Ok(_)) => {}
                Ok(Err(refusal)) => {
                    tracing::warn!(%refusal, "a decision of the leader was refused");
                    pause = PAUSE_MAX;
                }
                Err(_) => pause = PAUSE_FAILED,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = desk.reported.notified() => {}
            changed = news.changed() => if changed.is_err() { return },
            changed = metrics.changed() => if changed.is_err() { return },
        }
    }
}

fn founding(identity: &Identity, feature_level: u32) -> Command {
    Command::Bootstrap(Bootstrap {
        fsid: identity.fsid,
        monitors: identity.founders.clone(),
        config: identity.config.clone(),
        feature_level,
    })
}
