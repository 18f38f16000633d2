//! Installing Debian packages: as root after saying so, otherwise naming the command.

use crate::failure::Failure;
use crate::process;
use std::process::Command;

/// Debian 12's own; used when apt does not know yet what this release has (its lists are empty).
const CLANG_OF_DEBIAN_12: u32 = 14;

/// Makes sure that `packages` are installed; `why` ends the sentence that says so.
pub(crate) fn ensure(packages: &[String], why: &str) -> Result<(), Failure> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if process::which("apt-get").is_none() {
        return Err(Failure::Machine(format!(
            "missing {why}: {names} (Debian's names). This machine has no apt-get; install them its own way"
        )));
    }
    if !is_root() {
        return Err(Failure::Machine(without_root(&names, why)));
    }
    println!("installing {names} {why} (apt-get)...");
    if !all_known(packages) {
        apt(&["update", "-qq"], &[])?;
    }
    let release = backports_of_qemu(packages);
    let install: Vec<&str> =
        INSTALL.iter().copied().chain(release.iter().flat_map(|r| ["-t", r.as_str()])).collect();
    let install = &install[..];
    if let Err(first) = apt(install, packages) {
        // Old lists name versions that the mirror no longer has.
        println!("{first}; trying again with fresh package lists...");
        apt(&["update", "-qq"], &[])?;
        apt(install, packages)?;
    }
    Ok(())
}

/// The release that QEMU's programs are installed from already, if that is not the usual one and more of them are
/// wanted: all must be of one version, and apt would remove those that are there.
fn backports_of_qemu(packages: &[String]) -> Option<String> {
    if !packages.iter().any(|p| p.starts_with("qemu-")) {
        return None;
    }
    let there = ["qemu-utils", "qemu-system-x86"];
    let version = |package| process::probe(Command::new("dpkg-query").args(["-W", "-f=${Version}", package]));
    there.into_iter().filter_map(version).find_map(|version| backports_in(&version))
}

/// `bookworm-backports` for a version such as `1:10.0.2+ds-2+deb13u1~bpo12+1`.
fn backports_in(version: &str) -> Option<String> {
    let release = version.split_once("~bpo")?.1;
    let codename = match release.split('+').next()? {
        "12" => "bookworm",
        "13" => "trixie",
        _ => return None,
    };
    Some(format!("{codename}-backports"))
}

const INSTALL: &[&str] = &["install", "-y", "-qq", "--no-install-recommends"];

/// The major version of clang that this release of Debian uses by default.
pub(crate) fn default_clang_version() -> u32 {
    process::probe(Command::new("apt-cache").args(["depends", "libclang1"]))
        .and_then(|text| clang_version_in(&text))
        .unwrap_or(CLANG_OF_DEBIAN_12)
}

/// The number in a line `Depends: libclang1-14`.
fn clang_version_in(depends: &str) -> Option<u32> {
    depends.lines().find_map(|line| line.trim().strip_prefix("Depends: libclang1-")?.trim().parse().ok())
}

fn without_root(names: &str, why: &str) -> String {
    format!(
        "missing {why}: {names}. Only root can install them, so run this and start again:\n    \
         sudo apt-get update && sudo apt-get install -y --no-install-recommends {names}"
    )
}

fn is_root() -> bool {
    process::probe(Command::new("id").arg("-u")).is_some_and(|uid| uid.trim() == "0")
}

/// Whether apt has heard of every package: else its lists are empty or too old.
fn all_known(packages: &[String]) -> bool {
    packages
        .iter()
        .all(|p| process::probe(Command::new("apt-cache").args(["show", "--no-all-versions", p])).is_some())
}

fn apt(args: &[&str], packages: &[String]) -> Result<(), Failure> {
    let mut command = Command::new("apt-get");
    command.args(args).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command).map_err(|e| Failure::Machine(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_clang_is_what_the_metapackage_depends_on() {
        assert_eq!(clang_version_in("libclang1\n  Depends: libclang1-14\n"), Some(14));
        assert_eq!(clang_version_in("libclang1\n |Depends: other\n  Depends: libclang1-19\n"), Some(19));
        assert_eq!(clang_version_in(""), None);
    }

    #[test]
    fn programs_of_one_source_come_from_one_release() {
        assert_eq!(backports_in("1:10.0.2+ds-2+deb13u1~bpo12+1").as_deref(), Some("bookworm-backports"));
        assert_eq!(backports_in("1:7.2+dfsg-7+deb12u18"), None);
        assert_eq!(backports_of_qemu(&["rclone".to_owned()]), None);
    }

    #[test]
    fn nothing_missing_asks_for_nothing() {
        assert!(ensure(&[], "to test").is_ok());
    }

    #[test]
    fn without_root_the_whole_command_is_named() {
        let text = without_root("g++ rclone", "to build");
        assert!(text.contains("apt-get install -y --no-install-recommends g++ rclone"), "{text}");
    }
}
