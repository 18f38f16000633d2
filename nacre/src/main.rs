//! The program `nacre`: every daemon, every tool, and the cluster in one command.

#[macro_use]
mod output;

mod cli;
mod cluster;
mod descriptors;
mod exit;
mod keys;
mod noun;
mod progress;
mod session;
mod shutdown;
mod size;
mod table;
mod up;

use clap::Parser;
use cli::{Cli, Command, EcCommand, GatewayCommand, MonCommand, NbdCommand, OsdCommand, RunArgs};
use cluster::settings::DaemonSettings;
use exit::{Context, Failure};
use rustix::fs::Mode;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// One allocator for all: the C library's keeps freed memory of many threads apart, which costs resident
/// memory in the daemons.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    if keeps_secrets(&cli.command) {
        // Stores, logs and settings hold or name secrets: what daemons make is their user's alone.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
    let done = run(&cli).and_then(|()| match output::lost() {
        Some(why) => Err(Failure::unusable(format!("standard output: {why}"))),
        None => Ok(()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.say(cli.global.format);
            ExitCode::from(failure.code)
        }
    }
}

/// Whether a command makes or runs parts of a cluster. What others print into files that a person names (an exported
/// image, an object) is made as that person's umask says, and so is the socket of `nacre nbd serve --unix`, which QEMU
/// opens as another user.
fn keeps_secrets(command: &Command) -> bool {
    match command {
        Command::Up(_) | Command::Daemon(_) | Command::Cluster(_) | Command::Join(_) | Command::Fsck(_) => {
            true
        }
        Command::Gateway(_) | Command::Auth(_) => true,
        Command::Osd(command) => {
            matches!(command, OsdCommand::Add(_) | OsdCommand::Mkfs(_) | OsdCommand::Run(_))
        }
        Command::Mon(command) => matches!(command, MonCommand::Add | MonCommand::Run(_)),
        _ => false,
    }
}

/// Logs go to standard error, which is a daemon's log file; `NACRE_LOG` sets what is logged.
fn log_to_stderr() {
    // openraft repeats itself five times a second while a monitor is away; what matters the monitor says itself.
    let filter = tracing_subscriber::EnvFilter::try_from_env("NACRE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,openraft=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Up(args) => threads()?.block_on(up::up(global, args)),
        Command::Daemon(command) => one_thread()?.block_on(noun::daemon::run(global, command)),
        Command::Cluster(command) => one_thread()?.block_on(noun::cluster::run(global, command)),
        Command::Join(args) => one_thread()?.block_on(noun::cluster::join(global, args)),
        Command::Gateway(GatewayCommand::Add(args)) => {
            one_thread()?.block_on(noun::gateway_add::add(global, args))
        }
        Command::Fsck(args) => noun::fsck::run(global, args),
        Command::Osd(OsdCommand::Inspect(args)) => noun::osd_inspect::run(global, args),
        Command::Osd(OsdCommand::Mkfs(args)) => noun::osd::mkfs(&settings(args)?),
        Command::Osd(OsdCommand::Run(args)) => one_thread()?.block_on(noun::osd::serve(&settings(args)?)),
        Command::Mon(MonCommand::Run(args)) => one_thread()?.block_on(noun::mon::serve(&settings(args)?)),
        Command::Gateway(GatewayCommand::Run(args)) => {
            threads()?.block_on(noun::gateway::serve(&settings(args)?))
        }
        Command::Nbd(NbdCommand::Serve(args)) => threads()?.block_on(noun::nbd::serve(global, args)),
        Command::Image(command) => one_thread()?.block_on(noun::image::run(global, command)),
        Command::Group(command) => one_thread()?.block_on(noun::group::run(global, command)),
        Command::Status => one_thread()?.block_on(noun::status::run(global)),
        Command::Versions => one_thread()?.block_on(noun::versions::run(global)),
        Command::Health(command) => one_thread()?.block_on(noun::health::run(global, command)),
        Command::Osd(command) => one_thread()?.block_on(noun::osd::run(global, command)),
        Command::Mon(command) => one_thread()?.block_on(noun::mon::run(global, command)),
        Command::Pg(command) => one_thread()?.block_on(noun::pg::run(global, command)),
        Command::Crush(command) => one_thread()?.block_on(noun::crush::run(global, command)),
        Command::Balancer(command) => one_thread()?.block_on(noun::balancer::run(global, command)),
        Command::Scrub(args) => one_thread()?.block_on(noun::scrub::run(global, args)),
        Command::Pool(command) => one_thread()?.block_on(noun::pool::run(global, command)),
        Command::Ec(EcCommand::Profile(command)) => one_thread()?.block_on(noun::ec::run(global, command)),
        Command::Auth(command) => one_thread()?.block_on(noun::auth::run(global, command)),
        Command::Config(command) => one_thread()?.block_on(noun::config::run(global, command)),
        Command::Object(command) => one_thread()?.block_on(noun::object::run(global, command)),
        Command::User(command) => one_thread()?.block_on(noun::user::run(global, command)),
        Command::Account(command) => one_thread()?.block_on(noun::account::run(global, command)),
        Command::Usage(command) => one_thread()?.block_on(noun::usage::run(global, command)),
        Command::Ratelimit(command) => one_thread()?.block_on(noun::ratelimit::run(global, command)),
        Command::S3(command) => one_thread()?.block_on(noun::s3::run(global, command)),
        Command::Bucket(command) => one_thread()?.block_on(noun::bucket::run(global, command)),
    }
}

fn settings(args: &RunArgs) -> Result<DaemonSettings, Failure> {
    DaemonSettings::load(&args.config)
}

/// For tools and for daemons that are one reactor.
fn one_thread() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().or_unusable("no runtime")
}

/// For what serves many connections at once.
fn threads() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().enable_all().build().or_unusable("no runtime")
}
