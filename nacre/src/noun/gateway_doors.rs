//! Where a gateway serves and how its doors are guarded: the words on the command line, for `up` and `gateway add` alike.

use super::nbd_door::NbdDoor;
use crate::cluster::settings::GatewaySettings;
use crate::exit::{Context, Failure};
use clap::Args;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Where NBD is served unless said.
const NBD_PORT: u16 = 10809;

/// The doors of a gateway, as far as they are told. What is absent is as it was before, and else the default.
#[derive(Args, Clone)]
pub(crate) struct GatewayDoors {
    /// Where S3 is served; 127.0.0.1:9000 unless said.
    #[arg(long, value_name = "ADDR")]
    pub s3: Option<SocketAddr>,
    /// Where the admin API is served; 127.0.0.1:9001 unless said.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Where block images are served over NBD: without client certificates, an address that only this host reaches;
    /// 127.0.0.1:10809 unless said.
    #[arg(long, value_name = "ADDR")]
    pub nbd: Option<SocketAddr>,
    /// How it is guarded.
    #[command(flatten)]
    pub nbd_door: NbdDoor,
    /// Host name under which buckets are addressed as BUCKET.NAME (repeatable).
    #[arg(long, value_name = "NAME")]
    pub s3_domain: Vec<String>,
    /// Serve S3 by HTTPS: the certificate chain (PEM). Read again when the file changes.
    #[arg(long, value_name = "FILE", requires = "s3_key")]
    pub s3_cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "s3_cert")]
    pub s3_key: Option<PathBuf>,
}

impl GatewayDoors {
    /// As they are kept, for a gateway that had none.
    pub(crate) fn settings(&self) -> GatewaySettings {
        self.over(&GatewaySettings::on_loopback())
    }

    /// What was there before, with what was said in its place: a certificate or a rule does not go because it is not
    /// repeated.
    pub(crate) fn over(&self, before: &GatewaySettings) -> GatewaySettings {
        let nbd = self.nbd.or(before.nbd).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, NBD_PORT)));
        let whole = |given: &Option<PathBuf>, before: &Option<PathBuf>| {
            given.as_deref().map(absolute).or_else(|| before.clone())
        };
        GatewaySettings {
            s3: self.s3.unwrap_or(before.s3),
            admin: self.admin.unwrap_or(before.admin),
            s3_domains: match self.s3_domain.is_empty() {
                true => before.s3_domains.clone(),
                false => self.s3_domain.clone(),
            },
            s3_cert: whole(&self.s3_cert, &before.s3_cert),
            s3_key: whole(&self.s3_key, &before.s3_key),
            nbd: Some(nbd),
            nbd_door: self.nbd_door.absolute().over(&before.nbd_door),
        }
    }
}

/// Whether each door can be opened.
pub(crate) fn check(doors: &GatewaySettings) -> Result<(), Failure> {
    if let Some(nbd) = doors.nbd {
        doors.nbd_door.check(nbd)?;
    }
    if let Some((cert, key)) = doors.s3_cert.as_ref().zip(doors.s3_key.as_ref()) {
        gateway_s3::S3Tls::open(cert, key).or_unusable("--s3-cert and --s3-key")?;
    }
    let wanted = [
        ("S3", "--s3", Some(doors.s3)),
        ("the admin API", "--admin", Some(doors.admin)),
        ("NBD", "--nbd", doors.nbd),
    ];
    // All are held until the last one is there: two doors at one address take it from each other.
    let mut held = Vec::new();
    for (what, flag, addr) in wanted {
        let Some(addr) = addr else { continue };
        // std sets SO_REUSEADDR, so connections in TIME_WAIT of a cluster just stopped are no obstacle.
        held.push(TcpListener::bind(addr).map_err(|e| {
            Failure::unusable(format!(
                "{addr}, where {what} is to be served, cannot be used ({e}); choose another with {flag}"
            ))
        })?);
    }
    Ok(())
}

