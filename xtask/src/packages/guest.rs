//! What the test with a real VM boots: Debian's cloud kernel, busybox and e2fsprogs, unpacked from their packages and
//! installed nowhere. Nothing of it needs root.

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Depends on the newest kernel for VMs.
const KERNEL: &str = "linux-image-cloud-amd64";
/// The guest's programs, and the libraries of those that are not static.
const PROGRAMS: &[&str] =
    &["busybox-static", "e2fsprogs", "libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libc6"];
/// What is kept of the kernel's package.
const OF_KERNEL: &[&str] = &[
    "./boot/vmlinuz-*",
    "./lib/modules/*/kernel/drivers/virtio/*",
    "./lib/modules/*/kernel/drivers/block/*",
];
/// Written last: a folder without it was interrupted and is made anew.
const STAMP: &str = "nacre-guest.txt";

/// Makes the folder, unless it is there.
pub(crate) fn ensure(places: &Places) -> Result<(), Failure> {
    let dir = places.guest();
    fs::create_dir_all(&places.cache).map_err(|e| Failure::io("creating", &places.cache, e))?;
    // Two runs at once (two checkouts, one cache) must not build the same folder together.
    let lock_path = places.cache.join("guest.lock");
    let lock = File::create(&lock_path).map_err(|e| Failure::io("creating", &lock_path, e))?;
    lock.lock().map_err(|e| Failure::io("locking", &lock_path, e))?;
    if is_ready(&dir) {
        return Ok(());
    }
    if process::which("apt-get").is_none() || process::which("dpkg-deb").is_none() {
        return Err(Failure::Machine(
            "the test with a VM takes its guest from Debian's packages, and this machine has no apt-get"
                .into(),
        ));
    }
    println!("unpacking {KERNEL}, {} into {}...", PROGRAMS.join(", "), dir.display());
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|e| Failure::io("removing", &dir, e))?;
    }
    let packages = dir.join("packages");
    fs::create_dir_all(&packages).map_err(|e| Failure::io("creating", &packages, e))?;
    let kernel = newest_kernel()?;
    let machine = |e: Failure| {
        Failure::Machine(format!(
            "{e}; run `sudo apt-get update`, then `cargo xtask setup` again (it needs Debian's mirror once)"
        ))
    };
    let mut download = Command::new("apt-get");
    download.current_dir(&packages).args(["download", "-qq"]).arg(&kernel).args(PROGRAMS);
    process::run(&mut download).map_err(machine)?;
    for entry in fs::read_dir(&packages).map_err(|e| Failure::io("reading", &packages, e))? {
        let file = entry.map_err(|e| Failure::io("reading", &packages, e))?.path();
        unpack(&file, &dir)?;
    }
    fs::remove_dir_all(&packages).map_err(|e| Failure::io("removing", &packages, e))?;
    let stamp = dir.join(STAMP);
    fs::write(&stamp, stamp_text()).map_err(|e| Failure::io("writing", &stamp, e))
}

/// The package that the kernel's metapackage depends on.
fn newest_kernel() -> Result<String, Failure> {
    let text = process::probe(Command::new("apt-cache").args(["depends", "--important", KERNEL]));
    text.as_deref().and_then(kernel_in).ok_or_else(|| {
        Failure::Machine(format!(
            "apt knows no {KERNEL}: run `sudo apt-get update`, then `cargo xtask setup`"
        ))
    })
}

/// The name in a line `Depends: linux-image-6.1.0-56-cloud-amd64`.
fn kernel_in(depends: &str) -> Option<String> {
    let name = |line: &str| Some(line.trim().strip_prefix("Depends: ")?.trim().to_owned());
    depends.lines().filter_map(name).find(|name| name.starts_with("linux-image-"))
}

fn unpack(package: &Path, dir: &Path) -> Result<(), Failure> {
    let is_kernel =
        package.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("linux-image"));
    if !is_kernel {
        return process::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(dir));
    }
    // 100 MB of modules that no test loads stay packed.
    let tar = package.with_extension("tar");
    let out = File::create(&tar).map_err(|e| Failure::io("creating", &tar, e))?;
    process::run(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(out))?;
    let mut extract = Command::new("tar");
    extract.arg("-x").arg("-f").arg(&tar).arg("-C").arg(dir).arg("--wildcards").args(OF_KERNEL);
    process::run(&mut extract)?;
    fs::remove_file(&tar).map_err(|e| Failure::io("removing", &tar, e))
}

fn stamp_text() -> String {
    format!("{KERNEL}\n{}\n", PROGRAMS.join("\n"))
}

/// Complete, and made of today's packages.
fn is_ready(dir: &Path) -> bool {
    fs::read_to_string(dir.join(STAMP)).is_ok_and(|text| text == stamp_text())
}

/// Where it is, by the cache folder's rules.
impl Places {
    /// What VMs of tests boot.
    fn guest(&self) -> PathBuf {
        self.cache.join("guest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_kernel_is_what_the_metapackage_depends_on() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(kernel_in(text).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(kernel_in("linux-image-cloud-amd64\n"), None);
    }

    #[test]
    fn an_interrupted_folder_is_not_ready() {
        let scratch = Scratch::new("guest", &["bin/busybox"]);
        assert!(!is_ready(&scratch.dir));
        fs::write(scratch.dir.join(STAMP), stamp_text()).expect("writable");
        assert!(is_ready(&scratch.dir));
    }
}
