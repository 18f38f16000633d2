//! Daemons as processes: starting, finding, stopping.

use super::layout::Layout;
use crate::exit::{Context, Failure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that runs now; the descriptor keeps meaning it even after its pid was reused.
pub(crate) struct Running {
    /// Its pid.
    pub pid: i32,
    fd: OwnedFd,
}

/// Starts a daemon of this cluster in a session of its own, so that it outlives the terminal and gets no
/// signal meant for its starter. Its output is appended to its log.
pub(crate) fn start(layout: &Layout, daemon: &str) -> Result<Child, Failure> {
    let exe = std::env::current_exe().or_unusable("this program's own path is unknown")?;
    let path = layout.log(daemon);
    let log = OpenOptions::new().create(true).append(true).open(&path).or_unusable(path.display())?;
    let err = log.try_clone().or_unusable(path.display())?;
    let kind = daemon.split('.').next().unwrap_or_default();
    let mut command = Command::new(exe);
    command
        .args([kind, "run", "--config"])
        .arg(layout.conf(daemon))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(err)
        .process_group(0);
    let child = command.spawn().or_unusable(format!("{daemon} cannot be started"))?;
    let pid = layout.pid(daemon);
    std::fs::write(&pid, child.id().to_string()).or_unusable(pid.display())?;
    Ok(child)
}

/// The running process of a daemon, if there is one. A pid file alone proves nothing: the process must be
/// one that was started with this daemon's settings file. And its absence proves nothing either: who deleted it did not
/// end the daemon, and a second one would fail at the store's lock.
pub(crate) fn find(layout: &Layout, daemon: &str) -> Option<Running> {
    let noted = std::fs::read_to_string(layout.pid(daemon)).ok().and_then(|pid| pid.trim().parse().ok());
    noted.and_then(|pid| runs(layout, daemon, pid)).or_else(|| {
        let processes = std::fs::read_dir("/proc").ok()?;
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| Some(*pid) != noted).find_map(|pid| runs(layout, daemon, pid))
    })
}

/// The process of this pid, if it is that daemon.
fn runs(layout: &Layout, daemon: &str, pid: i32) -> Option<Running> {
    let fd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let conf = layout.conf(daemon);
    let is_conf = |arg: &[u8]| {
        let arg = std::path::Path::new(std::str::from_utf8(arg).unwrap_or_default());
        arg == conf || (arg.is_absolute() && std::fs::canonicalize(&conf).is_ok_and(|c| c == arg))
    };
    let words: Vec<&[u8]> = cmdline.split(|b| *b == 0).collect();
    let ours = words.windows(2).any(|pair| pair[0] == b"--config" && is_conf(pair[1]));
    (ours && !ended(&fd)).then_some(Running { pid, fd })
}

fn ended(fd: &OwnedFd) -> bool {
    let mut fds = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
    let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut fds, Some(&zero)), Ok(n) if n > 0)
}

impl Running {
    /// Sends a signal; a process that has just ended is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        // ESRCH: it ended on its own, which is what a signal here asks for anyway.
        let _ = pidfd_send_signal(&self.fd, signal);
    }

    /// Waits until the process has ended. False: it still runs after `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let end = std::time::Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            let timeout = rustix::event::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut fds = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&timeout)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(_) if left.is_zero() => return false,
                Err(_) => {}
            }
        }
    }

    /// Asks the process to stop and waits; kills it when it does not.
    pub(crate) fn stop(&self, patience: Duration) {
        self.signal(Signal::TERM);
        if !self.wait(patience) {
            self.signal(Signal::KILL);
            self.wait(Duration::from_secs(10));
        }
    }
}
