//! `nacre config`: settings that the monitors keep for every daemon.

use super::answer::{ask, nonsense, order, show};
use crate::cli::{ConfigCommand, Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use placement_map::Command;
use placement_map::status::{Answer, ConfigRow, Query};

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
