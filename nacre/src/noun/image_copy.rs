//! `nacre image export` and `import`: whole images to and from files, pipes, other formats and other NBD servers.

use super::image::{answer, done, find, owner};
use super::image_convert::{Bridge, Shape, shape_of};
use super::image_file::{Source, refuse_existing, take_name, unfinished};
use super::{image_names, image_pools};
use crate::cli::Global;
use crate::exit::{Context, Failure};
use crate::progress::Progress;
use crate::size;
use clap::Args;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway_block::{BlockError, Image, Images, Layout, Run, SIZE_BYTES_MAX};
use gateway_client::Client;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Written at once, in parts of 4 MiB.
const AT_ONCE: usize = 6;
const PART_BYTES: usize = 4 << 20;
/// How much an image of unknown size grows at a time.
const GROW_BYTES: u64 = 1 << 30;
/// A sector: sizes of images are multiples of it.
const SECTOR: u64 = 512;

/// Write an image, or a snapshot of one, to a file.
#[derive(Args)]
pub(crate) struct ExportArgs {
    /// As POOL/NAME or POOL/NAME@SNAPSHOT.
    image: String,
    /// The file, - for standard output, or the URI of an NBD server's export (nbd://HOST/NAME).
    to: String,
    /// The format of the file; otherwise by its name: .qcow2, anything else is raw.
    #[arg(long = "as", value_enum)]
    shape: Option<Shape>,
}

/// Make an image of a file.
#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The file, - for standard input, or the URI of an NBD server's export (nbd://HOST/NAME).
    from: String,
    /// The new image, as POOL/NAME.
    image: String,
    /// The format of the file; otherwise by how it begins.
    #[arg(long = "as", value_enum)]
    shape: Option<Shape>,
    /// Size of the objects that hold it, a power of two from 64K to 32M.
    #[arg(long, default_value = "4M", value_parser = size::parse)]
    object_size: u64,
}

pub(super) async fn export(global: &Global, client: &Client, args: &ExportArgs) -> Result<(), Failure> {
    let (images, name) = find(client, &args.image);
    let open = images.open_read_only(name).await.map_err(answer)?;
    let export = format!("{}/{name}", images.pool());
    let shape = args.shape.unwrap_or(if args.to.ends_with(".qcow2") { Shape::Qcow2 } else { Shape::Raw });
    if is_uri(&args.to) {
        let bridge = Bridge::open(client, &owner()?, true)?;
        bridge.convert(&["-n", "-f", "raw", "-O", "raw", &bridge.uri(&export), &args.to]).await?;
        bridge.close().await?;
        done(global, &format!("{} written to {}", args.image, args.to));
        return Ok(());
    }
    if shape == Shape::Raw {
        return raw_export(global, args, &open).await;
    }
    if args.to == "-" {
        return Err(Failure::unusable("only raw images fit a pipe; name a file"));
    }
    let path = Path::new(&args.to);
    refuse_existing(path)?;
    let part = unfinished(path);
    let bridge = Bridge::open(client, &owner()?, true)?;
    let to = part.display().to_string();
    bridge.convert(&["-f", "raw", "-O", shape.name(), &bridge.uri(&export), &to]).await?;
    bridge.close().await?;
    take_name(&part, path).or_unusable(&args.to)?;
    done(global, &format!("{} written to {}", args.image, args.to));
    Ok(())
}

async fn raw_export(global: &Global, args: &ExportArgs, open: &Image<Client>) -> Result<(), Failure> {
    let mut progress = Progress::new(format!("exporting {}", args.image));
    let size = open.size();
    if args.to == "-" {
        let mut out = std::io::stdout().lock();
        let mut at = 0;
        let each = async |run: Run| {
            if let Run::Data(offset, data) = run {
                zeros(&mut out, offset - at)?;
                out.write_all(&data)?;
                at = offset + data.len() as u64;
            }
            Ok::<(), CopyError>(())
        };
        open.walk(None, each, |at| progress.tell(at, size)).await?;
        zeros(&mut out, size - at).or_unusable("standard output")?;
        return out.flush().or_unusable("standard output");
    }
    // Holes of the image are holes of the file.
    let path = Path::new(&args.to);
    refuse_existing(path)?;
    let part = unfinished(path);
    let file = std::fs::File::create(&part).or_unusable(part.display())?;
    file.set_len(size).or_unusable(part.display())?;
    let mut data_bytes = 0;
    let each = async |run: Run| {
        if let Run::Data(offset, data) = run {
            file.write_all_at(&data, offset)?;
            data_bytes += data.len() as u64;
        }
        Ok::<(), CopyError>(())
    };
    open.walk(None, each, |at| progress.tell(at, size)).await?;
    drop(progress);
    take_name(&part, path).or_unusable(&args.to)?;
    let (data, all) = (size::show(data_bytes), size::show(size));
    done(global, &format!("{} written to {}: {data} of data, {all} in all", args.image, args.to));
    Ok(())
}

