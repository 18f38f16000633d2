//! The words of the command line. What each does is in `noun/`.

use crate::noun::account::AccountCommand;
use crate::noun::bucket::words::BucketCommand;
use crate::noun::cluster::{ClusterCommand, JoinArgs};
use crate::noun::crush::words::CrushCommand;
use crate::noun::fsck::FsckArgs;
use crate::noun::gateway_add::GatewayAddArgs;
use crate::noun::group::GroupCommand;
use crate::noun::image_copy::{ExportArgs, ImportArgs};
use crate::noun::image_diff::{ExportDiffArgs, ImportDiffArgs};
use crate::noun::image_keep::{MetaCommand, QosArgs, TrashCommand};
use crate::noun::nbd_door::NbdDoor;
use crate::noun::osd_inspect::InspectArgs;
use crate::noun::osd_members::{AddArgs, RmArgs, osd_number};
use crate::noun::pool::PoolShape;
use crate::noun::ratelimit::RatelimitCommand;
use crate::noun::s3::S3Command;
use crate::noun::scrub::ScrubArgs;
use crate::noun::usage::UsageCommand;
use crate::noun::user::words::UserCommand;
use crate::size;
pub(crate) use crate::up::UpArgs;
use clap::{Args, Parser, Subcommand};
use placement_map::Flag;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Object and block storage for a private cloud: one program, every part of it.
#[derive(Parser)]
#[command(name = "nacre", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every subcommand takes, before or after its name.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The cluster's directory on this host.
    #[arg(long, global = true, env = "NACRE_DATA", value_name = "DIR", default_value = "nacre-data")]
    pub data: PathBuf,
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Plain)]
    pub format: Format,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Plain,
    /// For programs.
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a whole cluster in the foreground, one process per daemon; run again to resume it.
    Up(UpArgs),
    /// Start or stop one daemon of the cluster.
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// A cluster over several hosts: its first host, tokens for others, this host's daemons.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Join this host to a cluster over several hosts.
    Join(JoinArgs),
    /// What the cluster is doing and whether the data is safe.
    Status,
    /// What each daemon runs, and which feature level the cluster is at.
    Versions,
    /// What is wrong, what it means, and what to do.
    #[command(subcommand)]
    Health(HealthCommand),
    /// Disks and the daemons that serve them.
    #[command(subcommand)]
    Osd(OsdCommand),
    /// Monitors.
    #[command(subcommand)]
    Mon(MonCommand),
    /// Keys: who is admitted, replacing one, keeping one out.
    #[command(subcommand)]
    Auth(crate::noun::auth::AuthCommand),
    /// Placement groups.
    #[command(subcommand)]
    Pg(PgCommand),
    /// Have copies compared: of a PG, of a pool, of those on an OSD, or all. In the background.
    Scrub(ScrubArgs),
    /// Pools.
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Erasure coding: half the disks for the same safety.
    #[command(subcommand)]
    Ec(EcCommand),
    /// The tree of failure domains, its rules, and CRUSH maps in files.
    #[command(subcommand)]
    Crush(CrushCommand),
    /// Even out how many PGs each OSD holds.
    #[command(subcommand)]
    Balancer(BalancerCommand),
    /// Central settings, kept by the monitors.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Objects of a pool, directly.
    #[command(subcommand)]
    Object(ObjectCommand),
    /// S3 users: their keys, limits and capabilities.
    #[command(subcommand)]
    User(UserCommand),
    /// S3 accounts, which own what their users make.
    #[command(subcommand)]
    Account(AccountCommand),
    /// S3 buckets.
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Who used what of S3, by hour and bucket.
    #[command(subcommand)]
    Usage(UsageCommand),
    /// What S3 users and buckets may ask per minute.
    #[command(subcommand)]
    Ratelimit(RatelimitCommand),
    /// What the S3 gateways share.
    #[command(subcommand)]
    S3(S3Command),
    /// Block images.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Groups of block images, whose snapshots are of one moment.
    #[command(subcommand)]
    Group(GroupCommand),
    /// The NBD server by itself.
    #[command(subcommand)]
    Nbd(NbdCommand),
    /// The S3 gateway.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Check a stopped OSD's store: every extent owned once, every checksum; and repair it.
    Fsck(FsckArgs),
}

