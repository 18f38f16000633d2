//! aws-cli, boto3, minio-py, rclone, s3cmd, restic and s3fs, as their packages install them: a round trip each, multipart
//! included.

use std::path::{Path, PathBuf};
use std::process::Command;
use tests_cluster::clients::{client, must};
use tests_cluster::content::{bytes, difference, sha256};
use tests_cluster::mount::Mount;
use tests_cluster::sections::Sections;
use tests_cluster::{Cluster, Options, say};

/// A folder with files around every border: empty, one unit, inline, one data object, several parts.
fn folder(cluster: &Cluster, name: &str) -> PathBuf {
    let root = cluster.beside().join(name);
    let sizes = [0, 1, 4095, 4096, 32 << 10, (32 << 10) + 1, 300_001, (4 << 20) + 5, 20 << 20];
    for (i, size) in sizes.iter().enumerate() {
        let path = root.join(format!("sub {}/file+{i} ä&.bin", i % 3));
        write(&path, &bytes(1000 + i as u64, *size));
    }
    root
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("writable");
    std::fs::write(path, content).expect("writable");
}

fn same(got: &Path, wanted: &[u8]) {
    let got = std::fs::read(got).unwrap_or_else(|e| panic!("{}: {e}", got.display()));
    assert_eq!(difference(&got, wanted), None);
}

fn same_folders(a: &Path, b: &Path) {
    must(Command::new("diff").arg("-r").arg(a).arg(b));
}

fn words<'a>(command: &'a mut Command, text: &str) -> &'a mut Command {
    command.args(text.split_whitespace())
}

fn aws(cluster: &Cluster) {
    let aws = |text: &str| must(words(&mut client(cluster, "aws"), text));
    aws("s3 mb s3://aws-cli");
    let big = bytes(1, 70 << 20);
    let (from, back) = (cluster.beside().join("aws-big"), cluster.beside().join("aws-back"));
    write(&from, &big);
    // 70 MiB in parts of 8 MiB: aws-cli's own default.
    aws(&format!("s3 cp {} s3://aws-cli/big --metadata color=blue", from.display()));
    let head = aws("s3api head-object --bucket aws-cli --key big").out();
    let head: serde_json::Value = serde_json::from_str(&head).expect("aws-cli prints JSON");
    assert_eq!(head["ContentLength"], 70 << 20);
    assert_eq!(head["Metadata"]["color"], "blue");
    assert!(head["ETag"].as_str().is_some_and(|e| e.contains("-9")), "nine parts: {head}");
    aws(&format!("s3 cp s3://aws-cli/big {}", back.display()));
    same(&back, &big);
    // A copy of more than 8 MiB goes by UploadPartCopy.
    aws("s3 cp s3://aws-cli/big s3://aws-cli/copy");
    aws(&format!("s3 cp s3://aws-cli/copy {}", back.display()));
    same(&back, &big);
    let range = aws(&format!(
        "s3api get-object --bucket aws-cli --key big --range bytes=8388600-8388620 {}",
        back.display()
    ));
    assert!(range.out().contains("bytes 8388600-8388620/73400320"), "{}", range.out());
    same(&back, &big[8_388_600..=8_388_620]);
    let (tree, down) = (folder(cluster, "aws-tree"), cluster.beside().join("aws-down"));
    aws(&format!("s3 sync {} s3://aws-cli/tree", tree.display()));
    aws(&format!("s3 sync s3://aws-cli/tree {}", down.display()));
    same_folders(&tree, &down);
    let listed = aws("s3 ls --recursive s3://aws-cli/").out();
    assert_eq!(listed.lines().count(), 11, "{listed}");
    aws("s3 rm --recursive s3://aws-cli/");
    aws("s3 rb s3://aws-cli");
}

fn python(cluster: &Cluster, script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("py").join(script);
    let done = must(client(cluster, "python3").arg(script));
    done.out().lines().for_each(|line| say!("        {line}"));
    assert!(done.out().lines().any(|line| line == "all done"), "{}", done.out());
}

fn rclone(cluster: &Cluster) {
    let rclone = |text: &str| must(words(&mut client(cluster, "rclone"), text));
    let (tree, down) = (folder(cluster, "rclone-tree"), cluster.beside().join("rclone-down"));
    write(&tree.join("large"), &bytes(2, 48 << 20));
    rclone("mkdir nacre:rclone");
    // Parts of 5 MiB, four at once.
    let cut = "--s3-upload-cutoff 5M --s3-chunk-size 5M";
    rclone(&format!("sync {cut} {} nacre:rclone/tree", tree.display()));
    let check = rclone(&format!("check --download {} nacre:rclone/tree", tree.display()));
    assert!(check.err().contains("0 differences found"), "{}", check.err());
    rclone(&format!("copy nacre:rclone/tree {}", down.display()));
    same_folders(&tree, &down);
    rclone("moveto nacre:rclone/tree/large nacre:rclone/moved");
    assert_eq!(
        sha256(&must(words(&mut client(cluster, "rclone"), "cat nacre:rclone/moved")).stdout),
        sha256(&bytes(2, 48 << 20))
    );
    rclone("purge nacre:rclone");
    assert!(!rclone("lsd nacre:").out().contains("rclone"), "the bucket is gone");
}

