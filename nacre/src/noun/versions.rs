//! `nacre versions`: what each daemon runs, and which feature level the cluster is at.

use super::answer::{ask, nonsense};
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::table;
use placement_map::status::{Answer, DaemonVersion, Query};

/// Carries out the command.
pub(crate) async fn run(global: &Global) -> Result<(), Failure> {
    let Answer::Status(status) = ask(global, Query::Status).await? else { return Err(nonsense()) };
    let (level, daemons) = (status.feature_level.max(1), &status.versions);
    match global.format {
        Format::Json => {
            println!("{}", serde_json::json!({ "feature_level": level, "daemons": daemons }));
        }
        Format::Plain => println!("the cluster is at feature level {level}\n{}", list(daemons).trim_end()),
    }
    Ok(())
}

fn list(daemons: &[DaemonVersion]) -> String {
    let row = |d: &DaemonVersion| {
        let level = d.feature_level.map_or("not reached".into(), |level| level.to_string());
        vec![d.name.clone(), d.version.clone().unwrap_or_else(|| "-".into()), level]
    };
    table::render(&["DAEMON", "VERSION", "CAN DO LEVEL"], &daemons.iter().map(row).collect::<Vec<_>>())
}
