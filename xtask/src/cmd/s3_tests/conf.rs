//! The suite's users and the settings file that tells it about them.

use std::fmt::Write;
use std::net::SocketAddr;

/// A user that the suite signs as.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestUser {
    /// The section of the settings file.
    pub(super) section: &'static str,
    /// `TENANT$` in front: of that tenant.
    pub(super) uid: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) access_key: &'static str,
    pub(super) secret_key: &'static str,
}

impl TestUser {
    /// The tenant's name, if the user is of one.
    pub(super) fn tenant(&self) -> Option<&'static str> {
        self.uid.split_once('$').map(|(tenant, _)| tenant)
    }
}

/// All of them. The keys protect nothing: the cluster lives on this host, as long as the run.
pub(super) const USERS: &[TestUser] = &[
    TestUser {
        section: "s3 main",
        uid: "suite-main",
        name: "Suite Main",
        email: "main@suite.example",
        access_key: "SUITEMAIN00000000001",
        secret_key: "suite-main-secret-key-of-forty-character",
    },
    TestUser {
        section: "s3 alt",
        uid: "suite-alt",
        name: "Suite Alt",
        email: "alt@suite.example",
        access_key: "SUITEALT000000000002",
        secret_key: "suite-alt-secret-key-of-forty-characters",
    },
    TestUser {
        section: "s3 tenant",
        uid: "suitetenant$suite-tenanted",
        name: "Suite Tenanted",
        email: "tenanted@suite.example",
        access_key: "SUITETENANT000000003",
        secret_key: "suite-tenanted-secret-key-of-forty-chars",
    },
    TestUser {
        section: "iam",
        uid: "suite-iam",
        name: "Suite IAM",
        email: "iam@suite.example",
        access_key: "SUITEIAM000000000004",
        secret_key: "suite-iam-secret-key-of-forty-characters",
    },
    TestUser {
        section: "iam root",
        uid: "suite-root",
        name: "Suite Root",
        email: "root@suite.example",
        access_key: "SUITEROOT00000000005",
        secret_key: "suite-root-secret-key-of-forty-character",
    },
    TestUser {
        section: "iam alt root",
        uid: "suite-alt-root",
        name: "Suite Alt Root",
        email: "alt-root@suite.example",
        access_key: "SUITEALTROOT00000006",
        secret_key: "suite-alt-root-secret-key-of-forty-chars",
    },
];

/// Seconds that a day of lifecycle rules lasts in the suite's cluster.
pub(super) const LIFECYCLE_DAY_S: u32 = 10;

/// The keys that the suite names for encryption by KMS.
pub(super) const KMS_KEYS: [&str; 2] = ["testkey-1", "testkey-2"];

/// Storage classes beside STANDARD, each with a pool of its own: so that rules have somewhere to move objects.
pub(super) const STORAGE_CLASSES: [&str; 2] = ["LUKEWARM", "FROZEN"];

/// The settings file.
pub(super) fn text(s3: SocketAddr, users: &[TestUser]) -> String {
    let mut out = format!(
        "[DEFAULT]\nhost = {}\nport = {}\nis_secure = False\nssl_verify = False\n\n\
         [fixtures]\nbucket prefix = suite-{{random}}-\n\
         iam name prefix = suite-\niam path prefix = /suite/\n",
        s3.ip(),
        s3.port()
    );
    for u in users {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "\n[{}]\ndisplay_name = {}\nuser_id = {}\nemail = {}\naccess_key = {}\nsecret_key = {}\n",
            u.section, u.name, u.uid, u.email, u.access_key, u.secret_key
        );
        if let Some(tenant) = u.tenant() {
            let _ = writeln!(out, "tenant = {tenant}");
        }
        if u.section == "s3 main" {
            let _ = writeln!(out, "api_name = default\nlc_debug_interval = {LIFECYCLE_DAY_S}");
            let _ = writeln!(out, "storage_classes = {}", STORAGE_CLASSES.join(" "));
            let _ = writeln!(out, "kms_keyid = {}\nkms_keyid2 = {}", KMS_KEYS[0], KMS_KEYS[1]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_the_suite_demands_is_there() {
        let text = text(SocketAddr::from(([127, 0, 0, 1], 8123)), USERS);
        for line in ["host = 127.0.0.1", "port = 8123", "[s3 main]", "[s3 alt]", "[s3 tenant]", "[iam]"] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        assert!(text.contains("[iam root]") && text.contains("[iam alt root]"));
        assert!(text.contains("tenant = suitetenant\n"));
        assert!(USERS.iter().all(|u| u.secret_key.len() == 40 && u.access_key.len() == 20));
    }
}
