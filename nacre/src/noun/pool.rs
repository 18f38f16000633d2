//! `nacre pool`: pools.

use super::answer::{ask, nonsense, order, show};
use crate::cli::{Format, Global, PoolCommand};
use crate::exit::Failure;
use crate::{size, table};
use placement_map::status::{Answer, PoolRow, Query};
use placement_map::{Command, PoolCreate, PoolPlacement};
use std::collections::BTreeMap;

/// What a new pool is like.
#[derive(clap::Args)]
pub(crate) struct PoolShape {
    /// Copies; what `osd_pool_default_size` says if absent.
    #[arg(long)]
    size: Option<u32>,
    /// Copies that must be in sync before writes are accepted; size - size/2 if absent.
    #[arg(long)]
    min_size: Option<u32>,
    /// Placement groups; what `osd_pool_default_pg_num` says if absent.
    #[arg(long)]
    pg_num: Option<u32>,
    /// Level over which copies are spread (osd, host, rack, row, datacenter, ...); if absent, the widest of host
    /// and osd that has members enough.
    #[arg(long, value_name = "TYPE")]
    failure_domain: Option<String>,
    /// The same number of copies in each of three datacenters: readable with any one of them gone.
    #[arg(long, conflicts_with_all = ["one_zone", "rule"])]
    multi_az: bool,
    /// All copies in this one datacenter.
    #[arg(long, value_name = "DATACENTER", conflicts_with = "rule")]
    one_zone: Option<String>,
    /// A rule that is there already (`nacre crush rule ls`).
    #[arg(long, value_name = "NAME", conflicts_with_all = ["failure_domain", "class"])]
    rule: Option<String>,
    /// Only OSDs of this device class (ssd, hdd, nvme, ...).
    #[arg(long)]
    class: Option<String>,
    /// Erasure-coded: data and parity shards as 4+2, or a profile's name (`nacre ec profile ls`).
    #[arg(long, value_name = "K+M", conflicts_with = "size")]
    ec: Option<String>,
    /// With --ec K+M: isa, jerasure or lrc.
    #[arg(long, requires = "ec")]
    plugin: Option<String>,
    /// With --plugin lrc: shards of a local group without its own parity.
    #[arg(long, value_name = "L", requires = "plugin")]
    locality_size: Option<u32>,
    /// With --ec K+M: bytes of a chunk; 16K if absent.
    #[arg(long, value_name = "SIZE", requires = "ec")]
    stripe_unit: Option<String>,
    /// With --ec: the replicated pool that keeps the metadata of what lies in this one, as names and properties of images.
    /// It cannot be removed before this one.
    #[arg(long, value_name = "POOL", requires = "ec")]
    companion: Option<String>,
    /// With --ec K+0: that the first lost disk loses data is understood.
    #[arg(long, requires = "ec")]
    yes_i_accept_data_loss: bool,
}

impl PoolShape {
    fn pool(&self, name: &str) -> PoolCreate {
        let placement = match (&self.one_zone, &self.rule) {
            (Some(datacenter), _) => PoolPlacement::OneZone { datacenter: datacenter.clone() },
            (None, Some(name)) => PoolPlacement::Rule { name: name.clone() },
            (None, None) if self.multi_az => PoolPlacement::MultiAz,
            (None, None) => PoolPlacement::Spread,
        };
        PoolCreate {
            name: name.to_owned(),
            size: self.size,
            min_size: self.min_size,
            pg_num: self.pg_num,
            failure_domain: self.failure_domain.clone(),
            application: String::new(),
            placement,
            device_class: self.class.clone(),
            erasure: self.erasure(),
            companion: self.companion.clone(),
            accept_data_loss: self.yes_i_accept_data_loss,
        }
    }

