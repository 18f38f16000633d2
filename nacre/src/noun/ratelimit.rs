//! `nacre ratelimit`: what users and buckets may ask per minute, of each gateway.

use super::user::{no, say};
use crate::cli::Global;
use crate::exit::Failure;
use crate::session;
use clap::{Args, Subcommand, ValueEnum};
use gateway_client::Client;
use gateway_s3::storage::{Bucket, GlobalRateLimits, RateLimit, Storage, StorageConfig, User};
use gateway_s3::{Code, S3Error};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum RatelimitCommand {
    /// The limits, and whether they hold.
    Get {
        #[command(flatten)]
        whose: Whose,
    },
    /// Set limits; 0: any number. They hold once they are enabled.
    Set {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        limits: Limits,
    },
    /// Let the limits hold.
    Enable {
        #[command(flatten)]
        whose: Whose,
    },
    /// Let them rest.
    Disable {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// Of this user.
    #[arg(long)]
    uid: Option<String>,
    /// Of this bucket: NAME, or TENANT/NAME.
    #[arg(long)]
    bucket: Option<String>,
    /// Of all that have none of their own (anonymous: of all who do not sign, together).
    #[arg(long, value_enum)]
    global: Option<Scope>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    User,
    Bucket,
    Anonymous,
}

#[derive(Args)]
pub(crate) struct Limits {
    /// GET and HEAD requests per minute.
    #[arg(long, value_name = "N")]
    max_read_ops: Option<u64>,
    /// Other requests per minute.
    #[arg(long, value_name = "N")]
    max_write_ops: Option<u64>,
    /// Bytes sent per minute, as 64M.
    #[arg(long, value_name = "SIZE", value_parser = crate::size::parse)]
    max_read_bytes: Option<u64>,
    /// Bytes received per minute, as 64M.
    #[arg(long, value_name = "SIZE", value_parser = crate::size::parse)]
    max_write_bytes: Option<u64>,
}

impl Limits {
    fn put(&self, limit: &mut RateLimit) {
        for (said, value) in [
            (self.max_read_ops, &mut limit.max_read_ops),
            (self.max_write_ops, &mut limit.max_write_ops),
            (self.max_read_bytes, &mut limit.max_read_bytes),
            (self.max_write_bytes, &mut limit.max_write_bytes),
        ] {
            *value = said.unwrap_or(*value);
        }
    }
}

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &RatelimitCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    let limit = match command {
        RatelimitCommand::Get { whose } => get(&storage, whose).await,
        RatelimitCommand::Set { whose, limits } => change(&storage, whose, |limit| limits.put(limit)).await,
        RatelimitCommand::Enable { whose } => change(&storage, whose, |limit| limit.enabled = true).await,
        RatelimitCommand::Disable { whose } => change(&storage, whose, |limit| limit.enabled = false).await,
    };
    let limit = limit.map_err(no)?;
    say(global.format, &plain(&limit), to_json(&limit));
    Ok(())
}

fn of_scope(all: &mut GlobalRateLimits, scope: Scope) -> &mut RateLimit {
    match scope {
        Scope::User => &mut all.user,
        Scope::Bucket => &mut all.bucket,
        Scope::Anonymous => &mut all.anonymous,
    }
}

async fn bucket_named(storage: &Storage<Client>, name: &str) -> Result<std::sync::Arc<Bucket>, S3Error> {
    storage.bucket_get(name).await?.ok_or_else(|| S3Error::new(Code::NoSuchBucket))
}

async fn get(storage: &Storage<Client>, whose: &Whose) -> Result<RateLimit, S3Error> {
    if let Some(uid) = &whose.uid {
        let user = storage.user_get(uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
        return Ok(user.rate_limit.unwrap_or_default());
    }
    if let Some(name) = &whose.bucket {
        return Ok(bucket_named(storage, name).await?.rate_limit().unwrap_or_default());
    }
    let mut all = *storage.global_rate_limits().await?;
    Ok(whose.global.map(|scope| *of_scope(&mut all, scope)).unwrap_or_default())
}

async fn change(
    storage: &Storage<Client>,
    whose: &Whose,
    put: impl Fn(&mut RateLimit),
) -> Result<RateLimit, S3Error> {
    if let Some(uid) = &whose.uid {
        let set = |user: &mut User| {
            put(user.rate_limit.get_or_insert_default());
            Ok(())
        };
        return Ok(storage.user_change(uid, set).await?.rate_limit.unwrap_or_default());
    }
    if let Some(name) = &whose.bucket {
        let set = |bucket: &mut Bucket| {
            let mut limit = bucket.rate_limit().unwrap_or_default();
            put(&mut limit);
            bucket.set_rate_limit(Some(limit));
            Ok(())
        };
        let bucket = bucket_named(storage, name).await?;
        return Ok(storage.bucket_change(&bucket, set).await?.rate_limit().unwrap_or_default());
    }
    let Some(scope) = whose.global else { return Ok(RateLimit::default()) };
    let set = |all: &mut GlobalRateLimits| {
        put(of_scope(all, scope));
        Ok(())
    };
    let mut all = storage.global_rate_limits_change(set).await?;
    Ok(*of_scope(&mut all, scope))
}

fn to_json(limit: &RateLimit) -> Value {
    json!({
        "enabled": limit.enabled,
        "max_read_ops": limit.max_read_ops, "max_write_ops": limit.max_write_ops,
        "max_read_bytes": limit.max_read_bytes, "max_write_bytes": limit.max_write_bytes,
    })
}

fn plain(limit: &RateLimit) -> String {
    let number = |n: u64| if n == 0 { "any number".to_string() } else { n.to_string() };
    let size = |n: u64| if n == 0 { "any number".to_string() } else { crate::size::show(n) };
    format!(
        "enabled      {}\nread ops     {}\nwrite ops    {}\nread bytes   {}\nwrite bytes  {}\nper minute, of each gateway",
        limit.enabled,
        number(limit.max_read_ops),
        number(limit.max_write_ops),
        size(limit.max_read_bytes),
        size(limit.max_write_bytes)
    )
}