/// Why a copy stopped.
enum CopyError {
    File(std::io::Error),
    Image(BlockError),
}
impl From<std::io::Error> for CopyError {
    fn from(e: std::io::Error) -> CopyError {
        CopyError::File(e)
    }
}
impl From<BlockError> for CopyError {
    fn from(e: BlockError) -> CopyError {
        CopyError::Image(e)
    }
}
impl From<CopyError> for Failure {
    fn from(e: CopyError) -> Failure {
        match e {
            CopyError::File(e) => Failure::unusable(format!("the copy stopped: {e}")),
            CopyError::Image(e) => answer(e),
        }
    }
}

fn zeros(out: &mut impl Write, mut len: u64) -> std::io::Result<()> {
    let none = vec![0; 256 << 10];
    while len > 0 {
        let part = len.min(none.len() as u64);
        out.write_all(&none[..part as usize])?;
        len -= part;
    }
    Ok(())
}

fn is_uri(name: &str) -> bool {
    ["nbd://", "nbds://", "nbd+unix://", "nbds+unix://"].iter().any(|scheme| name.starts_with(scheme))
}

pub(super) async fn import(global: &Global, client: &Client, args: &ImportArgs) -> Result<(), Failure> {
    let (images, name) = find(client, &args.image);
    let layout = Layout::of_object_bytes(args.object_size).map_err(answer)?;
    image_names::check(name)?;
    image_pools::check(client, images.pool(), name, None)?;
    let part = image_names::unfinished(name);
    gateway_block::check_name(&part).map_err(answer)?;
    match images.info(name).await {
        Ok(_) => return Err(answer(BlockError::Exists { image: format!("{}/{name}", images.pool()) })),
        Err(BlockError::NoSuchImage { .. }) => {}
        Err(other) => return Err(answer(other)),
    }
    let shape = match args.shape {
        Some(shape) => shape,
        None if is_uri(&args.from) || args.from == "-" => Shape::Raw,
        None => shape_of(Path::new(&args.from)).or_unusable(&args.from)?,
    };
    // Before anything is changed: what an import that was cut short left stays while nothing can take its place.
    let source = source_of(args, shape)?;
    super::image::make_default_pool(client, images.pool()).await?;
    let owner = owner()?;
    // What an import that was cut short has left. One that goes on has it open.
    match images.remove(&part, &owner).await {
        Ok(()) => eprintln!("what an earlier import of {} left was removed", args.image),
        Err(BlockError::NoSuchImage { .. }) => {}
        Err(other) => return Err(answer(other)),
    }
    let filled = match source {
        Some(source) => raw_import(args, source, &images, &part, layout, &owner).await,
        None => {
            let bridge = Bridge::open(client, &owner, false)?;
            let done = bridged_import(args, &images, &part, layout, shape, &bridge).await;
            bridge.close().await.and(done)
        }
    };
    if let Err(failed) = filled {
        // It may never have been made; if it stays, the next import of that name removes it.
        let _ = images.remove(&part, &owner).await;
        return Err(failed);
    }
    images.rename(&part, name).await.map_err(answer)?;
    let size = images.info(name).await.map_err(answer)?.header.size;
    done(global, &format!("{}/{name} made of {}, {}", images.pool(), args.from, size::show(size)));
    Ok(())
}

/// What a raw image is read from; none: qemu-img reads it, and a file is there.
fn source_of(args: &ImportArgs, shape: Shape) -> Result<Option<Source>, Failure> {
    if is_uri(&args.from) {
        return Ok(None);
    }
    if shape == Shape::Raw {
        return Source::open(&args.from).map(Some).or_unusable(&args.from);
    }
    if args.from == "-" {
        return Err(Failure::unusable("only raw images can be read from a pipe; name a file"));
    }
    std::fs::File::open(&args.from).map(|_| None).or_unusable(&args.from)
}

