//! Tokens: what another host needs to join. One is the keys of the daemons that are to run there, so it is a secret, and
//! the authority's own key never leaves the first host.

use super::super::auth;
use crate::cli::{Format, Global};
use crate::cluster::settings::{Link, Monitor};
use crate::exit::{Context, Failure};
use crate::session;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use gateway_client::Client;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wire_transport::Credential;
use wire_transport::credentials::issue;

/// Tokens begin with it, so that a person sees what it is.
const PREFIX: &str = "nacre-join-1.";
/// The longest token that is read: dozens of keys.
const TOKEN_BYTES_MAX: usize = 1 << 20;

#[derive(Args)]
pub(crate) struct TokenArgs {
    /// OSDs on the other host.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub osds: u32,
    /// A monitor there, too.
    #[arg(long)]
    pub mon: bool,
    /// A gateway there, too.
    #[arg(long)]
    pub gateway: bool,
}

impl TokenArgs {
    /// A token for no daemon would hand out the administrator's key and nothing else.
    fn check(&self) -> Result<(), Failure> {
        match self.osds == 0 && !self.mon && !self.gateway {
            false => Ok(()),
            true => Err(Failure::unusable(
                "--osds 0 without --mon or --gateway: a token is for at least one daemon; say which the other host is to run",
            )),
        }
    }
}

/// What is in a token.
#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) fsid: String,
    pub(super) link: Link,
    pub(super) monitors: Vec<Monitor>,
    pub(super) pool_size: u32,
    pub(super) osd_size: u64,
    pub(super) authority: String,
    /// Keys by name: of its daemons, and the administrator's.
    pub(super) keys: Vec<Key>,
}

/// A daemon's key.
#[derive(Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) name: String,
    certificate: String,
    key: String,
}

impl Token {
    /// The names of its keys with this role, such as `osd`.
    pub(super) fn names(&self, role: &str) -> Vec<String> {
        let of = |name: &String| name.split('.').next() == Some(role);
        self.keys.iter().map(|key| key.name.clone()).filter(of).collect()
    }

    /// Its keys, ready to be kept.
    pub(super) fn credentials(&self) -> Result<Vec<Credential>, Failure> {
        let of = |key: &Key| {
            Ok(Credential {
                fsid: self.fsid.clone(),
                name: key.name.parse().or_unusable("the token")?,
                authority_pem: self.authority.clone(),
                certificate_pem: key.certificate.clone(),
                key_pem: key.key.clone(),
            })
        };
        self.keys.iter().map(of).collect()
    }

    fn write(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).or_unusable("token")?;
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(text)))
    }

    pub(super) fn read(text: &str) -> Result<Token, Failure> {
        let broken = || Failure::unusable("this is no token of `nacre cluster token`, or not all of it");
        let body = text.trim().strip_prefix(PREFIX).filter(|body| body.len() <= TOKEN_BYTES_MAX);
        let bytes = URL_SAFE_NO_PAD.decode(body.ok_or_else(broken)?).map_err(|_| broken())?;
        serde_json::from_slice(&bytes).map_err(|_| broken())
    }
}

/// Makes a token and prints it.
pub(super) async fn make(global: &Global, args: &TokenArgs) -> Result<(), Failure> {
    args.check()?;
    let (layout, settings) = session::here(global)?;
    let dir = layout.keys();
    if !dir.join("ca.key").exists() {
        return Err(Failure::no(format!(
            "the authority's key is not in {}; tokens are made on the host that the cluster was made on",
            dir.display()
        )));
    }
    if settings.here.is_none() {
        return Err(Failure::no(
            "this cluster was made by `nacre up`, for one host: its daemons listen on 127.0.0.1; make one with `nacre cluster init`",
        ));
    }
    let client = session::connect(&layout, &settings).await?;
    let mut names = numbers(&client, "osd", args.osds);
    if args.mon {
        names.extend(numbers(&client, "mon", 1));
    }
    if args.gateway {
        names.extend(numbers(&client, "gateway", 1));
    }
    let mut keys = Vec::new();
    for name in &names {
        let made = issue(&dir, &name.parse().or_unusable(name)?).or_unusable(dir.display())?;
        // From here on nobody else gets its number.
        auth::admit_key(&client, name, made.fingerprint().or_unusable(name)?.to_string()).await?;
        keys.push(Key { name: name.clone(), certificate: made.certificate_pem, key: made.key_pem });
    }
    let admin =
        Credential::load(&dir, &session::ADMIN.parse().or_unusable("name")?).or_unusable(dir.display())?;
    let authority = admin.authority_pem;
    keys.push(Key { name: session::ADMIN.into(), certificate: admin.certificate_pem, key: admin.key_pem });
    let map = client.map();
    let monitors = map.monitors.iter().map(|(name, addr)| Monitor { name: name.clone(), addr: *addr });
    let token = Token {
        fsid: settings.fsid.clone(),
        link: settings.link,
        monitors: monitors.collect(),
        pool_size: settings.pool_size,
        osd_size: settings.osd_size,
        authority,
        keys,
    }
    .write()?;
    match global.format {
        Format::Json => println!("{}", serde_json::json!({ "token": token, "daemons": names })),
        Format::Plain => {
            eprintln!(
                "for {} on another host; it holds their keys and the administrator's, so keep it secret:",
                names.join(", ")
            );
            println!("{token}");
        }
    }
    Ok(())
}

/// Names that nobody has and nobody was promised.
fn numbers(client: &Client, role: &str, count: u32) -> Vec<String> {
    let map = client.map();
    let mut taken: BTreeSet<String> =
        map.keys.iter().filter(|(_, keys)| !keys.is_empty()).map(|(n, _)| n.clone()).collect();
    taken.extend(map.osds.keys().map(ToString::to_string));
    taken.extend(map.monitors.keys().cloned());
    // The first gateway is the first host's.
    let from = u32::from(role == "gateway");
    let free = (from..).map(|n| format!("{role}.{n}")).filter(|name| !taken.contains(name));
    free.take(count as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_nothing_is_refused() {
        let args = |osds, gateway| TokenArgs { osds, mon: false, gateway };
        assert_eq!(args(0, false).check().unwrap_err().code, 2);
        assert!(args(0, true).check().is_ok() && args(1, false).check().is_ok());
    }

    #[test]
    fn tokens_come_back_and_what_is_none_is_refused() {
        let key = Key { name: "osd.3".into(), certificate: "c".into(), key: "k".into() };
        let token = Token {
            fsid: "f00d".into(),
            link: Link::Secure,
            monitors: vec![Monitor { name: "mon.0".into(), addr: "10.0.0.1:3300".parse().unwrap() }],
            pool_size: 3,
            osd_size: 1 << 30,
            authority: "ca".into(),
            keys: vec![key],
        };
        let text = token.write().unwrap();
        let back = Token::read(&format!("{text}\n")).unwrap();
        assert_eq!((back.fsid.as_str(), back.names("osd")), ("f00d", vec!["osd.3".to_string()]));
        assert_eq!(back.credentials().unwrap()[0].key_pem, "k");
        assert!(back.names("mon").is_empty());
        for wrong in ["", "nacre-join-1.", "nacre-join-1.!!", &text[..text.len() - 8], "nacre-join-2.e30"] {
            assert!(Token::read(wrong).is_err(), "{wrong}");
        }
    }
}
