//! What the program prints. A reader that has gone (`nacre status | head -1`) ends no work under way: the standard macros
//! would panic, which in `nacre up` left its daemons behind and itself waiting for them.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);
/// Why standard output lost something that somebody would have read, as on a full disk: the first reason.
static LOST: Mutex<Option<String>> = Mutex::new(None);

/// Standard output, whether somebody reads it or not. Hides the standard macro in this package.
macro_rules! print {
    ($($word:tt)*) => { $crate::output::out(format_args!($($word)*)) };
}

/// The same with the end of a line.
macro_rules! println {
    () => { $crate::output::out(format_args!("\n")) };
    ($($word:tt)*) => { $crate::output::out(format_args!("{}\n", format_args!($($word)*))) };
}

/// Standard error, whether somebody reads it or not.
macro_rules! eprintln {
    ($($word:tt)*) => { $crate::output::err(format_args!("{}\n", format_args!($($word)*))) };
}

/// The same within a line.
macro_rules! eprint {
    ($($word:tt)*) => { $crate::output::err(format_args!($($word)*)) };
}

/// Whether anything was written to standard output.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether anything was written to standard output: an answer for programs that a failure must not add to.
pub(crate) fn said() -> bool {
    SAID.load(Ordering::Relaxed)
}

/// Writes to standard output.
pub(crate) fn out(text: Arguments<'_>) {
    SAID.store(true, Ordering::Relaxed);
    let mut to = io::stdout().lock();
    note(to.write_fmt(text).and_then(|()| to.flush()), &CLOSED, &LOST);
}

/// Writes to standard error. That it cannot be written can be told to nobody.
pub(crate) fn err(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Whether nobody reads standard output any more: what prints without end may end then.
pub(crate) fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// What standard output lost, if it did.
pub(crate) fn lost() -> Option<String> {
    LOST.lock().ok()?.clone()
}

fn note(written: io::Result<()>, closed: &AtomicBool, lost: &Mutex<Option<String>>) {
    match written {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::BrokenPipe => closed.store(true, Ordering::Relaxed),
        Err(e) => {
            if let Ok(mut lost) = lost.lock() {
                lost.get_or_insert_with(|| e.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is() {
        let (closed, lost) = (AtomicBool::new(false), Mutex::new(None));
        note(Ok(()), &closed, &lost);
        assert!(!closed.load(Ordering::Relaxed));
        note(Err(ErrorKind::BrokenPipe.into()), &closed, &lost);
        assert!(closed.load(Ordering::Relaxed) && lost.lock().unwrap().is_none());
        note(Err(ErrorKind::StorageFull.into()), &closed, &lost);
        assert!(lost.lock().unwrap().is_some(), "what is lost is told at the end");
    }
}