    /// The profile that the flags make, or the name of one.
    fn erasure(&self) -> Option<String> {
        let ec = self.ec.as_deref()?;
        let Some((k, m)) = ec.split_once('+') else { return Some(ec.to_owned()) };
        let mut profile = format!("plugin={} k={k} m={m}", self.plugin.as_deref().unwrap_or("isa"));
        if let Some(l) = self.locality_size {
            profile += &format!(" l={l}");
        }
        if let Some(unit) = &self.stripe_unit {
            profile += &format!(" stripe_unit={unit}");
        }
        Some(profile)
    }
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &PoolCommand) -> Result<(), Failure> {
    match command {
        PoolCommand::Ls => {
            let answer = ask(global, Query::PoolLs).await?;
            let Answer::PoolLs { pools } = &answer else { return Err(nonsense()) };
            show(global, &answer, || list(pools))
        }
        PoolCommand::Get { name, key } => get(global, name, key.as_deref()).await,
        PoolCommand::Create { name, shape } => {
            let create = Command::PoolCreate(shape.pool(name));
            order(global, create, &format!("pool {name} made")).await.map(drop)
        }
        PoolCommand::Rm { name, yes_i_really_really_mean_it } => {
            if !yes_i_really_really_mean_it {
                return Err(Failure::unusable(format!(
                    "this destroys all that is in pool {name}, for good; say `nacre pool rm {name} \
                     --yes-i-really-really-mean-it` if that is what you want"
                )));
            }
            let rm = Command::PoolRm { name: name.clone() };
            order(global, rm, &format!("pool {name} is removed")).await.map(drop)
        }
        PoolCommand::Set { name, key, value } => {
            let set = Command::PoolSet { name: name.clone(), key: key.clone(), value: value.clone() };
            order(global, set, &format!("{key} of pool {name} is {value}")).await.map(drop)
        }
    }
}

/// One pool's settings, as `set` names them.
async fn get(global: &Global, name: &str, key: Option<&str>) -> Result<(), Failure> {
    let Answer::PoolLs { pools } = ask(global, Query::PoolLs).await? else { return Err(nonsense()) };
    let pool = pools.iter().find(|pool| pool.name == name);
    let pool = pool.ok_or_else(|| {
        Failure::no(format!("pool {name} does not exist; `nacre pool ls` shows those that do"))
    })?;
    let all = settings(pool);
    let Some(key) = key else {
        match global.format {
            Format::Json => println!("{}", serde_json::to_string(pool).map_err(Failure::unusable)?),
            Format::Plain => {
                let rows: Vec<Vec<String>> = all.iter().map(|(k, v)| vec![(*k).clone(), v.clone()]).collect();
                println!("{}", table::render(&["SETTING", "VALUE"], &rows).trim_end());
            }
        }
        return Ok(());
    };
    let Some(value) = all.get(key) else {
        let known: Vec<&str> = all.keys().map(String::as_str).collect();
        return Err(Failure::no(format!("{key} is not set for pool {name}; set are {}", known.join(", "))));
    };
    match global.format {
        Format::Json => println!("{}", serde_json::json!({ key: value })),
        Format::Plain => println!("{value}"),
    }
    Ok(())
}

/// What is set of a pool, by name.
fn settings(pool: &PoolRow) -> BTreeMap<String, String> {
    let fixed = [
        ("kind", pool.kind.clone()),
        ("size", pool.size.to_string()),
        ("min_size", pool.min_size.to_string()),
        ("pg_num", pool.pg_num.to_string()),
        ("pgp_num", pool.pgp_num.to_string()),
        ("crush_rule", pool.rule.clone()),
        ("application", pool.application.clone()),
    ];
    let fixed = fixed.into_iter().map(|(key, value)| (key.to_owned(), value));
    fixed.chain(pool.options.clone()).collect()
}

fn kind(pool: &PoolRow) -> String {
    match pool.options.get("companion") {
        Some(companion) => format!("{}, metadata in {companion}", pool.kind),
        None => pool.kind.clone(),
    }
}

fn list(pools: &[PoolRow]) -> String {
    let row = |p: &PoolRow| {
        vec![
            p.id.0.to_string(),
            p.name.clone(),
            kind(p),
            p.size.to_string(),
            p.min_size.to_string(),
            if p.pgp_num < p.pg_num {
                format!("{} (pgp {})", p.pg_num, p.pgp_num)
            } else {
                p.pg_num.to_string()
            },
            p.rule.clone(),
            p.objects.to_string(),
            size::show(p.bytes),
        ]
    };
    let rows: Vec<Vec<String>> = pools.iter().map(row).collect();
    table::render(&["ID", "NAME", "KIND", "SIZE", "MIN_SIZE", "PG_NUM", "RULE", "OBJECTS", "BYTES"], &rows)
}
