//! Where lines end up: standard output, or a file that may be moved away at any time.

use super::Destination;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is still where it was: a file that was moved away fills up to so long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Lines name users and keys of objects: nobody but the owner and its group reads them.
const FILE_MODE: u32 = 0o640;

/// Writes batches of lines. Each kind of trouble is told once, until it is over.
#[derive(Default)]
pub(super) struct Sink {
    to: To,
    troubled: bool,
}

#[derive(Default)]
enum To {
    #[default]
    Nowhere,
    Stdout,
    File {
        path: PathBuf,
        /// None: it could not be opened, so far.
        open: Option<File>,
        looked: Instant,
    },
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

impl Sink {
    /// Writes elsewhere from now on.
    pub(super) fn move_to(&mut self, destination: Destination) {
        self.troubled = false;
        self.to = match destination {
            Destination::Off => To::Nowhere,
            Destination::Stdout => To::Stdout,
            Destination::File(path) => To::File { path, open: None, looked: Instant::now() },
        };
        // So that the file is there as soon as the log is on, and trouble shows at once.
        self.write(b"");
    }

    /// Writes a batch; one that cannot be written is lost.
    pub(super) fn write(&mut self, lines: &[u8]) {
        match self.try_write(lines) {
            Ok(()) => self.troubled = false,
            Err(e) if !self.troubled => {
                self.troubled = true;
                let what = match &self.to {
                    To::File { path, .. } => path.display().to_string(),
                    _ => "standard output".into(),
                };
                tracing::error!(
                    "the access log cannot be written to {what}, its lines are lost until it can: {e}"
                );
            }
            Err(_) => {}
        }
    }

    fn try_write(&mut self, lines: &[u8]) -> io::Result<()> {
        match &mut self.to {
            To::Nowhere => Ok(()),
            To::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            To::File { path, open: file, looked } => {
                if file.is_some() && looked.elapsed() >= LOOK_EVERY {
                    *looked = Instant::now();
                    look(path, file);
                }
                let file = match file {
                    Some(file) => file,
                    None => file.insert(open(path)?),
                };
                file.write_all(lines)
            }
        }
    }
}

/// Opens the file anew if another, or none, is at its place. If that fails the old one goes on being filled.
fn look(path: &Path, file: &mut Option<File>) {
    let here = file.as_ref().and_then(|file| file.metadata().ok());
    let there = std::fs::metadata(path).ok();
    if here.zip(there).is_some_and(|(here, there)| same(&here, &there)) {
        return;
    }
    match open(path) {
        Ok(new) => *file = Some(new),
        Err(e) => tracing::warn!("{} was moved away and cannot be made anew: {e}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let mut file = Some(open(&path).unwrap());
        file.as_mut().unwrap().write_all(b"a").unwrap();
        look(&path, &mut file);
        file.as_mut().unwrap().write_all(b"b").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.as_mut().unwrap().write_all(b"c").unwrap();
        look(&path, &mut file);
        file.as_mut().unwrap().write_all(b"d").unwrap();
        assert_eq!(std::fs::read(&moved).unwrap(), b"abc");
        assert_eq!(std::fs::read(&path).unwrap(), b"d");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, FILE_MODE);
    }

    #[test]
    fn what_cannot_be_opened_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later/log");
        let mut sink = Sink::default();
        sink.move_to(Destination::File(path.clone()));
        sink.write(b"lost\n");
        assert!(sink.troubled);
        std::fs::create_dir(dir.path().join("later")).unwrap();
        sink.write(b"kept\n");
        assert!(!sink.troubled);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept\n");
    }
}
