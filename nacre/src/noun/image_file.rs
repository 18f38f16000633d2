//! Files that images come from and go to, and the standard streams in their place.
//!
//! A file is written under another name and gets its own when it is whole, so that what was cut short is never taken
//! for an image.

use crate::exit::{Context as _, Failure};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// Bytes read or collected at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// Buffers that are read ahead.
const AHEAD: usize = 4;

/// Something to write to. Writing blocks: a command that exports holds nothing that others wait for.
pub(super) struct Sink {
    stream: Box<dyn Write + Send>,
    /// The name that the file has meanwhile, and its own; none: standard output.
    file: Option<(PathBuf, PathBuf)>,
}

/// The name of an unfinished file.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Refuses to write over a file that is there.
pub(super) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(Failure::no(format!(
            "{} exists already; remove it or choose another name",
            path.display()
        )));
    }
    Ok(())
}

impl Sink {
    /// A new file, or standard output for `-`.
    pub(super) fn create(name: &str) -> Result<Sink, Failure> {
        if name == "-" {
            return Ok(Sink { stream: Box::new(io::stdout()), file: None });
        }
        let path = PathBuf::from(name);
        refuse_existing(&path)?;
        let part = unfinished(&path);
        let file = File::create(&part).or_unusable(part.display())?;
        let stream = Box::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Sink { stream, file: Some((part, path)) })
    }

    /// Everything is written: the file is durable and gets its name. False: it went to standard output.
    pub(super) fn finish(mut self) -> Result<bool, Failure> {
        self.stream.flush().or_unusable("writing")?;
        drop(self.stream);
        let Some((part, path)) = self.file else { return Ok(false) };
        take_name(&part, &path).or_unusable(path.display())?;
        Ok(true)
    }

    /// What was written is of no use.
    pub(super) fn give_up(self) {
        drop(self.stream);
        if let Some((part, _)) = self.file {
            // It is named so that nobody takes it for more than it is.
            let _ = std::fs::remove_file(part);
        }
    }
}

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.stream.write(data))
    }
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.flush())
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Makes an unfinished file durable and gives it its name.
pub(super) fn take_name(part: &Path, path: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    std::fs::rename(part, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Something to read from, by a thread of its own: whoever imports holds an image's lock and must not stand still
/// while a pipe is silent.
pub(super) struct Source {
    buffers: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    /// Bytes of it, if it is a file.
    pub(super) len: Option<u64>,
}

impl Source {
    /// A file, or standard input for `-`.
    pub(super) fn open(name: &str) -> io::Result<Source> {
        let (from, len): (Box<dyn Read + Send>, Option<u64>) = if name == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(name)?;
            let meta = file.metadata()?;
            // Of a pipe or a device the length is not known.
            (Box::new(file), meta.is_file().then_some(meta.len()))
        };
        let (sender, buffers) = mpsc::channel(AHEAD);
        std::thread::Builder::new().name("reader".into()).spawn(move || read_all(from, &sender))?;
        Ok(Source { buffers, current: Bytes::new(), len })
    }
}

fn read_all(mut from: Box<dyn Read + Send>, to: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let next = match (&mut from).take(BUFFER_BYTES as u64).read_to_end(&mut buffer) {
            Ok(0) => return,
            Ok(_) => Ok(Bytes::from(buffer)),
            Err(e) => Err(e),
        };
        let failed = next.is_err();
        // Nobody listens any more, or nothing can follow.
        if to.blocking_send(next).is_err() || failed {
            return;
        }
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.buffers.poll_recv(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(next) => self.current = next?,
            }
        }
        let len = self.current.len().min(into.remaining());
        into.put_slice(&self.current.split_to(len));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_whole() {
        let dir = std::env::temp_dir().join(format!("nacre-sink-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("out");
        let name = path.display().to_string();
        let mut sink = Sink::create(&name).unwrap();
        sink.write_all(&[7; 3 << 20]).await.unwrap();
        assert!(!path.exists());
        sink.give_up();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        let mut sink = Sink::create(&name).unwrap();
        sink.write_all(&[7; 3 << 20]).await.unwrap();
        assert!(sink.finish().unwrap());
        let refused = Sink::create(&name).err().unwrap();
        assert!(refused.sentence.contains("exists already"), "{refused}");
        let mut source = Source::open(&name).unwrap();
        assert_eq!(source.len, Some(3 << 20));
        let mut back = Vec::new();
        source.read_to_end(&mut back).await.unwrap();
        assert!(back == [7; 3 << 20]);
        assert!(Source::open(&dir.join("none").display().to_string()).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
