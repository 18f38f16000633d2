//! Keys and certificates: the cluster's authority, made once at bootstrap, and one credential per daemon.
//!
//! A directory of credentials holds `fsid`, `ca.crt`, for the authority also `ca.key`, and `NAME.crt` and
//! `NAME.key` per daemon. Every file is created with mode 0600. Whoever holds `ca.key` can make daemons of
//! this cluster, so it belongs on the host of the first monitor and in a backup, nowhere else.
//! Certificates do not expire: a cluster must not stop because a date passed or a clock is wrong.

use crate::admission::Fingerprint;
use crate::name::PeerName;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why credentials could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is damaged ({reason}); restore it from a backup or issue the credential anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cluster id cannot stand in a certificate.
    #[error("{0:?} is not a cluster id (a UUID in lower case is wanted)")]
    BadFsid(String),
    /// Key generation or signing failed.
    #[error("cannot make a key or certificate: {0}")]
    Crypto(String),
}

impl From<rcgen::Error> for CredentialError {
    fn from(e: rcgen::Error) -> CredentialError {
        CredentialError::Crypto(e.to_string())
    }
}

/// One daemon's proof of who it is: what it needs to connect, and nothing that lets it make others.
#[derive(Clone)]
pub struct Credential {
    /// The cluster.
    pub fsid: String,
    /// The daemon.
    pub name: PeerName,
    /// The authority's certificate, PEM.
    pub authority_pem: String,
    /// The daemon's certificate, PEM.
    pub certificate_pem: String,
    /// The daemon's private key, PEM. Secret.
    pub key_pem: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} of {})", self.name, self.fsid)
    }
}

/// The DNS-shaped name that stands in a daemon's certificate: binds name and cluster.
pub(crate) fn certified_name(name: &PeerName, fsid: &str) -> String {
    format!("{name}{}", suffix(fsid))
}
pub(crate) fn suffix(fsid: &str) -> String {
    format!(".{fsid}.nacre")
}

/// Makes the authority of a new cluster in `dir` (created with mode 0700 if it is missing). An authority that
/// exists already is kept if it is of the same cluster, so that an interrupted bootstrap can be repeated.
pub fn create_authority(dir: &Path, fsid: &str) -> Result<(), CredentialError> {
    check_fsid(fsid)?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| CredentialError::File { action: "create", path: dir.to_path_buf(), source })?;
    if dir.join("ca.crt").exists() && dir.join("ca.key").exists() && dir.join("fsid").exists() {
        let path = dir.join("fsid");
        let theirs = read(&path)?;
        if theirs.trim() == fsid {
            return Ok(());
        }
        let reason = format!("it is of cluster {}, not {fsid}", theirs.trim());
        return Err(CredentialError::Damaged { path, reason });
    }
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = authority_params(fsid).self_signed(&key)?;
    write(&dir.join("ca.key"), &key.serialize_pem())?;
    write(&dir.join("fsid"), &format!("{fsid}\n"))?;
    // Last, so that its presence means the authority is whole.
    write(&dir.join("ca.crt"), &certificate.pem())
}

/// Makes a credential for `name` with the authority in `dir`.
pub fn issue(dir: &Path, name: &PeerName) -> Result<Credential, CredentialError> {
    let fsid = read_fsid(dir)?;
    let path = dir.join("ca.key");
    let damaged = |e: rcgen::Error| CredentialError::Damaged { path: path.clone(), reason: e.to_string() };
    let issuer = Issuer::new(authority_params(&fsid), KeyPair::from_pem(&read(&path)?).map_err(damaged)?);
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut params = CertificateParams::new(vec![certified_name(name, &fsid)])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Credential {
        authority_pem: read(&dir.join("ca.crt"))?,
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        name: name.clone(),
        fsid,
    })
}

impl Credential {
    /// Names its key, for the rules of who is admitted.
    pub fn fingerprint(&self) -> Result<Fingerprint, CredentialError> {
        let certificate = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes());
        let certificate = certificate.map_err(|e| CredentialError::Crypto(format!("certificate: {e}")))?;
        Ok(Fingerprint::of(&certificate))
    }

    /// Keeps the credential in `dir` (created with mode 0700 if missing), replacing an earlier one of that name.
    pub fn save(&self, dir: &Path) -> Result<(), CredentialError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| CredentialError::File { action: "create", path: dir.to_path_buf(), source })?;
        write(&dir.join("fsid"), &format!("{}\n", self.fsid))?;
        write(&dir.join("ca.crt"), &self.authority_pem)?;
        // Key and certificate belong together, and a name can only be moved alone: both are there under other names
        // before the first moves, and a certificate that still has its other name while the key has not is the key's.
        let [key, certificate] = ["key", "crt"].map(|kind| dir.join(format!("{}.{kind}", self.name)));
        write(&next(&key), &self.key_pem)?;
        write(&next(&certificate), &self.certificate_pem)?;
        rename(&next(&key), &key)?;
        rename(&next(&certificate), &certificate)
    }

    /// Reads what `save` kept.
    pub fn load(dir: &Path, name: &PeerName) -> Result<Credential, CredentialError> {
        let [key, certificate] = ["key", "crt"].map(|kind| dir.join(format!("{name}.{kind}")));
        let new = next(&certificate);
        // `save` was cut short between its two moves.
        let half_moved = new.exists() && !next(&key).exists();
        Ok(Credential {
            fsid: read_fsid(dir)?,
            authority_pem: read(&dir.join("ca.crt"))?,
            certificate_pem: read(if half_moved { &new } else { &certificate })?,
            key_pem: read(&key)?,
            name: name.clone(),
        })
    }
}

