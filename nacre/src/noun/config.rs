//! `nacre config`: settings that the monitors keep for every daemon.

use super::answer::{ask, failure, nonsense, order, order_with, show};
use crate::cli::{ConfigCommand, Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use placement_map::status::{Answer, ConfigRow, Query};
use placement_map::{Command, ConfigEntry, ConfigStep};
use stdx::time::utc_text;

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Ls => {
            let answer = ask(global, Query::ConfigLs).await?;
            let Answer::ConfigLs { config } = &answer else { return Err(nonsense()) };
            show(global, &answer, || list(config))
        }
        ConfigCommand::Get { daemon, key } => get(global, daemon, key).await,
        ConfigCommand::Set { section, key, value } => {
            let set = Command::ConfigSet { section: section.clone(), key: key.clone(), value: value.clone() };
            order(global, set, &format!("{key} is {value} for {section}")).await.map(drop)
        }
        ConfigCommand::Log => {
            let client = session::open(global).await?;
            // A monitor that is too old for the question would end the link.
            client.map().too_new(Query::ConfigLog.level()).map_err(Failure::no)?;
            let answer = client.query(Query::ConfigLog).await.map_err(failure)?;
            let Answer::ConfigLog { changes } = &answer else { return Err(nonsense()) };
            show(global, &answer, || log(changes))
        }
        ConfigCommand::Reset { version } => {
            let reset = Command::ConfigReset { who: session::ADMIN.into(), version: *version };
            let client = session::open(global).await?;
            client.map().too_new(reset.level()).map_err(Failure::no)?;
            let done = format!("the settings are as they were after change {version}");
            order_with(&client, global, reset, &done).await.map(drop)
        }
        ConfigCommand::Rm { section, key } => {
            let rm = Command::ConfigRm { section: section.clone(), key: key.clone() };
            order(global, rm, &format!("{key} is no longer set for {section}")).await.map(drop)
        }
    }
}

async fn get(global: &Global, daemon: &str, key: &str) -> Result<(), Failure> {
    let map = session::open(global).await?.map();
    let value = map.setting(daemon, key).ok_or_else(|| {
        Failure::no(format!("there is no setting {key:?}; `nacre config ls` shows those there are"))
    })?;
    match global.format {
        Format::Plain => println!("{value}"),
        Format::Json => println!("{}", serde_json::json!({ "daemon": daemon, "key": key, "value": value })),
    }
    Ok(())
}

fn list(config: &[ConfigRow]) -> String {
    let row = |c: &ConfigRow| vec![c.section.clone(), c.key.clone(), c.value.clone(), c.help.clone()];
    table::render(&["FOR", "SETTING", "VALUE", "MEANING"], &config.iter().map(row).collect::<Vec<_>>())
}

fn log(changes: &[ConfigEntry]) -> String {
    let line = |entry: &ConfigEntry, step: &ConfigStep| {
        let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "(not set)".into());
        vec![
            entry.version.to_string(),
            utc_text(entry.at_seconds),
            entry.who.clone(),
            step.section.clone(),
            step.key.clone(),
            value(&step.before),
            value(&step.after),
        ]
    };
    let rows: Vec<Vec<String>> =
        changes.iter().flat_map(|entry| entry.steps.iter().map(move |step| line(entry, step))).collect();
    table::render(&["CHANGE", "WHEN (UTC)", "WHO", "FOR", "SETTING", "BEFORE", "AFTER"], &rows)
}
