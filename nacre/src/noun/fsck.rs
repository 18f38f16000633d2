//! `nacre fsck`: a stopped OSD's store, checked whole.

use crate::cli::{Format, Global};
use crate::exit::Failure;
use std::path::Path;

/// Carries out the command. Exit code 1: the store is damaged.
pub(crate) fn run(global: &Global, path: &Path) -> Result<(), Failure> {
    let report = super::osd::fsck(path)?;
    match global.format {
        Format::Plain => println!("{report:#?}"),
        Format::Json => {
            println!("{}", serde_json::json!({ "clean": report.is_clean(), "report": format!("{report:?}") }))
        }
    }
    if report.is_clean() {
        Ok(())
    } else {
        Err(Failure::no(format!("the store at {} is damaged", path.display())))
    }
}