fn s3cmd(cluster: &Cluster) {
    let (access, secret) = cluster.keys();
    let host = cluster.s3().host;
    let s3cmd = |text: &str| {
        let mut command = client(cluster, "s3cmd");
        command.arg(format!("--access_key={access}")).arg(format!("--secret_key={secret}"));
        words(&mut command, &format!("--no-ssl --host={host} --host-bucket={host} {text}"));
        must(&mut command)
    };
    let (from, back) = (cluster.beside().join("s3cmd-from"), cluster.beside().join("s3cmd-back"));
    let big = bytes(3, 33 << 20);
    write(&from, &big);
    s3cmd("mb s3://s3cmd");
    // s3cmd cuts at 15 MiB by default: three parts.
    s3cmd(&format!("put {} s3://s3cmd/big", from.display()));
    s3cmd(&format!("get --force s3://s3cmd/big {}", back.display()));
    same(&back, &big);
    write(&from, b"small");
    s3cmd(&format!("put {} s3://s3cmd/a/small", from.display()));
    assert!(s3cmd("info s3://s3cmd/a/small").out().contains("5"));
    s3cmd("cp s3://s3cmd/a/small s3://s3cmd/b/small");
    s3cmd(&format!("get --force s3://s3cmd/b/small {}", back.display()));
    same(&back, b"small");
    let listed = s3cmd("ls --recursive s3://s3cmd").out();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    s3cmd("del --recursive --force s3://s3cmd");
    s3cmd("rb s3://s3cmd");
}

fn restic(cluster: &Cluster) {
    let repository = format!("s3:{}/restic/repo", cluster.s3_url());
    let restic = |text: &str| {
        let mut command = client(cluster, "restic");
        command.env("RESTIC_REPOSITORY", &repository);
        must(words(&mut command, text))
    };
    let tree = folder(cluster, "restic-tree");
    restic("init");
    restic(&format!("backup {}", tree.display()));
    write(&tree.join("later"), &bytes(4, 3 << 20));
    restic(&format!("backup {}", tree.display()));
    let check = restic("check --read-data").out();
    assert!(check.contains("no errors were found"), "{check}");
    let down = cluster.beside().join("restic-down");
    restic(&format!("restore latest --target {}", down.display()));
    same_folders(&tree, &down.join(tree.strip_prefix("/").expect("absolute")));
    restic("forget --keep-last 1 --prune");
    let check = restic("check --read-data").out();
    assert!(check.contains("no errors were found"), "{check}");
}

/// What file systems do that objects do not: rename, append, truncate, modes, folders.
fn s3fs(cluster: &Cluster) {
    cluster.s3().make_bucket("s3fs");
    let Some(mount) = Mount::new(cluster, "s3fs") else { return };
    let at = |name: &str| mount.folder().join(name);
    let big = bytes(5, 25 << 20);
    write(&at("dir/sub/big"), &big);
    same(&at("dir/sub/big"), &big);
    write(&at("note"), b"one\n");
    let appended = std::fs::OpenOptions::new().append(true).open(at("note"));
    std::io::Write::write_all(&mut appended.expect("opened"), b"two\n").expect("appended");
    same(&at("note"), b"one\ntwo\n");
    std::fs::rename(at("dir/sub/big"), at("moved")).expect("renamed");
    assert!(!at("dir/sub/big").exists(), "it was moved away");
    same(&at("moved"), &big);
    let file = std::fs::OpenOptions::new().write(true).open(at("moved")).expect("opened");
    file.set_len(1000).expect("truncated");
    drop(file);
    same(&at("moved"), &big[..1000]);
    let tree = folder(cluster, "s3fs-tree");
    must(Command::new("cp").arg("-r").arg(&tree).arg(at("tree")));
    same_folders(&tree, &at("tree"));
    // What others see of it.
    let keys = cluster.s3().list("s3fs");
    assert_eq!(keys.keys().filter(|k| k.starts_with("tree/") && !k.ends_with('/')).count(), 9, "{keys:?}");
    assert_eq!(cluster.s3().get("s3fs", "moved").as_deref(), Some(&big[..1000]));
    std::fs::remove_dir_all(at("tree")).expect("removed");
    std::fs::remove_dir(at("dir/sub")).expect("removed");
    let left: Vec<String> = std::fs::read_dir(mount.folder())
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left.len(), 3, "dir, moved, note: {left:?}");
}

#[test]
fn clients() {
    let cluster = Cluster::start("clients", Options { osd_size: "2G", ..Options::default() });
    let mut sections = Sections::new();
    sections.run("aws-cli: 70 MiB multipart, part copy, range, sync of a tree", || aws(&cluster));
    sections.run("boto3: default checksums, multipart, presign", || {
        python(&cluster, "boto3_round_trip.py");
    });
    for (key, value) in [("rgw_lc_debug_interval", "2"), ("rgw_crypt_kms_keys", "first-key,second-key")] {
        cluster.nacre(&["config", "set", "gateway", key, value]).ok();
    }
    sections.run("boto3: object lock, forms, encryption, lifecycle", || {
        python(&cluster, "boto3_features.py");
    });
    sections.run("minio-py: streams in parts, compose, listings, versions, presign", || {
        python(&cluster, "minio_round_trip.py");
    });
    sections.run("rclone: sync, check --download, copy back, server-side move, purge", || rclone(&cluster));
    sections.run("s3cmd: multipart, copy, recursive delete", || s3cmd(&cluster));
    sections.run("restic: two backups, check --read-data, restore, prune", || restic(&cluster));
    sections.run("s3fs: write, append, rename, truncate, a tree", || s3fs(&cluster));
    sections.finish();
}
