//! Object lock: what keeps a version from being removed, and who may change that. Checked where versions are removed,
//! in the same transaction, so that no delete overtakes a lock.
//!
//! Rules: Amazon S3 user guide, "Locking objects with Object Lock".

use super::api::{Refusal, Stat};
use super::rows::Which;
use super::shard::{Shard, refuse};
use super::version::{find, put_detail};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;

/// Who may shorten a retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionMode {
    /// Those who may bypass it.
    Governance,
    /// Nobody.
    Compliance,
}
stdx::codec_enum!(RetentionMode { 0 => Governance, 1 => Compliance });

/// How long a version stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Who may shorten it.
    pub mode: RetentionMode,
    /// Until this time of day, milliseconds since 1970.
    pub until_ms: u64,
}
stdx::codec_plain!(Retention { mode, until_ms });

/// What keeps a version from being removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// For a time.
    pub retention: Option<Retention>,
    /// Until somebody says otherwise; none: nobody ever said anything.
    pub legal_hold: Option<bool>,
}
stdx::codec_versioned!(ObjectLock, 1 { retention, legal_hold });

impl ObjectLock {
    /// Whether a version must stay, also against one who may bypass the mode Governance.
    pub fn keeps(&self, now_ms: u64, bypass: bool) -> bool {
        let held = self.legal_hold == Some(true);
        held || self
            .retention
            .is_some_and(|r| r.until_ms > now_ms && !(bypass && r.mode == RetentionMode::Governance))
    }

    /// Whether the retention may become `new`: longer always, else only once it is over, or by one who may bypass it.
    pub fn may_become(&self, new: Option<Retention>, now_ms: u64, bypass: bool) -> bool {
        let Some(old) = self.retention.filter(|r| r.until_ms > now_ms) else { return true };
        let no_weaker = new.is_some_and(|new| new.mode == old.mode && new.until_ms >= old.until_ms);
        no_weaker || (bypass && old.mode == RetentionMode::Governance)
    }
}

/// `set_lock`: changes what keeps one version. Answers `LockReply`; `Absent`, `Locked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLock {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// Which version.
    pub which: Which,
    /// What changes.
    pub change: LockChange,
    /// Whether the caller may bypass the mode Governance.
    pub bypass: bool,
}
stdx::codec_versioned!(SetLock, 1 { generation, key, which, change, bypass });

/// What `set_lock` changes; the other half stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// The retention; none: there is none any more.
    Retention(Option<Retention>),
    /// The legal hold.
    LegalHold(bool),
}
stdx::codec_enum!(LockChange { 0 => Retention(r), 1 => LegalHold(on) });

/// Output of `set_lock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockReply {
    /// How full the shard is.
    pub stat: Stat,
    /// Which version it was.
    pub version: super::rows::Version,
}
stdx::codec_plain!(LockReply { stat, version });