async fn bridged_import(
    args: &ImportArgs,
    images: &Images<Client>,
    part: &str,
    layout: Layout,
    shape: Shape,
    bridge: &Bridge,
) -> Result<(), Failure> {
    let size = bridge.virtual_size(&args.from, shape).await?;
    images.create(part, size.next_multiple_of(SECTOR), layout).await.map_err(answer)?;
    let to = bridge.uri(&format!("{}/{part}", images.pool()));
    bridge.convert(&["-n", "-f", shape.name(), "-O", "raw", &args.from, &to]).await
}

async fn raw_import(
    args: &ImportArgs,
    source: Source,
    images: &Images<Client>,
    part: &str,
    layout: Layout,
    owner: &str,
) -> Result<(), Failure> {
    let len = source.len;
    if len == Some(0) {
        return Err(Failure::no(format!("{} is empty", args.from)));
    }
    let size = len.unwrap_or(GROW_BYTES).next_multiple_of(SECTOR);
    images.create(part, size, layout).await.map_err(answer)?;
    let open = images.open(part, owner).await.map_err(answer)?;
    let mut progress = Progress::new(format!("importing {}", args.image));
    let copied = pour(source, images, part, &open, owner, |at| progress.tell(at, len.unwrap_or(0)));
    let copied = copied.await;
    drop(progress);
    open.close().await.map_err(answer)?;
    let end = copied?;
    if end == 0 {
        return Err(Failure::no(format!("{} is empty", args.from)));
    }
    if len.is_some_and(|len| len != end) {
        return Err(Failure::no(format!("{} changed its size while it was read", args.from)));
    }
    // What came by a pipe ends where it ended.
    images.resize(part, end.next_multiple_of(SECTOR), true, owner).await.map(drop).map_err(answer)
}

/// Writes everything that comes, zeros left out; gives how many bytes came.
async fn pour(
    mut from: impl AsyncRead + Unpin,
    images: &Images<Client>,
    part: &str,
    open: &Arc<Image<Client>>,
    owner: &str,
    mut progress: impl FnMut(u64),
) -> Result<u64, Failure> {
    let mut under_way = FuturesUnordered::new();
    let mut at: u64 = 0;
    let mut failed: Option<Failure> = None;
    loop {
        let mut data: Vec<u8> = Vec::with_capacity(PART_BYTES);
        let read = {
            let mut part = (&mut from).take(PART_BYTES as u64);
            let mut read = std::pin::pin!(part.read_to_end(&mut data));
            // A slow source must not keep what was read before from being written.
            loop {
                tokio::select! {
                    done = &mut read => break done,
                    Some(done) = under_way.next(), if failed.is_none() => {
                        let done: Result<(), gateway_block::BlockError> = done;
                        failed = done.err().map(answer);
                    }
                }
            }
        };
        match read {
            _ if failed.is_some() => break,
            Ok(0) => break,
            Ok(_) => {}
            Err(e) => {
                failed = Some(Failure::unusable(format!("reading stopped: {e}")));
                break;
            }
        }
        let len = data.len() as u64;
        if at + len > open.size() {
            let size = (open.size() + GROW_BYTES.max(open.size() / 4)).min(SIZE_BYTES_MAX);
            if let Err(e) = images.resize(part, size, false, owner).await {
                failed = Some(answer(e));
                break;
            }
            open.set_size(size);
        }
        gateway_block::split_zeros(at, data.into(), |run| {
            if let Run::Data(offset, data) = run {
                under_way.push(open.write(offset, data));
            }
        });
        at += len;
        progress(at);
        while under_way.len() >= AT_ONCE && failed.is_none() {
            failed = under_way.next().await.and_then(|done| done.err()).map(answer);
        }
        if failed.is_some() {
            break;
        }
    }
    while let Some(done) = under_way.next().await {
        failed = failed.or(done.err().map(answer));
    }
    failed.map_or(Ok(at), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_told_from_files() {
        assert!(is_uri("nbd://host/name") && is_uri("nbd+unix:///a?socket=/x"));
        assert!(!is_uri("nbd.img") && !is_uri("-") && !is_uri("file://x"));
    }
}
