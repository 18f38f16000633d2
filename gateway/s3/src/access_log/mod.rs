//! The access log: one line for each request, whatever became of it, in the words of RGW's operations log
//! (`docs/formats/access-log.md`).
//!
//! No request waits for the log: lines are gathered in memory, a thread of its own writes them, and what finds no room
//! while the disk is slow or full is counted and told of.

mod counted;
mod entry;
mod operation;
mod record;
mod sink;

pub(crate) use counted::{Arriving, Leaving};
pub(crate) use entry::{Change, Entry, Noted};
pub(crate) use record::without_secrets;

use sink::Sink;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Lines that wait to be written, bytes. Twice this is held while a batch is being written.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: nothing is gathered.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// This file, at its end. A file that was moved away is made anew within a second.
    File(PathBuf),
}

impl Destination {
    /// What the setting `rgw_ops_log_file_path` says: empty for none, `-` for standard output, or an absolute path, in
    /// which `$name` stands for the daemon's name. The error is one sentence.
    pub fn parse(text: &str, daemon: &str) -> Result<Destination, String> {
        match text {
            "" => Ok(Destination::Off),
            "-" => Ok(Destination::Stdout),
            _ if text.starts_with('/') => Ok(Destination::File(text.replace("$name", daemon).into())),
            _ => Err(format!("the path of the access log, {text:?}, is neither - nor absolute")),
        }
    }
}

/// The log of one gateway. It may be turned on and off, and sent elsewhere, while requests are served.
#[derive(Default)]
pub struct AccessLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// Looked at by each request.
    on: AtomicBool,
    state: Mutex<State>,
    /// There is something to write, or another place to write to.
    wanted: Condvar,
    /// Everything is written.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    destination: Destination,
    /// Counts changes of `destination`.
    change: u64,
    lines: Vec<u8>,
    /// Lines that found no room since the last batch.
    lost: u64,
    writing: bool,
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog {
    /// Sends what comes from now on elsewhere. An error: the thread that writes could not be started.
    pub fn send_to(&self, destination: Destination) -> io::Result<()> {
        let on = destination != Destination::Off;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if on && writer.is_none() {
            let shared = self.shared.clone();
            *writer =
                Some(std::thread::Builder::new().name("access-log".into()).spawn(move || run(&shared))?);
        }
        let mut state = self.shared.state();
        if state.destination != destination {
            state.destination = destination;
            state.change += 1;
        }
        self.shared.on.store(on, Ordering::Relaxed);
        self.shared.wanted.notify_all();
        Ok(())
    }

    /// Waits until what was written so far has reached its file.
    pub fn settle(&self) {
        let idle = |state: &mut State| (!state.lines.is_empty() || state.writing) && !state.ended;
        drop(self.shared.idle.wait_while(self.shared.state(), idle));
    }

    fn is_on(&self) -> bool {
        self.shared.on.load(Ordering::Relaxed)
    }

    /// Takes a line, with its end of line.
    fn write(&self, line: &[u8]) {
        let mut state = self.shared.state();
        if state.destination == Destination::Off {
            return;
        }
        if state.lines.len() + line.len() > WAITING_BYTES_MAX {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        self.shared.wanted.notify_one();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.wanted.notify_all();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the access log ended with a fault");
        }
    }
}

/// Writes what comes, until the log ends and nothing is left.
fn run(shared: &Shared) {
    let (mut sink, mut seen) = (Sink::default(), 0);
    loop {
        let state = shared.state();
        let nothing = |state: &mut State| state.lines.is_empty() && state.change == seen && !state.ended;
        let mut state = shared.wanted.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        let (lines, lost) = (std::mem::take(&mut state.lines), std::mem::take(&mut state.lost));
        let moved = (state.change != seen).then(|| state.destination.clone());
        (seen, state.writing) = (state.change, true);
        let ends = state.ended;
        drop(state);
        if lost > 0 {
            tracing::warn!(lost, "lines of the access log were lost: it is written too slowly");
        }
        if let Some(destination) = moved {
            // What came before the change may still go to the new place, never to none.
            sink.move_to(destination);
        }
        sink.write(&lines);
        let mut state = shared.state();
        state.writing = false;
        if state.lines.is_empty() {
            shared.idle.notify_all();
            if ends {
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
