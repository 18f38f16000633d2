//! Who may ask for what, by the role in the peer's certificate (decision D9). Pure.

use placement_map::{Command, OsdId};
use wire_codec::mon::Forwarded;
use wire_transport::{PeerName, Role};

/// The client name that operators' tools use.
const ADMIN: &str = "client.admin";

/// The OSD whose name this is.
fn osd_of(name: &PeerName) -> Option<OsdId> {
    if name.role() == Role::Osd { name.number().map(OsdId) } else { None }
}

/// Whether `who` may give `command`; the error is for people.
pub(crate) fn command(who: &PeerName, command: &Command) -> Result<(), String> {
    let own = osd_of(who);
    let allowed = match command {
        // Only the founders, by themselves.
        Command::Bootstrap(_) => false,
        Command::OsdBoot(boot) => own == Some(boot.id),
        Command::Rows(changes) => own.is_some() && changes.iter().all(|change| Some(change.from) == own),
        // The leader's own, and what monitors make of others.
        Command::FeatureLevel { .. } | Command::ConfigChange { .. } => false,
        Command::ConfigReset { who: signed, .. } => is_admin(who) && signed == who.as_str(),
        Command::OsdStopped { osd, .. } => own == Some(*osd),
        // An OSD that stops in order says so itself.
        Command::MarkDown { osds } => {
            is_admin(who) || own.is_some() && osds.iter().all(|(id, _)| Some(*id) == own)
        }
        Command::PoolCreate(_) | Command::SnapCreate { .. } | Command::SnapRemove { .. } => own.is_none(),
        _ => is_admin(who),
    };
    if allowed {
        return Ok(());
    }
    Err(format!(
        "{who} may not do that; operators' commands need the key of {ADMIN}, and daemons speak for themselves only"
    ))
}

fn is_admin(who: &PeerName) -> bool {
    who.as_str() == ADMIN
}

/// Whether a beacon or a report speaks for its sender.
pub(crate) fn speaks_for_itself(who: &PeerName, message: &Forwarded) -> bool {
    match message {
        Forwarded::Beacon(beacon) => osd_of(who) == Some(beacon.osd),
        Forwarded::FailureReport(report) => osd_of(who) == Some(report.from),
        Forwarded::Command { .. } | Forwarded::Query { .. } => false,
    }
}

/// Whether `who` may learn rows (OSDs and operators do; clients go by the map).
pub(crate) fn rows(who: &PeerName) -> bool {
    is_admin(who) || who.role() == Role::Osd
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::{PgId, PoolCreate, PoolId, RowChange, RowChangeKind};

    fn name(text: &str) -> PeerName {
        text.parse().expect("a name")
    }

    #[test]
    fn daemons_speak_for_themselves_only() {
        let rows = |from: u32| {
            let pg = PgId { pool: PoolId(1), seed: 0 };
            let kind = RowChangeKind::Shrink { drop: vec![] };
            Command::Rows(vec![RowChange { pg, from: OsdId(from), revision: 0, kind }])
        };
        assert!(command(&name("osd.1"), &rows(1)).is_ok());
        assert!(command(&name("osd.1"), &rows(2)).is_err());
        let stopped = Command::OsdStopped { osd: OsdId(1), incarnation: placement_map::Epoch(4) };
        assert!(command(&name("osd.1"), &stopped).is_ok());
        assert!(command(&name("osd.2"), &stopped).is_err());
        assert!(command(&name("client.admin"), &stopped).is_err(), "nobody else can know");
        assert!(command(&name("client.admin"), &rows(1)).is_err());
        assert!(command(&name("gateway.1"), &rows(1)).is_err());
        let down = |id: u32| Command::MarkDown { osds: vec![(OsdId(id), None)] };
        assert!(command(&name("osd.1"), &down(1)).is_ok());
        assert!(command(&name("osd.1"), &down(2)).is_err());
        assert!(command(&name("client.admin"), &down(2)).is_ok());
    }

    #[test]
    fn operators_commands_need_the_operators_key() {
        let out = Command::MarkOut { osds: vec![OsdId(0)], automatic: false };
        assert!(command(&name("client.admin"), &out).is_ok());
        for who in ["client.backup", "gateway.0", "osd.0", "nbd.0"] {
            assert!(command(&name(who), &out).is_err(), "{who}");
        }
        assert!(command(&name("gateway.0"), &Command::PoolCreate(PoolCreate::default())).is_ok());
    }
}
