//! `nacre image export-diff` and `import-diff`: what changed from one snapshot to another, to a file or a pipe and back.

use super::image::{answer, done, find, owner};
use super::image_file::{Sink, Source};
use crate::cli::{Format, Global};
use crate::exit::{Context, Failure};
use crate::progress::Progress;
use crate::size;
use clap::Args;
use gateway_block::{DiffError, split_snapshot};
use gateway_client::Client;

/// Write what changed to a file.
#[derive(Args)]
pub(crate) struct ExportDiffArgs {
    /// Where it ends, as POOL/NAME@SNAPSHOT.
    snapshot: String,
    /// The file; - for standard output.
    file: String,
    /// The snapshot that it begins at; otherwise it holds everything.
    #[arg(long, value_name = "SNAPSHOT")]
    from_snap: Option<String>,
}

/// Apply such a file.
#[derive(Args)]
pub(crate) struct ImportDiffArgs {
    /// The file; - for standard input.
    file: String,
    /// The image, as POOL/NAME; made if the difference begins at nothing.
    image: String,
}

fn told(error: DiffError) -> Failure {
    match error {
        DiffError::Image(error) => answer(error),
        DiffError::Stream(_) => Failure::unusable(error),
        other => Failure::no(other),
    }
}

pub(super) async fn export(global: &Global, client: &Client, args: &ExportDiffArgs) -> Result<(), Failure> {
    let (images, rest) = find(client, &args.snapshot);
    let (image, Some(snap)) = split_snapshot(rest) else {
        return Err(Failure::unusable(format!(
            "{} names no snapshot; write POOL/NAME@SNAPSHOT",
            args.snapshot
        )));
    };
    let mut sink = Sink::create(&args.file)?;
    let mut progress = Progress::new(format!("exporting {}", args.snapshot));
    let from = args.from_snap.as_deref();
    let written = images.export_diff(image, from, snap, &mut sink, |at, all| progress.tell(at, all)).await;
    drop(progress);
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            sink.give_up();
            return Err(told(error));
        }
    };
    let to_file = sink.finish()?;
    let text = format!(
        "{} ranges with {} of data written to {}",
        written.ranges,
        size::show(written.data_bytes),
        args.file
    );
    match (to_file, global.format) {
        // Standard output holds the difference.
        (false, _) => eprintln!("{text}"),
        (true, Format::Plain) => println!("{text}"),
        (true, Format::Json) => {
            println!("{}", serde_json::json!({ "ranges": written.ranges, "data_bytes": written.data_bytes }))
        }
    }
    Ok(())
}

pub(super) async fn import(global: &Global, client: &Client, args: &ImportDiffArgs) -> Result<(), Failure> {
    let (images, name) = find(client, &args.image);
    let source = Source::open(&args.file).or_unusable(&args.file)?;
    let mut progress = Progress::new(format!("importing {}", args.image));
    let applied = images.import_diff(name, &owner()?, source, |at, all| progress.tell(at, all)).await;
    drop(progress);
    let applied = applied.map_err(told)?;
    done(
        global,
        &format!(
            "{} is as {} was at {}; {} written",
            args.image,
            applied.head.image,
            applied.head.to.name,
            size::show(applied.data_bytes)
        ),
    );
    Ok(())
}
