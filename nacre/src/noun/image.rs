//! `nacre image`: block images.

use super::answer::failure;
use super::image_copy;
use super::image_diff;
use super::image_keep;
use super::image_names;
use super::image_pools;
use super::image_snap;
use crate::cli::{Format, Global, ImageCommand};
use crate::cluster::layout::Layout;
use crate::cluster::settings::ClusterSettings;
use crate::exit::{Context, Failure};
use crate::{session, size, table};
use gateway_block::{BlockError, ImageInfo, Images, Layout as Striping};
use gateway_client::{Client, ClientError};
use gateway_nbd::split_name;
use placement_map::{Command, PoolCreate, RefusalKind};
use std::net::SocketAddr;

/// The pool that is made when its first image is.
const POOL_DEFAULT: &str = "rbd";

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &ImageCommand) -> Result<(), Failure> {
    let client = session::open(global).await?;
    match command {
        ImageCommand::Create { image, size, object_size, data_pool } => {
            create(global, &client, image, (*size, *object_size), data_pool.as_deref()).await
        }
        ImageCommand::Ls { pool } => list(global, &client, pool).await,
        ImageCommand::Info { image } => {
            let (images, name) = find(&client, image);
            let info = images.info(name).await.map_err(answer)?;
            show_info(global, images.pool(), &info);
            Ok(())
        }
        ImageCommand::Resize { image, size, allow_shrink } => {
            let (images, name) = find(&client, image);
            let before = images.resize(name, *size, *allow_shrink, &owner()?).await.map_err(answer)?;
            let (before, now) = (size::show(before), size::show(*size));
            done(
                global,
                &format!("{image} has {now} now, and had {before}; clients see it when they connect again"),
            );
            Ok(())
        }
        ImageCommand::Rename { image, to } => {
            let (images, name) = find(&client, image);
            let (pool, new) = split_name(to);
            if to.contains('/') && pool != images.pool() {
                return Err(Failure::unusable(format!(
                    "{image} cannot move to the pool {pool}; only its name changes"
                )));
            }
            image_names::check(new)?;
            images.rename(name, new).await.map_err(answer)?;
            done(global, &format!("{image} is {}/{new} now", images.pool()));
            Ok(())
        }
        ImageCommand::Rm { image } => {
            let (images, name) = find(&client, image);
            images.remove(name, &owner()?).await.map_err(answer)?;
            done(global, &format!("{image} removed"));
            Ok(())
        }
        ImageCommand::Du { image } => {
            let (images, name) = find(&client, image);
            let usage = images.usage(name).await.map_err(answer)?;
            match global.format {
                Format::Plain => println!(
                    "{image}: {} used of {}, in {} objects; {} more kept by its snapshots",
                    size::show(usage.used),
                    size::show(usage.provisioned),
                    usage.objects,
                    size::show(usage.kept)
                ),
                Format::Json => println!(
                    "{}",
                    serde_json::json!({
                        "used": usage.used, "provisioned": usage.provisioned, "objects": usage.objects,
                        "kept_by_snapshots": usage.kept,
                    })
                ),
            }
            Ok(())
        }
        ImageCommand::Snap { command } => image_snap::run(global, &client, command).await,
        ImageCommand::Clone { snapshot, image, data_pool } => {
            image_snap::clone(global, &client, snapshot, image, data_pool.as_deref()).await
        }
        ImageCommand::Flatten { image } => image_snap::flatten(global, &client, image).await,
        ImageCommand::Children { snapshot } => image_snap::children(global, &client, snapshot).await,
        ImageCommand::Trash(command) => image_keep::trash(global, &client, command, &owner()?).await,
        ImageCommand::Meta(command) => image_keep::meta(global, &client, command).await,
        ImageCommand::Qos(args) => image_keep::qos(global, &client, args).await,
        ImageCommand::Export(args) => image_copy::export(global, &client, args).await,
        ImageCommand::Import(args) => image_copy::import(global, &client, args).await,
        ImageCommand::ExportDiff(args) => image_diff::export(global, &client, args).await,
        ImageCommand::ImportDiff(args) => image_diff::import(global, &client, args).await,
        ImageCommand::Map { image } => map(global, &client, image).await,
    }
}

pub(super) fn find<'a>(client: &Client, image: &'a str) -> (Images<Client>, &'a str) {
    let (pool, name) = split_name(image);
    (Images::new(client.clone(), pool), name)
}

/// Who takes a lock for the length of one command: each run is somebody else.
pub(super) fn owner() -> Result<String, Failure> {
    let drawn = getrandom::u64().or_unusable("no entropy")?;
    Ok(format!("{}.{drawn:x}", session::ADMIN))
}

