//! Monitors come and go. Who votes is the quorum's own affair; the map says where they are found.

use super::Answer;
use super::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::refusal::{Refusal, RefusalKind};
use std::net::SocketAddr;

/// More would only make every commit slower.
const MONITORS_MAX: usize = 7;

/// Why a monitor cannot be added; none: it can, or is there already.
pub fn mon_add_refusal(map: &ClusterMap, name: &str, addr: SocketAddr) -> Option<Refusal> {
    let is_number = |n: &str| n.parse::<u32>().is_ok_and(|number| number.to_string() == n);
    if !name.strip_prefix("mon.").is_some_and(is_number) || addr.port() == 0 || addr.ip().is_unspecified() {
        return Some(Refusal::invalid(format!(
            "a monitor has a name like mon.3 and an address that others reach, not {name:?} at {addr}"
        )));
    }
    if let Some(at) = map.monitors.get(name) {
        let text = format!("{name} is a monitor already, at {at}; remove it before it moves");
        return (*at != addr).then(|| Refusal::new(RefusalKind::Exists, text));
    }
    if let Some((other, _)) = map.monitors.iter().find(|(_, at)| **at == addr) {
        return Some(Refusal::new(RefusalKind::Exists, format!("{other} is at {addr}")));
    }
    (map.monitors.len() >= MONITORS_MAX)
        .then(|| Refusal::invalid(format!("a cluster has at most {MONITORS_MAX} monitors")))
}

pub(super) fn add(draft: &mut Draft<'_>, name: &str, addr: SocketAddr) -> Result<Answer, Refusal> {
    if let Some(refusal) = mon_add_refusal(&draft.next, name, addr) {
        return Err(refusal);
    }
    draft.next.monitors.insert(name.to_owned(), addr);
    Ok(Answer::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<Answer, Refusal> {
    if !draft.next.monitors.contains_key(name) {
        return Err(Refusal::not_found(format!("there is no monitor {name}")));
    }
    if draft.next.monitors.len() == 1 {
        let text = format!("{name} is the last monitor; without one there is no cluster");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    draft.next.monitors.remove(name);
    Ok(Answer::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn monitors_have_names_and_addresses_of_their_own() {
        let mut map = ClusterMap::default();
        map.monitors.insert("mon.0".into(), addr(1));
        let kind = |map: &ClusterMap, name: &str, at| mon_add_refusal(map, name, at).map(|r| r.kind);
        assert_eq!(kind(&map, "mon.1", addr(2)), None);
        assert_eq!(kind(&map, "mon.0", addr(1)), None, "asked again");
        assert_eq!(kind(&map, "mon.0", addr(2)), Some(RefusalKind::Exists));
        assert_eq!(kind(&map, "mon.1", addr(1)), Some(RefusalKind::Exists));
        for (name, at) in [("osd.1", addr(2)), ("mon.01", addr(2)), ("mon.", addr(2)), ("mon.1", addr(0))] {
            assert_eq!(kind(&map, name, at), Some(RefusalKind::Invalid), "{name} {at}");
        }
        assert_eq!(kind(&map, "mon.1", "0.0.0.0:7".parse().unwrap()), Some(RefusalKind::Invalid));
        map.monitors.extend((1..7).map(|n| (format!("mon.{n}"), addr(10 + n))));
        assert_eq!(kind(&map, "mon.7", addr(2)), Some(RefusalKind::Invalid));
    }
}
