//! How an NBD door is guarded: its words on the command line, which are kept in a gateway's settings too.

use crate::exit::{Context, Failure};
use clap::Args;
use gateway_nbd::{NbdTls, Rule, check_door};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// TLS and access of an NBD door.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NbdDoor {
    /// Serve NBD by TLS: the certificate chain (PEM). Clients that do not ask for TLS are refused.
    #[arg(long = "nbd-cert", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long = "nbd-key", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Let in only clients with a certificate of these authorities (PEM).
    #[arg(long = "nbd-client-ca", value_name = "FILE", requires = "cert")]
    pub client_ca: Option<PathBuf>,
    /// Serve clients that do not ask for TLS in clear.
    #[arg(long = "nbd-tls-optional", requires = "cert")]
    pub tls_optional: bool,
    /// Who may use which images (repeatable; without any, everybody may use all): CLIENT=POOL/IMAGE, CLIENT=POOL/*
    /// or CLIENT=*, then :ro for reading only. CLIENT is a DNS name in the client's certificate, or * for everybody.
    #[arg(long = "nbd-allow", value_name = "RULE", value_parser = rule)]
    pub allow: Vec<String>,
    /// Serve NBD also on an address that other hosts reach without asking for certificates: everybody there can read
    /// and write every image.
    #[arg(long = "nbd-insecure")]
    pub insecure: bool,
}

fn rule(text: &str) -> Result<String, String> {
    text.parse::<Rule>().map(|_| text.to_string())
}

impl NbdDoor {
    /// The same with files that are found from wherever a daemon is started.
    pub(crate) fn absolute(&self) -> NbdDoor {
        let whole = |path: &Option<PathBuf>| {
            path.as_deref().map(|p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf()))
        };
        NbdDoor {
            cert: whole(&self.cert),
            key: whole(&self.key),
            client_ca: whole(&self.client_ca),
            ..self.clone()
        }
    }

    /// What was there before, with what was said in its place. Nothing that guards the door goes because it is not repeated.
    pub(crate) fn over(self, before: &NbdDoor) -> NbdDoor {
        let before = before.clone();
        NbdDoor {
            cert: self.cert.or(before.cert),
            key: self.key.or(before.key),
            client_ca: self.client_ca.or(before.client_ca),
            tls_optional: self.tls_optional || before.tls_optional,
            allow: if self.allow.is_empty() { before.allow } else { self.allow },
            insecure: self.insecure || before.insecure,
        }
    }

    /// The certificate; none: NBD in clear. One sentence if it cannot be used.
    pub(crate) fn tls(&self) -> Result<Option<NbdTls>, Failure> {
        let Some((cert, key)) = self.cert.as_ref().zip(self.key.as_ref()) else { return Ok(None) };
        let tls = NbdTls::open(cert, key, self.client_ca.as_deref(), !self.tls_optional);
        tls.map(Some).or_unusable("the certificates of NBD cannot be used")
    }

    /// Whether it may be opened at this address.
    pub(crate) fn check(&self, addr: SocketAddr) -> Result<(), Failure> {
        check_door(addr, self.tls()?.as_ref(), self.insecure).map_err(Failure::unusable)
    }

    /// The rules.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, Failure> {
        let parsed: Result<Vec<Rule>, String> = self.allow.iter().map(|text| text.parse()).collect();
        parsed.map_err(Failure::unusable)
    }
}
