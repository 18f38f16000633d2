//! The words of `nacre crush`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum CrushCommand {
    /// Turn a binary map into text, as `crushtool -d` does.
    Decompile {
        /// The binary map.
        file: PathBuf,
        /// Where the text goes; standard output if absent.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Turn a text map into the binary form, as `crushtool -c` does.
    Compile {
        /// The text.
        file: PathBuf,
        /// Where the binary map goes.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Show the cluster's map, or that of a file: a tree, or with --format json all of it.
    Dump {
        /// A map, text or binary; the cluster's if absent.
        file: Option<PathBuf>,
    },
    /// Try mappings out and print them as `crushtool --test` does.
    Test(TestArgs),
    /// Make an empty bucket, to be moved to its place.
    AddBucket {
        /// Its name.
        name: String,
        /// Its type: rack, row, datacenter, root, ...
        #[arg(value_name = "TYPE")]
        kind: String,
    },
    /// Move a bucket with all below it, or an OSD, to a place that exists. Data moves with it.
    Move {
        /// A bucket, or osd.N.
        name: String,
        /// Where to, as root=default datacenter=dc1 rack=r1.
        #[arg(required = true, value_name = "TYPE=NAME")]
        location: Vec<String>,
        #[command(flatten)]
        force: Force,
    },
    /// Change the CRUSH weight of an OSD, or of each OSD below a bucket (1.0 is one TiB by custom).
    Reweight {
        /// A bucket, or osd.N.
        name: String,
        /// The new weight.
        #[arg(allow_negative_numbers = true)]
        weight: f64,
        #[command(flatten)]
        force: Force,
    },
    /// Remove an empty bucket.
    Rm {
        /// Its name.
        name: String,
    },
    /// Rules.
    #[command(subcommand)]
    Rule(RuleCommand),
    /// Give OSDs a device class.
    SetDeviceClass {
        /// ssd, hdd, nvme, or any other name.
        class: String,
        /// As osd.3 or 3.
        #[arg(required = true, value_name = "OSD")]
        osds: Vec<String>,
        #[command(flatten)]
        force: Force,
    },
    /// Take the device class of OSDs away.
    RmDeviceClass {
        /// As osd.3 or 3.
        #[arg(required = true, value_name = "OSD")]
        osds: Vec<String>,
        #[command(flatten)]
        force: Force,
    },
}

#[derive(Args)]
pub(crate) struct Force {
    /// Although a pool cannot be placed any more then.
    #[arg(long)]
    pub force: bool,
}

#[derive(Subcommand)]
pub(crate) enum RuleCommand {
    /// All rules.
    Ls,
    /// Make a rule for copies, each in another bucket of a type.
    CreateReplicated(NewRule),
    /// Make a rule for shards, each in another bucket of a type.
    CreateErasure(NewRule),
    /// Remove a rule that no pool uses.
    Rm {
        /// Its name.
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct NewRule {
    /// Its name.
    pub name: String,
    /// The bucket to start from.
    #[arg(default_value = "default")]
    pub root: String,
    /// The type over which members are spread.
    #[arg(value_name = "TYPE", default_value = "host")]
    pub domain: String,
    /// Only OSDs of this device class.
    pub class: Option<String>,
    /// Multi-AZ: so many members in each of three datacenters, each in another bucket of the type there. With N times
    /// three shards of which N or more are parity, any datacenter may go.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub per_datacenter: u32,
}

#[derive(Args)]
pub(crate) struct TestArgs {
    /// The map, text or binary.
    pub file: PathBuf,
    /// One rule, by number or name; all if absent.
    #[arg(long)]
    pub rule: Option<String>,
    /// Members asked for; what the rule's mask says if absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub num_rep: Option<u32>,
    /// The first seed.
    #[arg(long, value_name = "A", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=0x7fff_fffe))]
    pub min_x: u32,
    /// The last seed.
    #[arg(long, value_name = "B", default_value_t = 1023,
          value_parser = clap::value_parser!(u32).range(0..=0x7fff_fffe))]
    pub max_x: u32,
    /// Mix the seeds as this pool's number would.
    #[arg(long, value_name = "POOL")]
    pub pool_id: Option<u32>,
    /// The in/out weight of one device, 0 to 1 (repeatable).
    #[arg(long, num_args = 2, value_names = ["OSD", "W"], allow_negative_numbers = true)]
    pub weight: Vec<String>,
    /// Print each mapping.
    #[arg(long)]
    pub show_mappings: bool,
    /// Print how many mappings each device got, and how many it should have.
    #[arg(long)]
    pub show_utilization: bool,
    /// Print how many results have which size.
    #[arg(long)]
    pub show_statistics: bool,
    /// Print mappings with too few members.
    #[arg(long)]
    pub show_bad_mappings: bool,
}