/// See `SetLock`.
pub(super) fn set_lock(ctx: &mut MethodContext<'_, '_>, input: SetLock) -> Result<LockReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let found = find(&shard, &input.key, input.which)?.filter(|(_, object)| !object.row.marker);
    let (place, mut object) = found.ok_or_else(|| refuse(Refusal::Absent))?;
    let mut lock = object.detail.lock.unwrap_or_default();
    match input.change {
        LockChange::Retention(new) => {
            if !lock.may_become(new, shard.now_ms(), input.bypass) {
                return Err(refuse(Refusal::Locked));
            }
            lock.retention = new;
        }
        LockChange::LegalHold(on) => lock.legal_hold = Some(on),
    }
    object.detail.lock = Some(lock);
    let version = object.row.version;
    put_detail(&mut shard, &input.key, place, object);
    let reply = LockReply { stat: shard.stat(), version };
    shard.close();
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Shards, delete_row, one, put_row};
    use super::super::*;
    use super::*;

    const GOVERNANCE: RetentionMode = RetentionMode::Governance;
    const COMPLIANCE: RetentionMode = RetentionMode::Compliance;

    fn until(mode: RetentionMode, until_ms: u64) -> Option<Retention> {
        Some(Retention { mode, until_ms })
    }

    #[test]
    fn a_retention_may_grow_and_a_bypass_bends_only_governance() {
        let lock = |retention| ObjectLock { retention, legal_hold: None };
        let governed = lock(until(GOVERNANCE, 100));
        assert!(governed.keeps(99, false) && !governed.keeps(99, true) && !governed.keeps(100, false));
        assert!(governed.may_become(until(GOVERNANCE, 100), 50, false));
        assert!(!governed.may_become(until(GOVERNANCE, 99), 50, false));
        assert!(!governed.may_become(until(COMPLIANCE, 200), 50, false), "it is another mode");
        assert!(governed.may_become(None, 50, true) && !governed.may_become(None, 50, false));
        assert!(governed.may_become(None, 100, false), "it is over");
        let strict = lock(until(COMPLIANCE, 100));
        assert!(strict.keeps(99, true) && !strict.keeps(100, true));
        assert!(strict.may_become(until(COMPLIANCE, 101), 50, true));
        assert!(!strict.may_become(until(COMPLIANCE, 99), 50, true));
        assert!(!strict.may_become(until(GOVERNANCE, 200), 50, true));
        let held = ObjectLock { retention: None, legal_hold: Some(true) };
        assert!(held.keeps(u64::MAX, true));
    }

    fn put(s: &mut Shards, key: &str, lock: Option<ObjectLock>, nonce: u64) -> Version {
        let mut put = PutRow { versioning: Versioning::Enabled, nonce, ..put_row(1, key, "data") };
        put.detail.lock = lock;
        s.call::<PutReply>(0, "put_row", &put).unwrap().version
    }

    fn remove(s: &mut Shards, key: &str, version: Version, bypass: bool) -> Result<PutReply, Refusal> {
        let which = Which::Version(version);
        s.call(0, "delete_row", &DeleteRow { which, bypass, ..delete_row(key) })
    }

    #[test]
    fn what_is_locked_stays_whatever_removes_it() {
        let mut s = one();
        let for_ever = ObjectLock { retention: until(GOVERNANCE, u64::MAX), legal_hold: None };
        let kept = put(&mut s, "k", Some(for_ever), 1);
        assert_eq!(remove(&mut s, "k", kept, false), Err(Refusal::Locked));
        let hidden = DeleteRow { versioning: Versioning::Enabled, nonce: 2, ..delete_row("k") };
        assert!(
            s.call::<PutReply>(0, "delete_row", &hidden).unwrap().marker,
            "a delete marker removes nothing"
        );
        assert_eq!(remove(&mut s, "k", kept, false), Err(Refusal::Locked));

        let set = |change, bypass| SetLock {
            generation: ANY_GENERATION,
            key: "k".into(),
            which: Which::Version(kept),
            change,
            bypass,
        };
        let weaker = set(LockChange::Retention(until(GOVERNANCE, 1)), false);
        assert_eq!(s.call::<LockReply>(0, "set_lock", &weaker), Err(Refusal::Locked));
        s.call::<LockReply>(0, "set_lock", &set(LockChange::LegalHold(true), false)).unwrap();
        assert_eq!(remove(&mut s, "k", kept, true), Err(Refusal::Locked), "a hold knows no bypass");
        s.call::<LockReply>(0, "set_lock", &set(LockChange::LegalHold(false), false)).unwrap();
        assert!(remove(&mut s, "k", kept, true).unwrap().replaced);
        assert_eq!(s.call::<LockReply>(0, "set_lock", &weaker), Err(Refusal::Absent));
    }

    #[test]
    fn a_gateway_that_has_not_heard_of_versions_overwrites_nothing_that_is_locked() {
        let mut s = one();
        s.call::<PutReply>(0, "put_row", &put_row(1, "k", "old")).unwrap();
        let set = SetLock {
            generation: ANY_GENERATION,
            key: "k".into(),
            which: Which::Null,
            change: LockChange::LegalHold(true),
            bypass: false,
        };
        s.call::<LockReply>(0, "set_lock", &set).unwrap();
        assert_eq!(s.call::<PutReply>(0, "put_row", &put_row(1, "k", "new")), Err(Refusal::Locked));
        assert_eq!(s.call::<PutReply>(0, "delete_row", &delete_row("k")), Err(Refusal::Locked));
    }
}