/// The same parameters each time, so that the authority's key alone is enough to sign as it.
fn authority_params(fsid: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Nacre cluster {fsid}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn check_fsid(fsid: &str) -> Result<(), CredentialError> {
    let good = (1..=63).contains(&fsid.len())
        && fsid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-'))
        && !fsid.starts_with('-')
        && !fsid.ends_with('-');
    if good { Ok(()) } else { Err(CredentialError::BadFsid(fsid.chars().take(80).collect())) }
}

fn read_fsid(dir: &Path) -> Result<String, CredentialError> {
    let path = dir.join("fsid");
    let fsid = read(&path)?.trim().to_string();
    match check_fsid(&fsid) {
        Ok(()) => Ok(fsid),
        Err(e) => Err(CredentialError::Damaged { path, reason: e.to_string() }),
    }
}

fn read(path: &Path) -> Result<String, CredentialError> {
    fs::read_to_string(path).map_err(|source| CredentialError::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    })
}

/// The name of a file before it replaces another.
fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

/// Moves a file, durably.
fn rename(from: &Path, to: &Path) -> Result<(), CredentialError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let go = || fs::rename(from, to).and_then(|()| fs::File::open(folder)?.sync_all());
    go().map_err(|source| CredentialError::File { action: "replace", path: to.to_path_buf(), source })
}

/// Writes a file of mode 0600 under another name, makes it durable, and renames it into place: a crash
/// leaves the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), CredentialError> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".new");
    let scratch = PathBuf::from(scratch);
    let go = || -> io::Result<()> {
        match fs::remove_file(&scratch) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // create_new, so that the mode is ours and not that of a file somebody left there.
        let mut f = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch)?;
        f.write_all(text.as_bytes())?;
        f.sync_all()?;
        fs::rename(&scratch, path)?;
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(dir)?.sync_all()
    };
    go().map_err(|source| CredentialError::File { action: "write", path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn credentials_are_kept_privately_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("keys");
        create_authority(&at, "f00d-1").unwrap();
        let before = fs::read(at.join("ca.crt")).unwrap();
        create_authority(&at, "f00d-1").unwrap();
        assert_eq!(fs::read(at.join("ca.crt")).unwrap(), before, "a repeated bootstrap keeps the authority");
        assert!(create_authority(&at, "beef-2").is_err(), "another cluster's directory is left alone");

        let name: PeerName = "osd.0".parse().unwrap();
        let made = issue(&at, &name).unwrap();
        made.save(&at).unwrap();
        let read = Credential::load(&at, &name).unwrap();
        assert_eq!(read.key_pem, made.key_pem);
        assert!(!format!("{read:?}").contains("PRIVATE"));
        for f in fs::read_dir(&at).unwrap() {
            let f = f.unwrap();
            assert_eq!(f.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", f.path());
        }
        assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_replacement_that_is_cut_short_leaves_a_key_with_its_own_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let (at, name) = (dir.path(), "osd.0".parse::<PeerName>().unwrap());
        create_authority(at, "f00d").unwrap();
        let (old, new) = (issue(at, &name).unwrap(), issue(at, &name).unwrap());
        let file = |kind: &str| at.join(format!("osd.0.{kind}"));
        let is = |wanted: &Credential| {
            let read = Credential::load(at, &name).unwrap();
            assert_eq!(
                (read.key_pem, read.certificate_pem),
                (wanted.key_pem.clone(), wanted.certificate_pem.clone())
            );
        };
        old.save(at).unwrap();
        is(&old);
        write(&next(&file("key")), &new.key_pem).unwrap();
        is(&old);
        write(&next(&file("crt")), &new.certificate_pem).unwrap();
        is(&old);
        rename(&next(&file("key")), &file("key")).unwrap();
        is(&new);
        old.save(at).unwrap();
        is(&old);
    }

    #[test]
    fn missing_and_damaged_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let name: PeerName = "osd.0".parse().unwrap();
        let e = Credential::load(dir.path(), &name).unwrap_err().to_string();
        assert!(e.contains("fsid"), "{e}");
        create_authority(dir.path(), "f00d").unwrap();
        fs::write(dir.path().join("ca.key"), "junk").unwrap();
        let e = issue(dir.path(), &name).unwrap_err().to_string();
        assert!(e.contains("ca.key") && e.contains("damaged"), "{e}");
        assert!(create_authority(dir.path(), "Not.An.Id").is_err());
    }
}
