//! `nacre object`: objects of a pool, directly.

use crate::cli::{Format, Global, ObjectCommand};
use crate::exit::{Context, Failure};
use crate::noun::object_watch;
use crate::{session, size};
use gateway_client::{OpError, Rados};
use osd_object::{ObjectName, Op, OpResult};
use std::io::{Read, Write};
use std::path::Path;
use stdx::Errno;

/// Bytes sent or fetched in one operation.
const PIECE_BYTES: usize = 4 << 20;
/// Names asked for at once.
const PAGE_NAMES: u32 = 1000;

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &ObjectCommand) -> Result<(), Failure> {
    let client = session::open(global).await?;
    match command {
        ObjectCommand::Put { pool, name, file } => put(&client, pool, name, file).await,
        ObjectCommand::Get { pool, name, file } => get(&client, pool, name, file).await,
        ObjectCommand::Ls { pool } => ls(&client, pool, global.format).await,
        ObjectCommand::Stat { pool, name } => stat(&client, pool, name, global.format).await,
        ObjectCommand::Watch { pool, name, timeout, count, reply } => {
            let object = (pool.as_str(), name.as_str());
            object_watch::watch(&client, object, *timeout, *count, reply, global.format).await
        }
        ObjectCommand::Notify { pool, name, message, timeout } => {
            object_watch::notify(&client, (pool.as_str(), name.as_str()), message, *timeout, global.format)
                .await
        }
        ObjectCommand::ListWatchers { pool, name } => {
            object_watch::list(&client, (pool.as_str(), name.as_str()), global.format).await
        }
        ObjectCommand::Rm { pool, name } => {
            Rados::operate(&client, pool, ObjectName::new(name), vec![Op::Delete])
                .await
                .map(drop)
                .map_err(answer)
        }
    }
}

pub(super) fn answer(error: OpError) -> Failure {
    Failure::no(error)
}

async fn put(client: &impl Rados, pool: &str, name: &str, file: &Path) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::unusable("an object needs a name; \"\" is none"));
    }
    let mut source: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).or_unusable(file.display())?),
    };
    let mut first = true;
    let mut offset = 0;
    loop {
        let piece = read_piece(&mut source).or_unusable(file.display())?;
        let last = piece.len() < PIECE_BYTES;
        let len = piece.len() as u64;
        let op = match first {
            true => Op::WriteFull { data: piece.into() },
            false => Op::Write { offset, data: piece.into() },
        };
        if first || len > 0 {
            client.operate(pool, ObjectName::new(name), vec![op]).await.map_err(answer)?;
        }
        if last {
            return Ok(());
        }
        first = false;
        offset += len;
    }
}

/// Reads until the piece is full or the source ends.
fn read_piece(source: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    source.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

async fn get(client: &impl Rados, pool: &str, name: &str, file: &Path) -> Result<(), Failure> {
    let mut sink: Option<Box<dyn Write>> = None;
    let mut offset = 0;
    loop {
        let object = ObjectName::new(name);
        let data = client.read(pool, object, offset, PIECE_BYTES as u64).await.map_err(answer)?;
        if sink.is_none() {
            // Made only now: a missing object must not leave an empty file behind.
            sink = Some(match file.to_str() {
                Some("-") => Box::new(std::io::stdout()),
                _ => Box::new(std::fs::File::create(file).or_unusable(file.display())?),
            });
        }
        let out = sink.as_mut().expect("made above");
        out.write_all(&data).or_unusable(file.display())?;
        if data.len() < PIECE_BYTES {
            return out.flush().or_unusable(file.display());
        }
        offset += data.len() as u64;
    }
}

async fn ls(client: &impl Rados, pool: &str, format: Format) -> Result<(), Failure> {
    let mut after = None;
    let mut names = Vec::new();
    loop {
        let page = client.list(pool, after, PAGE_NAMES).await.map_err(answer)?;
        for name in page.objects {
            match format {
                Format::Plain => println!("{}", name.name),
                Format::Json => names.push(name.name),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if format == Format::Json {
        println!("{}", serde_json::json!({ "objects": names }));
    }
    Ok(())
}

async fn stat(client: &impl Rados, pool: &str, name: &str, format: Format) -> Result<(), Failure> {
    let reply = client.operate(pool, ObjectName::new(name), vec![Op::Stat]).await.map_err(answer)?;
    let Some(OpResult::Meta(meta)) = reply.results.first() else {
        return Err(answer(OpError::new(Errno::EIO)));
    };
    match format {
        Format::Plain => println!(
            "{pool}/{name}  {}  version {}  modified {} s after 1970",
            size::show(meta.size),
            meta.version,
            meta.mtime.seconds()
        ),
        Format::Json => println!(
            "{}",
            serde_json::json!({
                "pool": pool, "name": name, "size": meta.size, "version": meta.version.seq,
                "mtime_ms": meta.mtime.millis(),
            })
        ),
    }
    Ok(())
}
