//! What building and testing need from the machine: found, or installed after saying so.

mod apt;
mod guest;
mod libclang;
mod python;
mod toolchain;

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use std::path::Path;
use std::process::Command;

/// A program that tests drive or are held against, the Debian package that has it, and what prints its version.
struct Tool {
    program: &'static str,
    package: &'static str,
    /// None: of the same package as the next one.
    version: Option<&'static str>,
}

const fn tool(program: &'static str, package: &'static str, version: Option<&'static str>) -> Tool {
    Tool { program, package, version }
}

const TOOLS: &[Tool] = &[
    tool("rclone", "rclone", Some("version")),
    tool("restic", "restic", Some("version")),
    tool("s3cmd", "s3cmd", Some("--version")),
    tool("s3fs", "s3fs", Some("--version")),
    // Ceph's own placement, which ours is compared with on maps that are new in every run.
    tool("crushtool", "ceph-base", None),
    tool("osdmaptool", "ceph-base", Some("--version")),
    // Mounts the file system of the store's power failures for whoever is not root.
    tool("fusermount3", "fuse3", Some("--version")),
    tool("nbdcopy", "libnbd-bin", Some("--version")),
    tool("qemu-img", "qemu-utils", Some("--version")),
    // Boots a VM from an image; its guest is unpacked by `guest`.
    tool("qemu-system-x86_64", "qemu-system-x86", Some("--version")),
    // The thrasher cuts links with it.
    tool("ip", "iproute2", Some("-V")),
    tool("nbdkit", "nbdkit", Some("--version")),
    tool("fio", "fio", Some("--version")),
];

/// Makes sure that `cargo build` works: a C++ compiler and libclang for RocksDB.
pub(crate) fn ensure_for_building() -> Result<(), Failure> {
    apt::ensure(&missing_for_building(), "to build RocksDB")
}

/// Makes sure that `cargo fmt` and `cargo clippy` work too.
pub(crate) fn ensure_for_fixing(places: &Places) -> Result<(), Failure> {
    ensure_for_building()?;
    toolchain::ensure(places)
}

/// Makes sure that the tests find the tools that they drive, too, and prints which versions they are.
pub(crate) fn ensure_for_testing(places: &Places) -> Result<(), Failure> {
    // One apt run for everything, so that without root one command to type is printed, not one after the other.
    let mut missing = missing_for_building();
    missing.extend(missing_tools());
    missing.extend(python::missing_package(places));
    apt::ensure(&missing, "to build RocksDB, and to test with real clients and against Ceph's own tools")?;
    toolchain::ensure(places)?;
    python::ensure(places)?;
    guest::ensure(places)?;
    print_versions(places);
    Ok(())
}

/// A python3 that can make virtual environments, installed if there is none.
pub(crate) fn python_for_environments() -> Result<std::path::PathBuf, Failure> {
    if let Some(python) = python::find() {
        return Ok(python);
    }
    apt::ensure(&["python3-venv".to_owned()], "to make a Python environment")?;
    python::find().ok_or_else(|| {
        Failure::Machine(
            "no python3 that can make virtual environments, though python3-venv is installed".into(),
        )
    })
}

fn missing_tools() -> Vec<String> {
    let missing = TOOLS.iter().filter(|t| process::which(t.program).is_none());
    let mut packages: Vec<String> = missing.map(|t| t.package.to_owned()).collect();
    packages.dedup();
    packages
}

fn missing_for_building() -> Vec<String> {
    let mut missing = Vec::new();
    // CXX: whoever names a compiler gets that one, and cc's own message when it does not work.
    if std::env::var_os("CXX").is_none()
        && ["c++", "g++", "clang++"].iter().all(|c| process::which(c).is_none())
    {
        missing.push("g++".to_owned());
    }
    missing.extend(libclang::missing_packages(Path::new("/"), apt::default_clang_version));
    missing
}

/// One line per program that a result can depend on.
fn print_versions(places: &Places) {
    let bin = places.venv().join("bin");
    let python_line = "import boto3, botocore, minio; print('boto3', boto3.__version__, 'botocore', botocore.__version__, 'minio', minio.__version__)";
    let mut commands: Vec<Command> = Vec::new();
    let compilers = [("rustc", "--version"), ("c++", "--version")];
    for (program, arg) in
        compilers.into_iter().chain(TOOLS.iter().filter_map(|t| Some((t.program, t.version?))))
    {
        let mut command = Command::new(program);
        command.arg(arg);
        commands.push(command);
    }
    let mut aws = Command::new(bin.join("aws"));
    aws.arg("--version");
    commands.push(aws);
    let mut boto3 = Command::new(bin.join("python3"));
    boto3.args(["-c", python_line]);
    commands.push(boto3);
    for mut command in commands {
        let text = process::probe(&mut command);
        let line = text.as_deref().and_then(|t| t.lines().find(|l| !l.trim().is_empty()));
        println!(
            "  {}",
            line.map_or_else(|| format!("{}: no version", process::describe(&command)), str::to_owned)
        );
    }
}
