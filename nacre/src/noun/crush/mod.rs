//! `nacre crush`: maps in files as crushtool handles them, and the cluster's own tree, rules and device classes.

mod dump;
mod fault;
mod files;
mod trial;
pub(crate) mod words;

use super::answer::order;
use crate::cli::Global;
use crate::exit::Failure;
use crate::session;
use placement_map::{Command, CrushChange, OsdId, WEIGHT_ONE, location};
use std::io::Write;
use words::{CrushCommand, NewRule, RuleCommand};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &CrushCommand) -> Result<(), Failure> {
    match command {
        CrushCommand::Decompile { file, output } => files::decompile(file, output.as_deref()),
        CrushCommand::Compile { file, output } => files::compile(file, output),
        CrushCommand::Test(args) => trial::run(global, args),
        CrushCommand::Dump { file: Some(file) } => dump::dump(global, &files::load(file)?),
        CrushCommand::Dump { file: None } => dump::dump(global, &session::open(global).await?.map().crush),
        CrushCommand::AddBucket { name, kind } => {
            let add = CrushChange::AddBucket { name: name.clone(), kind: kind.clone() };
            let done =
                format!("{kind} {name} made; `nacre crush move {name} TYPE=NAME` hangs it into the tree");
            change(global, add, false, &done).await
        }
        CrushCommand::Move { name, location, force } => {
            let location = location::parse(&location.join(" ")).map_err(Failure::unusable)?;
            let to =
                location.iter().map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>().join(", ");
            let done =
                format!("{name} is in {to}; data moves in the background (`nacre status` shows how far)");
            change(global, CrushChange::Move { name: name.clone(), location }, force.force, &done).await
        }
        CrushCommand::Reweight { name, weight, force } => {
            let done = format!("{name} weighs {weight}");
            let set = CrushChange::Reweight { name: name.clone(), weight: fixed(*weight)? };
            change(global, set, force.force, &done).await
        }
        CrushCommand::Rm { name } => {
            change(global, CrushChange::Rm { name: name.clone() }, false, &format!("{name} is removed")).await
        }
        CrushCommand::Rule(command) => rule(global, command).await,
        CrushCommand::SetDeviceClass { class, osds, force } => {
            let done = format!("{} have class {class}", osds.join(", "));
            let set = CrushChange::SetDeviceClass { class: Some(class.clone()), osds: numbers(osds)? };
            change(global, set, force.force, &done).await
        }
        CrushCommand::RmDeviceClass { osds, force } => {
            let done = format!("{} have no class", osds.join(", "));
            let set = CrushChange::SetDeviceClass { class: None, osds: numbers(osds)? };
            change(global, set, force.force, &done).await
        }
    }
}

async fn rule(global: &Global, command: &RuleCommand) -> Result<(), Failure> {
    let (new, erasure) = match command {
        RuleCommand::Ls => return dump::rules(global, &session::open(global).await?.map().crush),
        RuleCommand::Rm { name } => {
            let rm = CrushChange::RuleRm { name: name.clone() };
            return change(global, rm, false, &format!("rule {name} is removed")).await;
        }
        RuleCommand::CreateReplicated(new) => (new, false),
        RuleCommand::CreateErasure(new) => (new, true),
    };
    let NewRule { name, root, domain, class, per_datacenter } = new;
    let create = CrushChange::RuleCreate {
        name: name.clone(),
        root: root.clone(),
        domain: domain.clone(),
        class: class.clone(),
        erasure,
        zone_members: *per_datacenter,
    };
    change(global, create, false, &format!("rule {name} made")).await
}

async fn change(global: &Global, change: CrushChange, force: bool, done: &str) -> Result<(), Failure> {
    order(global, Command::Crush { change, force }, done).await.map(drop)
}

/// A weight in 16.16. What is too much for the map is for the monitors to say.
fn fixed(weight: f64) -> Result<u32, Failure> {
    let scaled = (weight * f64::from(WEIGHT_ONE)).round();
    if (0.0..=f64::from(u32::MAX)).contains(&scaled) {
        Ok(scaled as u32)
    } else {
        Err(Failure::unusable(format!("{weight} is no weight; give 0 to 32767, 1.0 for a TiB by custom")))
    }
}

fn numbers(osds: &[String]) -> Result<Vec<OsdId>, Failure> {
    let number = |word: &String| word.strip_prefix("osd.").unwrap_or(word).parse().map(OsdId);
    osds.iter()
        .map(|word| {
            number(word).map_err(|_| Failure::unusable(format!("{word:?} is no OSD; say osd.3 or 3")))
        })
        .collect()
}

/// Prints to standard output; that a reader has read enough is no error.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::unusable(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
