//! Health: each check says what is wrong, what it means for the data, what happens next by itself, and what a
//! person can do.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Nothing is wrong.
    #[serde(rename = "HEALTH_OK")]
    Ok,
    /// Something is, and data is safe.
    #[serde(rename = "HEALTH_WARN")]
    Warn,
    /// Data is unavailable or in danger.
    #[serde(rename = "HEALTH_ERR")]
    Err,
}
stdx::codec_enum!(Severity { 0 => Ok, 1 => Warn, 2 => Err });

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Severity::Ok => "HEALTH_OK",
            Severity::Warn => "HEALTH_WARN",
            Severity::Err => "HEALTH_ERR",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Ceph's word for it where it has one: OSD_DOWN, PG_DEGRADED, ...
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// One sentence: what, and what it means for the data.
    pub summary: String,
    /// What happens next by itself.
    pub next: String,
    /// What a person can do.
    pub action: String,
    /// Which ones, at most some dozens.
    pub detail: Vec<String>,
}
stdx::codec_versioned!(Check, 1 { code, severity, summary, next, action, detail });

/// All checks that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The worst of them.
    pub status: Severity,
    /// The worst first.
    pub checks: Vec<Check>,
}
stdx::codec_versioned!(Health, 1 { status, checks });
