//! `nacre ec profile`: erasure-code profiles and what they mean.

use super::answer::{ask, nonsense, order, show};
use crate::cli::{EcProfileCommand, Global};
use crate::exit::Failure;
use crate::table;
use placement_map::status::{Answer, EcProfileRow, Query};
use placement_map::{Command, EcProfile};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &EcProfileCommand) -> Result<(), Failure> {
    match command {
        EcProfileCommand::Ls => {
            let answer = ask(global, Query::EcProfileLs).await?;
            let Answer::EcProfileLs { profiles } = &answer else { return Err(nonsense()) };
            show(global, &answer, || list(profiles))
        }
        EcProfileCommand::Create { name, settings } => {
            // Read here first: a mistake in the words needs no cluster to be told.
            let profile = EcProfile::parse(&settings.join(" ")).map_err(Failure::no)?;
            let set = Command::EcProfileSet { name: name.clone(), profile: profile.to_string() };
            order(global, set, &format!("profile {name}: {}", profile.words())).await.map(drop)
        }
        EcProfileCommand::Show { profile } => {
            let row = match profile.as_slice() {
                [name] if !name.contains('=') => named(global, name).await?,
                settings => {
                    EcProfileRow::of("-", &EcProfile::parse(&settings.join(" ")).map_err(Failure::no)?)
                }
            };
            let answer = Answer::EcProfileLs { profiles: vec![row.clone()] };
            show(global, &answer, || detail(&row))
        }
        EcProfileCommand::Rm { name } => {
            let rm = Command::EcProfileRm { name: name.clone() };
            order(global, rm, &format!("profile {name} is removed")).await.map(drop)
        }
    }
}

async fn named(global: &Global, name: &str) -> Result<EcProfileRow, Failure> {
    let Answer::EcProfileLs { profiles } = ask(global, Query::EcProfileLs).await? else {
        return Err(nonsense());
    };
    profiles.into_iter().find(|row| row.name == name).ok_or_else(|| {
        Failure::no(format!("there is no profile {name}; `nacre ec profile ls` shows those there are"))
    })
}

fn list(profiles: &[EcProfileRow]) -> String {
    let row = |p: &EcProfileRow| {
        vec![
            p.name.clone(),
            p.size.to_string(),
            p.min_size.to_string(),
            format!("{} %", p.usable_percent),
            p.profile.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = profiles.iter().map(row).collect();
    table::render(&["NAME", "SHARDS", "MIN_SIZE", "USABLE", "PROFILE"], &rows)
}

fn detail(p: &EcProfileRow) -> String {
    format!("{}\n{} shards; {}", p.profile, p.size, p.meaning)
}
