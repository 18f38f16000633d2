//! Where a gateway serves and how its doors are guarded: the words on the command line, for `up` and `gateway add` alike.

use super::nbd_door::NbdDoor;
use crate::cluster::settings::GatewaySettings;
use crate::exit::{Context, Failure};
use clap::Args;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The doors of a gateway.
#[derive(Args, Clone)]
pub(crate) struct GatewayDoors {
    /// Where S3 is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    pub s3: SocketAddr,
    /// Where the admin API is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    pub admin: SocketAddr,
    /// Where block images are served over NBD: without client certificates, an address that only this host reaches.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10809")]
    pub nbd: SocketAddr,
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
    /// Whether each can be opened.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.nbd_door.check(self.nbd)?;
        if let Some((cert, key)) = self.s3_cert.as_ref().zip(self.s3_key.as_ref()) {
            gateway_s3::S3Tls::open(cert, key).or_unusable("--s3-cert and --s3-key")?;
        }
        for (what, flag, addr) in
            [("S3", "--s3", self.s3), ("the admin API", "--admin", self.admin), ("NBD", "--nbd", self.nbd)]
        {
            port_free(addr).map_err(|e| {
                Failure::unusable(format!(
                    "{addr}, where {what} is to be served, cannot be used ({e}); choose another with {flag}"
                ))
            })?;
        }
        Ok(())
    }

    /// As they are kept.
    pub(crate) fn settings(&self) -> GatewaySettings {
        GatewaySettings {
            s3: self.s3,
            admin: self.admin,
            s3_domains: self.s3_domain.clone(),
            s3_cert: self.s3_cert.as_deref().map(absolute),
            s3_key: self.s3_key.as_deref().map(absolute),
            nbd: Some(self.nbd),
            nbd_door: self.nbd_door.absolute(),
        }
    }
}

/// A daemon may be started from elsewhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn port_free(addr: SocketAddr) -> std::io::Result<()> {
    // std sets SO_REUSEADDR, so connections in TIME_WAIT of a cluster just stopped are no obstacle.
    TcpListener::bind(addr).map(drop)
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

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let failure = doors(&["--s3", &addr]).check().unwrap_err();
        assert!(failure.sentence.contains(&addr) && failure.sentence.contains("--s3"), "{failure}");
        let failure = doors(&["--nbd", "0.0.0.0:10809"]).check().unwrap_err();
        assert!(failure.code == 2 && failure.sentence.contains("--nbd-insecure"), "{failure}");
    }

    /// The daemon runs in another folder than whoever types this.
    #[test]
    fn certificates_are_kept_by_their_whole_path() {
        let kept = doors(&["--s3-cert", "cert.pem", "--s3-key", "key.pem"]).settings();
        assert!(kept.s3_cert.is_some_and(|path| path.is_absolute() && path.ends_with("cert.pem")));
        assert!(kept.s3_key.is_some_and(|path| path.is_absolute() && path.ends_with("key.pem")));
    }
}