pub(super) fn answer(error: BlockError) -> Failure {
    Failure::no(error)
}

pub(super) fn done(global: &Global, what: &str) {
    match global.format {
        Format::Plain => println!("{what}"),
        Format::Json => println!("{}", serde_json::json!({ "done": what })),
    }
}

async fn create(
    global: &Global,
    client: &Client,
    image: &str,
    (size, object_size): (u64, u64),
    data_pool: Option<&str>,
) -> Result<(), Failure> {
    let striping = Striping::of_object_bytes(object_size).map_err(answer)?;
    let companion = match (image.contains('/'), data_pool) {
        (false, Some(data_pool)) => image_pools::companion_of(client, data_pool),
        _ => None,
    };
    let (images, name) = match companion {
        Some(pool) => (Images::new(client.clone(), pool), image),
        None => find(client, image),
    };
    image_pools::check(client, images.pool(), name, data_pool)?;
    let images = images.with_data_pool(data_pool.map(str::to_owned));
    // A name that is refused must not leave a pool behind.
    image_names::check(name)?;
    make_default_pool(client, images.pool()).await?;
    images.create(name, size, striping).await.map_err(answer)?;
    done(global, &format!("{}/{name} made, {}", images.pool(), size::show(size)));
    Ok(())
}

/// The first image of the default pool brings that pool along.
pub(super) async fn make_default_pool(client: &Client, pool: &str) -> Result<(), Failure> {
    if pool != POOL_DEFAULT || client.map().pool_id(POOL_DEFAULT).is_some() {
        return Ok(());
    }
    let pool =
        PoolCreate { name: POOL_DEFAULT.into(), application: POOL_DEFAULT.into(), ..PoolCreate::default() };
    match client.command(Command::PoolCreate(pool)).await {
        Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::Exists => Ok(()),
        other => other.map(drop).map_err(failure),
    }
}

async fn list(global: &Global, client: &Client, pool: &str) -> Result<(), Failure> {
    let images = Images::new(client.clone(), pool);
    let mut infos = Vec::new();
    for row in images.list().await.map_err(answer)? {
        match images.info(&row.name).await {
            Ok(info) => infos.push(info),
            // Removed while the list was made.
            Err(BlockError::NoSuchImage { .. }) => {}
            Err(other) => return Err(answer(other)),
        }
    }
    match global.format {
        Format::Json => {
            let rows: Vec<_> = infos.iter().map(|i| json(pool, i)).collect();
            println!("{}", serde_json::json!({ "images": rows }));
        }
        Format::Plain => {
            let row = |i: &ImageInfo| {
                let holder = i.holder.as_ref().map_or_else(String::new, |h| h.owner.clone());
                vec![
                    i.name.clone(),
                    size::show(i.header.size),
                    size::show(i.header.layout.object_bytes()),
                    holder,
                ]
            };
            let rows: Vec<Vec<String>> = infos.iter().map(row).collect();
            print!("{}", table::render(&["NAME", "SIZE", "OBJECTS OF", "IN USE BY"], &rows));
        }
    }
    Ok(())
}

fn json(pool: &str, info: &ImageInfo) -> serde_json::Value {
    serde_json::json!({
        "pool": pool, "name": info.name, "id": info.id, "size": info.header.size,
        "object_size": info.header.layout.object_bytes(), "data_prefix": info.header.data_prefix,
        "data_pool": info.header.data_pool.as_deref().unwrap_or(pool),
        "created_ms": info.header.created.millis(), "snapshots": info.header.snapshots.len(),
        "parent": info.header.parent.as_ref().map(|p| serde_json::json!({
            "pool": p.pool, "id": p.image, "snapshot_id": p.snap.0, "overlap": p.overlap,
        })),
        "in_use_by": info.holder.as_ref().map(|h| &h.owner),
    })
}

fn show_info(global: &Global, pool: &str, info: &ImageInfo) {
    if global.format == Format::Json {
        println!("{}", json(pool, info));
        return;
    }
    let h = &info.header;
    println!("{pool}/{}", info.name);
    println!("  size         {} ({} bytes)", size::show(h.size), h.size);
    println!("  objects      {}.NNNNNNNNNNNNNNNN of {}", h.data_prefix, size::show(h.layout.object_bytes()));
    println!("  data in      {}", h.data_pool.as_deref().unwrap_or(pool));
    println!("  made         {} s after 1970", h.created.seconds());
    println!("  snapshots    {}", h.snapshots.len());
    if let Some(p) = &h.parent {
        println!(
            "  clone of     {}/(id {}), snapshot {}, the first {} bytes",
            p.pool, p.image, p.snap.0, p.overlap
        );
    }
    println!("  in use by    {}", info.holder.as_ref().map_or("nobody", |x| x.owner.as_str()));
}

