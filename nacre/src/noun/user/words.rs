//! The words of `nacre user`.

use clap::{Args, Subcommand, ValueEnum};

/// A user is named by its id, or TENANT$ID.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user with one key pair.
    Create {
        /// Its id, or TENANT$ID.
        uid: String,
        /// Access key; drawn at random if absent.
        #[arg(long, requires = "secret_key")]
        access_key: Option<String>,
        /// Secret key. Others on this host see what stands here (`ps`): say - and give it on standard input, or put it into
        /// NACRE_SECRET_KEY.
        #[arg(long, requires = "access_key", env = "NACRE_SECRET_KEY", hide_env_values = true)]
        secret_key: Option<String>,
        /// What it may administer, as "users=*;buckets=read".
        #[arg(long)]
        caps: Option<String>,
        /// The account that is to own what it makes.
        #[arg(long, value_name = "ID")]
        account_id: Option<String>,
        /// It may do there all that can be done. (Other users of an account may do nothing yet.)
        #[arg(long, requires = "account_id")]
        account_root: bool,
        #[command(flatten)]
        said: Said,
    },
    /// All users.
    Ls,
    /// One user: all but its secrets.
    Info {
        /// Its id.
        uid: String,
        /// Also how much its buckets hold.
        #[arg(long)]
        stats: bool,
    },
    /// Change what is said of a user.
    Modify {
        /// Its id.
        uid: String,
        #[command(flatten)]
        said: Said,
    },
    /// Refuse a user's requests.
    Suspend {
        /// Its id.
        uid: String,
    },
    /// Serve a suspended user again.
    Enable {
        /// Its id.
        uid: String,
    },
    /// Remove a user.
    Rm {
        /// Its id.
        uid: String,
        /// With all its buckets and all that is in them, for good; without it, users who own buckets stay.
        #[arg(long)]
        purge_data: bool,
    },
    /// Keys of a user.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Subusers, which act in their user's name as far as they are let.
    #[command(subcommand)]
    Subuser(SubuserCommand),
    /// How much a user may store.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// What a user may administer through the Admin Ops API.
    #[command(subcommand)]
    Caps(CapsCommand),
}

#[derive(Subcommand)]
pub(crate) enum SubuserCommand {
    /// Make a subuser with a key pair of its own; of one that is there, only the level changes.
    Create {
        /// The user's id.
        uid: String,
        /// The subuser's name.
        name: String,
        /// What it may do: read, write, readwrite or full.
        #[arg(long, default_value = "full")]
        access: String,
    },
    /// Remove a subuser with its keys.
    Rm {
        /// The user's id.
        uid: String,
        /// The subuser's name.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct Said {
    /// Its name for people.
    #[arg(long)]
    pub display_name: Option<String>,
    /// Its e-mail address; "": none.
    #[arg(long)]
    pub email: Option<String>,
    /// The most buckets it may own; 0: any number, -1: none.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_buckets: Option<i32>,
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Add a key pair.
    Create {
        /// The user's id.
        uid: String,
        /// Access key; drawn at random if absent.
        #[arg(long, requires = "secret_key")]
        access_key: Option<String>,
        /// Secret key. Others on this host see what stands here (`ps`): say - and give it on standard input, or put it into
        /// NACRE_SECRET_KEY.
        #[arg(long, requires = "access_key", env = "NACRE_SECRET_KEY", hide_env_values = true)]
        secret_key: Option<String>,
    },
    /// The access keys of a user.
    Ls {
        /// The user's id.
        uid: String,
    },
    /// Remove a key pair.
    Rm {
        /// The user's id.
        uid: String,
        /// The access key.
        access_key: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// All buckets of the user together.
    User,
    /// Each of its buckets that has no quota of its own.
    Bucket,
}

#[derive(Subcommand)]
pub(crate) enum QuotaCommand {
    /// Set a quota; it holds from then on.
    Set {
        /// The user's id.
        uid: String,
        /// What is limited.
        #[arg(long, value_enum, default_value_t = Scope::User)]
        scope: Scope,
        #[command(flatten)]
        limits: Limits,
    },
    /// Let a quota hold again.
    Enable {
        /// The user's id.
        uid: String,
        /// What is limited.
        #[arg(long, value_enum, default_value_t = Scope::User)]
        scope: Scope,
    },
    /// Let a quota rest.
    Disable {
        /// The user's id.
        uid: String,
        /// What is limited.
        #[arg(long, value_enum, default_value_t = Scope::User)]
        scope: Scope,
    },
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Limits {
    /// The most bytes, as 10G; -1: any number.
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_negative_numbers = true)]
    pub max_size: Option<i64>,
    /// The most objects; -1: any number.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub max_objects: Option<i64>,
}

/// A size, or a negative number for no limit.
fn limit(text: &str) -> Result<i64, String> {
    if let Ok(n @ ..0) = text.parse::<i64>() {
        return Ok(n);
    }
    i64::try_from(crate::size::parse(text)?).map_err(|_| format!("{text} is too much"))
}

#[derive(Subcommand)]
pub(crate) enum CapsCommand {
    /// Add capabilities.
    Add {
        /// The user's id.
        uid: String,
        /// As "users=*;buckets=read".
        caps: String,
    },
    /// Take capabilities away.
    Rm {
        /// The user's id.
        uid: String,
        /// As "users=*;buckets=read".
        caps: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_sizes_or_none() {
        assert_eq!(limit("10G"), Ok(10 << 30));
        assert_eq!(limit("-1"), Ok(-1));
        assert_eq!(limit("0"), Ok(0));
        assert!(limit("many").is_err());
    }
}
