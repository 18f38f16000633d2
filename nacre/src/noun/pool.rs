//! `nacre pool`: pools.

use super::answer::{ask, nonsense, order, show};
use crate::cli::{Global, PoolCommand};
use crate::exit::Failure;
use crate::{size, table};
use placement_map::status::{Answer, PoolRow, Query};
use placement_map::{Command, PoolCreate};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &PoolCommand) -> Result<(), Failure> {
    match command {
        PoolCommand::Ls => {
            let answer = ask(global, Query::PoolLs).await?;
            let Answer::PoolLs { pools } = &answer else { return Err(nonsense()) };
            show(global, &answer, || list(pools))
        }
        PoolCommand::Create { name, size, min_size, pg_num, failure_domain } => {
            let create = PoolCreate {
                name: name.clone(),
                size: Some(*size),
                min_size: *min_size,
                pg_num: Some(*pg_num),
                failure_domain: failure_domain.clone(),
                application: String::new(),
            };
            order(global, Command::PoolCreate(create), &format!("pool {name} made")).await.map(drop)
        }
        PoolCommand::Set { name, key, value } => {
            let set = Command::PoolSet { name: name.clone(), key: key.clone(), value: value.clone() };
            order(global, set, &format!("{key} of pool {name} is {value}")).await.map(drop)
        }
    }
}

fn list(pools: &[PoolRow]) -> String {
    let row = |p: &PoolRow| {
        vec![
            p.id.0.to_string(),
            p.name.clone(),
            p.kind.clone(),
            p.size.to_string(),
            p.min_size.to_string(),
            p.pg_num.to_string(),
            p.rule.clone(),
            p.objects.to_string(),
            size::show(p.bytes),
        ]
    };
    let rows: Vec<Vec<String>> = pools.iter().map(row).collect();
    table::render(&["ID", "NAME", "KIND", "SIZE", "MIN_SIZE", "PG_NUM", "RULE", "OBJECTS", "BYTES"], &rows)
}
