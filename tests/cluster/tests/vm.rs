//! A real VM: a small Linux boots from an image over NBD, makes a file system on another, writes and syncs files, is
//! killed in the middle of that, and boots again: the journals recover, what was synced is there, and fsck finds
//! nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tests_cluster::guest::Guest;
use tests_cluster::run::{Background, tail};
use tests_cluster::settings::{seed, sized};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, say};

/// A guest without hardware help on a machine that compiles beside it.
const PATIENCE: Duration = Duration::from_secs(400);

/// The guest's whole life. Files are numbered, and the number makes the content.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
for w in $($b cat /proc/cmdline); do
  case $w in
    nacre.step=*) step=${w#*=};;
    nacre.files=*) files=${w#*=};;
  esac
done
say() { echo "NACRE: $*" > /dev/console; }
end() { say "$*"; $b reboot -f; }
content() { $b seq $(($1 * 1000)) $(($1 * 1000 + 6000 + $1 % 7 * 1500)); }
[ -n "$($b dmesg | $b grep 'EXT4-fs (vda): recovery complete')" ] && say recovered vda
case $step in
  write)
    /sbin/mke2fs -q -t ext4 -F /dev/vdb || end FAILED mke2fs
    $b mount -t ext4 /dev/vdb /mnt || end FAILED mount
    i=0
    while :; do
      i=$((i + 1))
      content $i | $b dd of=/mnt/$i.new bs=64k conv=fsync 2>/dev/null || end FAILED write
      $b mv /mnt/$i.new /mnt/$i
      # The name, too: another file's sync commits the journal up to it.
      $b dd if=/dev/zero of=/mnt/mark bs=512 count=1 conv=fsync 2>/dev/null || end FAILED sync
      say synced $i
      # Something that nobody waits for, so that a kill finds work under way.
      content $i > /mnt/loose$((i % 5))
      [ $i -gt 3 ] && [ $((i % 3)) = 0 ] && $b rm -f /mnt/loose$(((i + 2) % 5))
    done;;
  check)
    $b mount -t ext4 /dev/vdb /mnt || end FAILED mount
    $b dmesg | $b grep -q 'EXT4-fs (vdb): recovery complete' && say recovered vdb
    i=0
    while [ $i -lt $files ]; do
      i=$((i + 1))
      content $i | $b cmp - /mnt/$i || end FAILED file $i
    done
    say found $i
    $b umount /mnt || end FAILED umount
    /sbin/e2fsck -f -n /dev/vdb > /tmp/said 2>&1 || { $b cat /tmp/said > /dev/console; end FAILED e2fsck; }
    end clean;;
esac
end FAILED no step
"#;

struct Vm {
    process: Background,
    console: PathBuf,
    errors: PathBuf,
}

impl Vm {
    /// Starts it with the words that `nacre image map` gives for QEMU.
    fn start(cluster: &Cluster, guest: &Guest, name: &str, words: &str) -> Vm {
        let console = cluster.beside().join(format!("{name}.console"));
        let errors = cluster.beside().join(format!("{name}.errors"));
        std::fs::write(&console, "").unwrap_or_else(|e| panic!("{}: {e}", console.display()));
        let mut qemu = Command::new("qemu-system-x86_64");
        // Without the hardware's help, which a machine that is a VM itself may promise and not keep.
        qemu.args(["-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config"]);
        qemu.args(["-display", "none", "-no-reboot", "-kernel"]).arg(guest.kernel());
        qemu.arg("-initrd").arg(cluster.beside().join("initramfs"));
        qemu.args(["-append", &format!("console=ttyS0 loglevel=4 panic=-1 {words}")]);
        qemu.arg("-chardev").arg(format!("file,id=console,path={}", console.display()));
        qemu.args(["-serial", "chardev:console"]);
        for (i, image) in ["vm-root", "vm-data"].iter().enumerate() {
            let mapped = cluster.nacre(&["image", "map", image]).ok().out();
            let line = |what: &str| {
                let found = mapped.lines().map(str::trim).find(|line| line.starts_with(what));
                let found = found.unwrap_or_else(|| panic!("no {what} in {mapped}"));
                found[what.len()..].trim().replace("disk0", &format!("disk{i}"))
            };
            qemu.args(["-blockdev", &line("-blockdev"), "-device", &line("-device")]);
        }
        Vm { process: Background::start(&mut qemu, &errors), console, errors }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.console).unwrap_or_default()
    }

    /// kill -9, whatever it is doing; gives how many files it had told to be synced.
    fn kill(self) -> u64 {
        drop(self.process);
        let text = std::fs::read_to_string(&self.console).unwrap_or_default();
        // The last line may be half there.
        let whole = &text[..text.rfind('\n').unwrap_or(0)];
        let told = whole.lines().filter_map(|line| line.split("NACRE: synced ").nth(1));
        told.filter_map(|n| n.trim().parse().ok()).max().unwrap_or(0)
    }

    fn wait<T>(&mut self, what: &str, mut seen: impl FnMut(&str) -> Option<T>) -> T {
        for_condition(what, PATIENCE, || {
            let said = self.said();
            if let Some(found) = seen(&said) {
                return Ok(found);
            }
            let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
            assert!(!said.contains("NACRE: FAILED"), "the guest: {}", tail(&said, 40));
            assert!(self.process.ended().is_none(), "QEMU ended: {errors}\n{}", tail(&said, 40));
            Err(tail(&said, 10))
        })
    }
}

#[test]
fn vm() {
    let guest = Guest::find();
    let mut cluster = Cluster::start("vm", Options { osd_size: "1G", ..Options::default() });
    guest.initramfs(&cluster.beside().join("initramfs"));
    let root = cluster.beside().join("root.img");
    guest.root(INIT, &cluster.beside().join("root"), &root, 32);
    cluster.nacre(&["image", "import", &root.display().to_string(), "vm-root"]).ok();
    cluster.nacre(&["image", "create", "vm-data", "--size", "256M"]).ok();

    let enough = sized(12, 60) + content::mix(&[seed(), 1]) % 8;
    let begun = Instant::now();
    let mut vm = Vm::start(&cluster, &guest, "first", "nacre.step=write");
    vm.wait("the guest to write", |said| said.contains(&format!("NACRE: synced {enough}\r")).then_some(()));
    let synced = vm.kill();
    assert!(synced >= enough, "{synced}");
    say!("  killed after {synced} synced files, {:.0} s after the start", begun.elapsed().as_secs_f64());

    let words = format!("nacre.step=check nacre.files={synced}");
    let mut vm = Vm::start(&cluster, &guest, "second", &words);
    let said = vm.wait("the guest to check", |said| said.contains("NACRE: clean").then(|| said.to_string()));
    for line in [&format!("NACRE: found {synced}"), "NACRE: recovered vda", "NACRE: recovered vdb"] {
        assert!(said.contains(line), "no {line:?} in {}", tail(&said, 40));
    }
    for_condition("QEMU to end", PATIENCE, || vm.process.ended().ok_or("it still runs".to_string()));
    say!(
        "  both journals recovered, {synced} files as they were, fsck clean, {:.0} s in all",
        begun.elapsed().as_secs_f64()
    );
    // Nobody has it any more.
    cluster.nacre(&["image", "rm", "vm-data"]).ok();
    assert_eq!(cluster.stop(), 0);
}
