//! Links are cut: one OSD from everybody, from the other OSDs, from the monitors, from one peer; both ways or one way;
//! a monitor from all who call it.

use super::{Cure, Injector};
use crate::namespace::ip;

/// Where the OSDs are.
const OSDS: &str = "127.0.1.0/24";

/// Cuts something of one OSD, or of a pair.
pub(super) fn osd(injector: &mut Injector<'_>) {
    if !injector.stage.cuts || !injector.may_strike() {
        return;
    }
    let Some(n) = injector.healthy_osd() else { return };
    let me = injector.stage.address_of(n);
    let ports = injector.stage.monitor_ports();
    let (what, rules): (String, Vec<String>) = match injector.rng.below(7) {
        0 => ("everybody".into(), vec![format!("from {me}"), format!("to {me}")]),
        1 => ("the other OSDs".into(), vec![format!("from {me} to {OSDS}"), format!("from {OSDS} to {me}")]),
        2 => {
            let to = ports.iter().map(|p| format!("from {me} ipproto tcp dport {p}"));
            let from = ports.iter().map(|p| format!("to {me} ipproto tcp sport {p}"));
            ("the monitors".into(), to.chain(from).collect())
        }
        3 => ("the other OSDs, which it hears".into(), vec![format!("from {me} to {OSDS}")]),
        4 => ("the other OSDs, which hear it".into(), vec![format!("from {OSDS} to {me}")]),
        kind => {
            let Some(m) = injector.healthy_osd().filter(|m| *m != n) else { return };
            let peer = injector.stage.address_of(m);
            let mut rules = vec![format!("from {me} to {peer}")];
            if kind == 5 {
                rules.push(format!("from {peer} to {me}"));
            }
            (format!("osd.{m}{}", if kind == 5 { "" } else { ", which it hears" }), rules)
        }
    };
    cut(injector, format!("osd.{n}"), &what, &rules);
}

/// Nobody reaches a monitor any more; it reaches others.
pub(super) fn mon(injector: &mut Injector<'_>) {
    let mons = injector.healthy_mons();
    if !injector.stage.cuts || mons.len() < crate::stage::MONS as usize {
        return;
    }
    let at = injector.rng.below(mons.len() as u64) as usize;
    let port = injector.stage.monitor_ports()[at];
    let rules = [format!("ipproto tcp dport {port}"), format!("ipproto tcp sport {port}")];
    cut(injector, mons[at].clone(), "all who call it", &rules);
}

fn cut(injector: &mut Injector<'_>, daemon: String, what: &str, rules: &[String]) {
    let name = if daemon.starts_with("osd.") { "cut-osd" } else { "cut-mon" };
    let mut preferences = Vec::new();
    for rule in rules {
        injector.rules += 1;
        let preference = injector.rules.to_string();
        let words: Vec<&str> = rule.split(' ').collect();
        let words = [&["rule", "add", "preference", &preference], &words[..], &["blackhole"]].concat();
        if let Err(why) = ip(&words) {
            panic!("{why}");
        }
        preferences.push(preference);
    }
    injector.tell(&format!("{daemon} is cut off from {what}"));
    let lasts = if injector.rng.chance(1, 3) { (300, 4_000) } else { (6_000, 25_000) };
    injector.begin(name, daemon, Cure::Mend, lasts);
    if let Some(active) = injector.active.last_mut() {
        active.rules = preferences;
    }
}

/// Takes the rules away again.
pub(super) fn mend(preferences: &[String]) {
    for preference in preferences {
        if let Err(why) = ip(&["rule", "del", "preference", preference]) {
            panic!("{why}");
        }
    }
}