#[derive(Subcommand)]
pub(crate) enum DaemonCommand {
    /// Start a stopped daemon.
    Start {
        /// As osd.1, mon.0, gateway.0.
        name: String,
    },
    /// Stop a daemon in an orderly way.
    Stop {
        /// As osd.1, mon.0, gateway.0.
        name: String,
    },
    /// Whether a daemon can be stopped now without anybody having to wait for it: exit code 0 yes, 1 no.
    OkToStop {
        /// As osd.1, mon.0, gateway.0.
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum HealthCommand {
    /// Each finding with its meaning and remedy.
    Detail,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The daemon's settings file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum OsdCommand {
    /// The tree of failure domains with the OSDs in it.
    Tree,
    /// Space by OSD.
    Df {
        /// "tree": with the failure domains and their sums.
        #[arg(value_enum)]
        shape: Option<DfShape>,
    },
    /// Where an object lies, whether it exists or not.
    Map {
        /// The pool.
        pool: String,
        /// The object.
        object: String,
        /// The object's namespace.
        #[arg(default_value = "")]
        namespace: String,
    },
    /// The numbers of all OSDs.
    Ls,
    /// The cluster's map as Ceph's binary OSDMap, which `osdmaptool` reads.
    Getmap {
        /// The file to write.
        #[arg(short, long)]
        out: std::path::PathBuf,
    },
    /// Take an OSD out: its data moves elsewhere.
    Out {
        /// As osd.1, or 1.
        #[arg(value_parser = osd_number)]
        id: u32,
    },
    /// Take an OSD back in.
    In {
        /// As osd.1, or 1.
        #[arg(value_parser = osd_number)]
        id: u32,
    },
    /// Declare an OSD down at once instead of waiting for the grace.
    Fail {
        /// As osd.1, or 1.
        #[arg(value_parser = osd_number)]
        id: u32,
    },
    /// Change how much of the data an OSD gets (0.0 to 1.0 of its share).
    Reweight {
        /// As osd.1, or 1.
        #[arg(value_parser = osd_number)]
        id: u32,
        /// The new weight.
        weight: f64,
    },
    /// Make another OSD on this host and start it; data moves to it.
    Add(AddArgs),
    /// Have the cluster forget an OSD that is down and holds nothing that anybody needs.
    Rm(RmArgs),
    /// Set a flag for a while: noout, noin, noup, nodown, norebalance, norecover, nobackfill, noscrub, nodeep-scrub or pause.
    Set {
        /// The flag.
        #[arg(value_parser = flag)]
        flag: String,
    },
    /// Clear a flag.
    Unset {
        /// The flag.
        #[arg(value_parser = flag)]
        flag: String,
    },
    /// Run one OSD in the foreground.
    Run(RunArgs),
    /// Make the store that a settings file describes. A store of the same OSD is left as it is.
    Mkfs(RunArgs),
    /// Look into a stopped OSD's store: superblock, log, objects, omap, extents. Changes nothing.
    Inspect(InspectArgs),
}

/// The name of a flag of the map.
fn flag(text: &str) -> Result<String, String> {
    let known = || Flag::names().collect::<Vec<_>>().join(", ");
    Flag::named(text).map(|_| text.to_owned()).ok_or_else(|| format!("the flags are {}", known()))
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DfShape {
    /// Buckets and OSDs, as they hang.
    Tree,
}

#[derive(Subcommand)]
pub(crate) enum MonCommand {
    /// The monitors and who leads.
    Ls,
    /// Make another monitor on this host and give it a vote. An odd number survives most: 1, 3 or 5.
    Add,
    /// Take a monitor's vote; on its own host it is stopped and its store deleted.
    Rm {
        /// As mon.2.
        name: String,
    },
    /// Run one monitor in the foreground.
    Run(RunArgs),
}

/// Images are named POOL/NAME; without a pool it is `rbd`.
#[derive(Subcommand)]
pub(crate) enum ImageCommand {
    /// Make an image. It takes no space until it is written.
    Create {
        /// As POOL/NAME.
        image: String,
        /// Bytes that its users see, as 10G.
        #[arg(long, value_parser = size::parse)]
        size: u64,
        /// Size of the objects that hold it, a power of two from 64K to 32M.
        #[arg(long, default_value = "4M", value_parser = size::parse)]
        object_size: u64,
        /// The pool of its data, as an erasure-coded one; its name and properties stay in POOL, which is replicated (the
        /// companion of the data pool if only NAME is given).
        #[arg(long, value_name = "POOL")]
        data_pool: Option<String>,
    },
    /// The images of a pool.
    Ls {
        /// The pool.
        #[arg(default_value = "rbd")]
        pool: String,
    },
    /// What an image is, and who has it open.
    Info {
        /// As POOL/NAME.
        image: String,
    },
    /// Change an image's size.
    Resize {
        /// As POOL/NAME.
        image: String,
        /// The new size.
        #[arg(long, value_parser = size::parse)]
        size: u64,
        /// That a smaller size destroys what lies beyond is understood.
        #[arg(long)]
        allow_shrink: bool,
    },
    /// Give an image another name.
    Rename {
        /// As POOL/NAME.
        image: String,
        /// The new name.
        to: String,
    },
    /// Remove an image that nobody has open, with all that is in it.
    Rm {
        /// As POOL/NAME.
        image: String,
    },
    /// How much of an image is used.
    Du {
        /// As POOL/NAME.
        image: String,
    },
    /// Snapshots of images.
    Snap {
        #[command(subcommand)]
        command: ImageSnapCommand,
    },
    /// Make an image that begins as a protected snapshot is, and takes no space until it is written.
    Clone {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
        /// The new image, as POOL/NAME.
        image: String,
        /// The pool of what is written to it; that of its name if absent.
        #[arg(long, value_name = "POOL")]
        data_pool: Option<String>,
    },
    /// Copy into a clone what it has of its parent, so that it needs that no more.
    Flatten {
        /// As POOL/NAME.
        image: String,
    },
    /// The clones of a snapshot.
    Children {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Images without a name, kept until they are restored or purged.
    #[command(subcommand)]
    Trash(TrashCommand),
    /// Keys and values that are kept with an image.
    #[command(subcommand)]
    Meta(MetaCommand),
    /// Set and show how fast an image may be used. Clients notice within seconds.
    Qos(QosArgs),
    /// Write an image, or a snapshot of one, to a file, a pipe or another NBD server.
    Export(ExportArgs),
    /// Make an image of a file (raw, qcow2, vmdk, vhdx), of what comes by a pipe, or of an export of an NBD server.
    Import(ImportArgs),
    /// Write what changed from one snapshot of an image to another.
    ExportDiff(ExportDiffArgs),
    /// Apply such a difference to an image that is as it was where the difference begins.
    ImportDiff(ImportDiffArgs),
    /// The lines with which QEMU, libvirt, Proxmox, nbd-client and systemd use an image.
    Map {
        /// As POOL/NAME.
        image: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ImageSnapCommand {
    /// Keep what an image is now, in use or not. Read it as the export POOL/NAME@SNAPSHOT.
    Create {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// The snapshots of an image.
    Ls {
        /// As POOL/NAME.
        image: String,
    },
    /// Let a snapshot go.
    Rm {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Make an image that nobody has open what it was at a snapshot.
    Rollback {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Guard a snapshot against removal, so that it can be cloned.
    Protect {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
    /// Guard it no longer.
    Unprotect {
        /// As POOL/NAME@SNAPSHOT.
        snapshot: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum NbdCommand {
    /// Serve the cluster's images in the foreground.
    Serve(NbdServeArgs),
}

#[derive(Args)]
pub(crate) struct NbdServeArgs {
    /// Where.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10809")]
    pub listen: SocketAddr,
    /// On a Unix socket instead.
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub unix: Option<PathBuf>,
    /// Serve images to be read only: none is locked, and any number of servers may do so at once.
    #[arg(long)]
    pub read_only: bool,
    /// How it is guarded.
    #[command(flatten)]
    pub door: NbdDoor,
}

#[derive(Subcommand)]
pub(crate) enum GatewayCommand {
    /// Run one gateway in the foreground.
    Run(RunArgs),
    /// Serve S3, NBD and the admin API from this host, in a cluster over several hosts.
    Add(GatewayAddArgs),
}

#[derive(Subcommand)]
pub(crate) enum PgCommand {
    /// All PGs with their states.
    Ls,
    /// One PG in detail.
    Query {
        /// As 2.1f.
        pgid: placement_map::PgId,
    },
    /// Compare a PG's copies by what their indexes say: versions, sizes, digests. Runs in the background.
    Scrub {
        /// As 2.1f.
        pgid: placement_map::PgId,
    },
    /// Read all of a PG's copies, hold them against their checksums and against each other, and write again what
    /// fails its checksum from a copy that does not. Runs in the background.
    DeepScrub {
        /// As 2.1f.
        pgid: placement_map::PgId,
    },
    /// The same as deep-scrub: what can be proved to be right is repaired, what cannot is left and listed.
    Repair {
        /// As 2.1f.
        pgid: placement_map::PgId,
    },
    /// The objects of a PG whose copies differ or are bad, with what is wrong, in the words of rados
    /// list-inconsistent-obj.
    ListInconsistent {
        /// As 2.1f.
        pgid: placement_map::PgId,
    },
    /// Give up what an incomplete PG held and let it begin empty (an erasure-coded one) or with what its first OSD still
    /// has (a replicated one). Objects are gone for good that way.
    Recreate {
        /// As 2.1f.
        pgid: placement_map::PgId,
        /// That this destroys data is understood.
        #[arg(long)]
        yes_i_really_really_mean_it: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// All pools.
    Ls,
    /// Make a pool: replicated, or erasure-coded with --ec.
    Create {
        /// Its name.
        name: String,
        #[command(flatten)]
        shape: PoolShape,
    },
    /// Remove a pool with all that is in it, for good.
    Rm {
        /// Its name.
        name: String,
        /// That this destroys data is understood.
        #[arg(long)]
        yes_i_really_really_mean_it: bool,
    },
    /// One pool with all that is set of it, or the value of one setting.
    Get {
        /// Its name.
        name: String,
        /// As size, min_size, pg_num, compression_mode, ...; all if absent.
        key: Option<String>,
    },
    /// Change a pool: size, min_size, failure_domain, crush_rule, application, companion (of an erasure-coded one),
    /// quota_bytes, quota_objects.
    Set {
        /// Its name.
        name: String,
        /// What.
        key: String,
        /// To what.
        value: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum EcCommand {
    /// Profiles: which code, how objects are cut, which failures it is laid out against.
    #[command(subcommand)]
    Profile(EcProfileCommand),
}

#[derive(Subcommand)]
pub(crate) enum EcProfileCommand {
    /// All profiles, with what they mean.
    Ls,
    /// Keep a profile under a name.
    Create {
        /// Its name.
        name: String,
        /// As k=4 m=2, also plugin=isa|jerasure|lrc, technique=, l= (lrc), stripe_unit=16K,
        /// crush-failure-domain=host, crush-locality=rack (lrc).
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// One profile (by name), or what settings would mean.
    Show {
        /// A name, or settings as for `create`.
        #[arg(required = true, value_name = "NAME")]
        profile: Vec<String>,
    },
    /// Forget a profile. Pools made with it keep what they have.
    Rm {
        /// Its name.
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum BalancerCommand {
    /// How far the OSDs are from holding what their weights ask for.
    Status,
    /// What `apply` would do.
    Plan(BalancerArgs),
    /// Plan, and carry it out: data moves.
    Apply(BalancerArgs),
}

#[derive(Args)]
pub(crate) struct BalancerArgs {
    /// The most members of PGs that move.
    #[arg(long, value_name = "N")]
    pub max_moves: Option<usize>,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting with its meaning: what was set, then the defaults.
    Ls,
    /// What a daemon goes by: its own value, its role's, everybody's or the default.
    Get {
        /// As osd.1 or gateway.0.
        daemon: String,
        /// The setting.
        key: String,
    },
    /// Set a value.
    Set {
        /// global, a role (osd, mon, gateway) or one daemon (osd.1).
        section: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
    /// Who changed what and when, the newest first.
    Log,
    /// Go back to the settings as they were right after a change.
    Reset {
        /// The change's number in `config log`; 0: before the first.
        version: u64,
    },
    /// Go back to what holds without this value.
    Rm {
        /// As in set.
        section: String,
        /// The setting.
        key: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ObjectCommand {
    /// Store a file as one object ("-": standard input).
    Put {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Fetch one object into a file ("-": standard output).
    Get {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// All objects of a pool.
    Ls {
        /// The pool.
        pool: String,
    },
    /// Size, version and time of an object.
    Stat {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
    },
    /// Remove an object.
    Rm {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
    },
    /// Watch an object: print what its watchers are notified of, and acknowledge it, until stopped.
    Watch {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
        /// Seconds of silence after which the cluster takes this watcher for gone.
        #[arg(long, default_value_t = 30)]
        timeout: u32,
        /// End after so many notifies.
        #[arg(long)]
        count: Option<u64>,
        /// What to answer to each.
        #[arg(long, default_value = "")]
        reply: String,
    },
    /// Notify an object's watchers, and show who acknowledged it; exit code 1 if somebody did not in time.
    Notify {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
        /// What to tell them.
        message: String,
        /// Seconds that they have.
        #[arg(long, default_value_t = 10)]
        timeout: u32,
    },
    /// Who watches an object.
    #[command(name = "listwatchers", visible_alias = "list-watchers")]
    ListWatchers {
        /// The pool.
        pool: String,
        /// The object.
        name: String,
    },
}
