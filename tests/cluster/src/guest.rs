//! A small Linux to boot in a VM: the kernel, busybox and e2fsprogs that `cargo xtask setup` unpacked from Debian's
//! packages, put into an initramfs and into the root file system that it goes over to.

use crate::run::run;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The kernel's modules for disks, in the order in which they need each other.
const MODULES: &[&str] = &[
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
];
/// What mke2fs and e2fsck are linked with.
const LIBRARIES: &[&str] =
    &["libext2fs.so.2", "libcom_err.so.2", "libblkid.so.1", "libuuid.so.1", "libe2p.so.2", "libc.so.6"];
const LOADER: &str = "ld-linux-x86-64.so.2";
const PATIENCE: Duration = Duration::from_secs(60);

/// What the initramfs does: load what disks need, and go over to the first of them.
const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for m in /modules/*; do $b insmod $m; done
$b mount -t ext4 /dev/vda /new || { echo 'NACRE: FAILED no root' > /dev/console; $b reboot -f; }
$b mount --move /dev /new/dev
exec $b switch_root /new /sbin/init
";

/// Where the guest's parts were unpacked.
pub struct Guest {
    parts: PathBuf,
}

impl Guest {
    /// Finds them; says what to do if they are not there.
    pub fn find() -> Guest {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        let parts = cache.unwrap_or_default().join("nacre/guest");
        assert!(
            parts.join("nacre-guest.txt").is_file(),
            "{} is not there: `cargo xtask setup` makes it",
            parts.display()
        );
        Guest { parts }
    }

    /// The kernel.
    pub fn kernel(&self) -> PathBuf {
        let boot = self.parts.join("boot");
        self.only(&boot, |name| name.starts_with("vmlinuz-"))
    }

    fn only(&self, dir: &Path, fits: impl Fn(&str) -> bool) -> PathBuf {
        let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut names = entries.flatten().filter(|e| e.file_name().to_str().is_some_and(&fits));
        names.next().unwrap_or_else(|| panic!("{} lacks a part of the guest", dir.display())).path()
    }

    /// A file of the packages, wherever this release of Debian has it.
    fn file(&self, folders: &[&str], name: &str) -> PathBuf {
        let paths = folders.iter().map(|folder| self.parts.join(folder).join(name));
        let found = paths.into_iter().find(|p| p.exists());
        let found = found.unwrap_or_else(|| panic!("the guest lacks {name}"));
        std::fs::canonicalize(&found).unwrap_or_else(|e| panic!("{}: {e}", found.display()))
    }

    fn busybox(&self) -> PathBuf {
        self.file(&["bin", "usr/bin"], "busybox")
    }

    /// Writes the initramfs.
    pub fn initramfs(&self, to: &Path) {
        let kernel = self.only(&self.parts.join("lib/modules"), |_| true).join("kernel");
        let mut archive = Archive::default();
        for dir in ["bin", "dev", "modules", "new"] {
            archive.dir(dir);
        }
        archive.file("bin/busybox", &read(&self.busybox()));
        archive.file("init", INIT.as_bytes());
        for (i, module) in MODULES.iter().enumerate() {
            archive.file(&format!("modules/{i}.ko"), &read(&kernel.join(module)));
        }
        write(to, &archive.end());
    }

    /// Writes a root file system of `mib` MiB with the guest's programs, whose `/sbin/init` is this script. Made by
    /// mke2fs of the host, without root.
    pub fn root(&self, init: &str, folder: &Path, to: &Path, mib: u64) {
        for dir in ["bin", "sbin", "dev", "proc", "mnt", "tmp", "etc", "lib64", "lib/x86_64-linux-gnu"] {
            std::fs::create_dir_all(folder.join(dir)).unwrap_or_else(|e| panic!("{dir}: {e}"));
        }
        let copy = |from: &Path, to: &str| {
            std::fs::copy(from, folder.join(to)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
        };
        copy(&self.busybox(), "bin/busybox");
        for program in ["mke2fs", "e2fsck"] {
            copy(&self.file(&["sbin", "usr/sbin"], program), &format!("sbin/{program}"));
        }
        let folders = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
        for library in LIBRARIES {
            copy(&self.file(&folders, library), &format!("lib/x86_64-linux-gnu/{library}"));
        }
        copy(&self.file(&folders, LOADER), &format!("lib64/{LOADER}"));
        copy(&self.file(&["etc"], "mke2fs.conf"), "etc/mke2fs.conf");
        write(&folder.join("sbin/init"), init.as_bytes());
        executable(&folder.join("sbin/init"));
        let mut make = Command::new(find_mke2fs());
        make.args(["-q", "-t", "ext4", "-d"]).arg(folder).arg(to).arg(format!("{mib}M"));
        run(&mut make, PATIENCE).ok();
    }
}

/// The host's; /sbin is not on everybody's PATH.
fn find_mke2fs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut all = std::env::split_paths(&path).chain(more).map(|dir| dir.join("mke2fs"));
    all.find(|p| p.is_file()).unwrap_or_else(|| panic!("mke2fs (Debian's e2fsprogs) is not installed"))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(path: &Path, data: &[u8]) {
    let mut file = std::fs::File::create(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.write_all(data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// A cpio archive in the "newc" form that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format).
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn dir(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }
    fn file(&mut self, name: &str, data: &[u8]) {
        self.entry(name, 0o100_755, data);
    }
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.entries += 1;
        let fields =
            [self.entries, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08x}").bytes()));
        self.bytes.extend(name.bytes().chain([0]));
        self.align();
        self.bytes.extend(data);
        self.align();
    }
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_laid_out_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.file("init", b"hello");
        let bytes = archive.end();
        assert!(bytes.starts_with(b"07070100000001000081ed"));
        assert_eq!(bytes.len() % 4, 0);
        let name = bytes.windows(5).position(|w| w == b"init\0").unwrap();
        assert_eq!(name, 110);
        assert_eq!(&bytes[116..121], b"hello");
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
