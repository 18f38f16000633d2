//! The daemons that `up` started: watched, restarted if asked, stopped in order.

use crate::cluster::layout::Layout;
use crate::cluster::process;
use crate::exit::{Context, Failure};
use std::future::Future;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How long a daemon may take to stop before it is killed. Nothing acknowledged is lost by that.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long `--respawn` waits before it starts a daemon again, so that one that cannot run does not spin.
const RESPAWN_PAUSE: Duration = Duration::from_secs(1);

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to listen; from here on neither ends the program by itself.
    pub(super) fn listen() -> Result<Signals, Failure> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).or_unusable("SIGINT")?,
            terminate: signal(SignalKind::terminate()).or_unusable("SIGTERM")?,
        })
    }
    /// Returns when either has come.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

struct Death {
    daemon: String,
    status: std::io::Result<ExitStatus>,
}

/// The daemons.
pub(super) struct Crew {
    layout: Layout,
    respawn: bool,
    deaths: mpsc::UnboundedReceiver<Death>,
    died: mpsc::UnboundedSender<Death>,
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new(layout: Layout, respawn: bool) -> Crew {
        // At most one message per daemon that ran: bounded by the number of starts.
        let (died, deaths) = mpsc::unbounded_channel();
        Crew { layout, respawn, deaths, died }
    }

    /// Starts a daemon and watches it.
    pub(super) fn start(&mut self, daemon: &str) -> Result<(), Failure> {
        let _ = std::fs::remove_file(self.layout.stopped(daemon));
        let mut child = process::start(&self.layout, daemon)?;
        let (died, daemon) = (self.died.clone(), daemon.to_string());
        // A thread of its own: the runtime waits at its end for blocking tasks, and this one may outlive it.
        let watch = move || {
            let status = child.wait();
            // The receiver is gone only when the program ends.
            let _ = died.send(Death { daemon, status });
        };
        std::thread::Builder::new().name("child".into()).spawn(watch).or_unusable("no thread")?;
        Ok(())
    }

    /// Waits for `work` unless a daemon dies first: a cluster that is coming up needs all of them.
    pub(super) async fn or_death<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            done = work => Ok(done),
            death = self.deaths.recv() => {
                let name = death.map(|d| d.daemon).unwrap_or_default();
                Err(Failure::unusable(format!("{name} could not run: {}", self.last_words(&name))))
            }
        }
    }

    /// Watches until a signal asks to stop. A daemon that dies stays down unless `--respawn`.
    pub(super) async fn watch(&mut self, signals: &mut Signals) {
        loop {
            let death = tokio::select! {
                () = signals.stop() => return,
                death = self.deaths.recv() => death,
            };
            let Some(Death { daemon, status }) = death else { return };
            let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
            if process::find(&self.layout, &daemon).is_some() {
                // `nacre daemon start` has already put another process in its place.
                continue;
            }
            if !self.respawn || self.layout.stopped(&daemon).exists() {
                println!(
                    "{daemon} ended ({how}) and stays down; `nacre daemon start {daemon}` starts it again"
                );
                continue;
            }
            println!("{daemon} ended ({how}); starting it again");
            tokio::select! {
                () = signals.stop() => return,
                () = tokio::time::sleep(RESPAWN_PAUSE) => {}
            }
            if let Err(failure) = self.start(&daemon) {
                println!("{failure}");
            }
        }
    }

    /// Stops every daemon of the cluster, also those that `nacre daemon start` started: the gateway first,
    /// then the OSDs side by side, then the monitors, so that nobody misses whom they need to stop cleanly.
    pub(super) async fn stop_all(&mut self, daemons: &[String]) {
        for kind in ["gateway.", "osd.", "mon."] {
            let stops: Vec<_> = daemons
                .iter()
                .filter(|d| d.starts_with(kind))
                .filter_map(|d| process::find(&self.layout, d))
                .map(|running| tokio::task::spawn_blocking(move || running.stop(STOP_PATIENCE)))
                .collect();
            for stop in stops {
                // A panic in the blocking task has been reported by the panic hook already.
                let _ = stop.await;
            }
        }
    }

    /// The last line that a daemon logged: why it ended, most of the time.
    fn last_words(&self, daemon: &str) -> String {
        let path = self.layout.log(daemon);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let last = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
        format!("{last} (its log: {})", path.display())
    }
}