/// Prints the ready lines for those who mount disks.
async fn map(global: &Global, client: &Client, image: &str) -> Result<(), Failure> {
    let (images, name) = find(client, image);
    images.info(name).await.map_err(answer)?;
    let root = std::path::absolute(&global.data).or_unusable(global.data.display())?;
    let settings = ClusterSettings::load(&Layout::new(&root))?;
    let gateway = settings.map(|s| s.gateway);
    let door = gateway.as_ref().and_then(|g| g.nbd).ok_or_else(|| {
        Failure::no("this cluster serves no NBD; start `nacre up` again, or `nacre nbd serve --listen ADDR`")
    })?;
    let tls = gateway.is_some_and(|g| g.nbd_door.cert.is_some());
    let export = format!("{}/{name}", images.pool());
    match global.format {
        Format::Plain if tls => print!("{}", lines_by_tls(door, &export)),
        Format::Plain => print!("{}", lines(door, &export)),
        Format::Json => println!(
            "{}",
            serde_json::json!({
                "uri": format!("{}://{door}/{export}", if tls { "nbds" } else { "nbd" }), "export": export,
                "host": door.ip().to_string(), "port": door.port(), "tls": tls,
            })
        ),
    }
    Ok(())
}

/// The lines where TLS is asked for. CERTS: a folder with ca-cert.pem, client-cert.pem and client-key.pem.
fn lines_by_tls(door: SocketAddr, export: &str) -> String {
    let (host, port) = (door.ip(), door.port());
    format!(
        "URI (CERTS: a folder with ca-cert.pem, client-cert.pem and client-key.pem)
  nbds://{door}/{export}?tls-certificates=CERTS

QEMU
  -object tls-creds-x509,id=tls0,dir=CERTS,endpoint=client
  -blockdev driver=nbd,node-name=disk0,server.type=inet,server.host={host},server.port={port},export={export},tls-creds=tls0,discard=unmap
  -device virtio-blk-pci,drive=disk0

libvirt
  <disk type='network' device='disk'>
    <driver name='qemu' type='raw' discard='unmap'/>
    <source protocol='nbd' name='{export}' tls='yes'><host name='{host}' port='{port}'/></source>
    <target dev='vda' bus='virtio'/>
  </disk>

Linux
  nbd-client -N '{export}' -b 4096 -x -F CERTS/client-cert.pem -K CERTS/client-key.pem -A CERTS/ca-cert.pem {host} {port} /dev/nbd0
"
    )
}

fn lines(door: SocketAddr, export: &str) -> String {
    let (host, port) = (door.ip(), door.port());
    format!(
        "URI
  nbd://{door}/{export}

QEMU
  -blockdev driver=nbd,node-name=disk0,server.type=inet,server.host={host},server.port={port},export={export},discard=unmap
  -device virtio-blk-pci,drive=disk0

  qemu-img convert -n -O raw DISK.qcow2 'nbd://{door}/{export}'

libvirt
  <disk type='network' device='disk'>
    <driver name='qemu' type='raw' discard='unmap'/>
    <source protocol='nbd' name='{export}'><host name='{host}' port='{port}'/></source>
    <target dev='vda' bus='virtio'/>
  </disk>

Proxmox (qm set VMID)
  --args '-drive file=nbd:{host}:{port}:exportname={export},if=virtio,format=raw,discard=unmap'

Linux
  nbd-client -N '{export}' -b 4096 {host} {port} /dev/nbd0

systemd (a line in /etc/nbdtab makes nbd@nbd0.service; Debian's package nbd-client)
  nbd0 {host} {export} port={port},bs=4096,persist
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_the_export_and_the_door() {
        let text = lines("127.0.0.1:10809".parse().unwrap(), "rbd/vm-1");
        for line in
            ["nbd://127.0.0.1:10809/rbd/vm-1", "export=rbd/vm-1", "port='10809'", "exportname=rbd/vm-1"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        let text = lines_by_tls("127.0.0.1:10809".parse().unwrap(), "rbd/vm-1");
        assert!(
            text.contains("nbds://127.0.0.1:10809/rbd/vm-1") && text.contains("tls-creds=tls0"),
            "{text}"
        );
    }
}