/// What differs between two settings of the doors, a sentence each.
pub(crate) fn changes(before: &GatewaySettings, now: &GatewaySettings) -> Vec<String> {
    let mut said = Vec::new();
    let mut tell = |what: &str, before: String, now: String| {
        if before != now {
            said.push(format!("{what}: {before} before, {now} now"));
        }
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map_or("none".into(), |p| p.display().to_string());
    let names = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_string();
    let addr = |addr: Option<SocketAddr>| addr.map_or("nowhere".into(), |a| a.to_string());
    tell("S3 is served at", before.s3.to_string(), now.s3.to_string());
    tell("the admin API is served at", before.admin.to_string(), now.admin.to_string());
    tell("NBD is served at", addr(before.nbd), addr(now.nbd));
    tell("names of S3", names(&before.s3_domains), names(&now.s3_domains));
    tell("certificate of S3", path(&before.s3_cert), path(&now.s3_cert));
    tell("its key", path(&before.s3_key), path(&now.s3_key));
    let (before, now) = (&before.nbd_door, &now.nbd_door);
    tell("certificate of NBD", path(&before.cert), path(&now.cert));
    tell("its key", path(&before.key), path(&now.key));
    tell("authorities of NBD's clients", path(&before.client_ca), path(&now.client_ca));
    tell("NBD in clear beside TLS", yes(before.tls_optional), yes(now.tls_optional));
    tell("rules of NBD", names(&before.allow), names(&now.allow));
    tell("NBD for everybody", yes(before.insecure), yes(now.insecure));
    said
}

/// A daemon may be started from elsewhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn doors(words: &[&str]) -> GatewayDoors {
        match Cli::parse_from([&["nacre", "up"], words].concat()).command {
            Command::Up(args) => args.doors,
            _ => unreachable!("up was asked for"),
        }
    }

    fn refused(words: &[&str]) -> Failure {
        check(&doors(words).settings()).unwrap_err()
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let failure = refused(&["--s3", &addr]);
        assert!(failure.sentence.contains(&addr) && failure.sentence.contains("--s3"), "{failure}");
        let failure = refused(&["--nbd", "0.0.0.0:10809"]);
        assert!(failure.code == 2 && failure.sentence.contains("--nbd-insecure"), "{failure}");
    }

    #[test]
    fn two_doors_at_one_address_are_noticed_before_anything_is_made() {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (one, other) = (free(), free());
        let failure = refused(&["--s3", &one, "--admin", &one, "--nbd", &other]);
        assert!(failure.sentence.contains(&one) && failure.sentence.contains("--admin"), "{failure}");
    }

    /// The daemon runs in another folder than whoever types this.
    #[test]
    fn certificates_are_kept_by_their_whole_path() {
        let kept = doors(&["--s3-cert", "cert.pem", "--s3-key", "key.pem"]).settings();
        assert!(kept.s3_cert.is_some_and(|path| path.is_absolute() && path.ends_with("cert.pem")));
        assert!(kept.s3_key.is_some_and(|path| path.is_absolute() && path.ends_with("key.pem")));
    }

    #[test]
    fn what_is_not_repeated_stays() {
        let made = doors(&[
            "--s3",
            "127.0.0.1:7000",
            "--s3-cert",
            "/c",
            "--s3-key",
            "/k",
            "--s3-domain",
            "s3.home",
            "--nbd-cert",
            "/nc",
            "--nbd-key",
            "/nk",
            "--nbd-client-ca",
            "/ca",
            "--nbd-allow",
            "vm1=rbd/*",
        ]);
        let made = made.settings();
        assert_eq!(doors(&[]).over(&made), made);
        let moved = doors(&["--s3", "127.0.0.1:7001", "--nbd-allow", "vm2=*"]).over(&made);
        assert_eq!(moved.s3_cert, made.s3_cert, "another port, the same certificate");
        assert_eq!(moved.nbd_door.client_ca, made.nbd_door.client_ca);
        assert_eq!(moved.nbd_door.allow, ["vm2=*"]);
        let said = changes(&made, &moved).join("\n");
        assert!(said.contains("127.0.0.1:7000 before") && said.contains("vm1=rbd/* before"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        // What `--reset-doors` does.
        let bare = doors(&[]).settings();
        assert!(bare.s3_cert.is_none() && bare.nbd_door.allow.is_empty());
        assert!(changes(&made, &bare).iter().any(|line| line.contains("certificate of S3: /c before, none")));
    }
}
