//! The CRUSH rule of a pool: found or made, and never one that the map cannot satisfy.

use super::cluster::ROOT;
use super::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::pool_placement::{PoolPlacement, ZONES};
use crate::refusal::{Refusal, RefusalKind};
use crush::{CrushMap, Mode, RULE_ERASURE, Rule, RuleShape, Shortfall};

/// The failure domains tried when nobody named one, the widest first.
pub(super) const USUAL_DOMAINS: [&str; 2] = ["host", "osd"];

/// What a pool's rule has to do.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) placement: &'a PoolPlacement,
    /// A CRUSH type; none: the widest of host and osd that has members enough.
    pub(super) domain: Option<&'a str>,
    pub(super) class: Option<&'a str>,
    pub(super) size: u32,
    pub(super) mode: Mode,
}

/// The rule's number; made when first asked for.
pub(super) fn rule_for(draft: &mut Draft<'_>, wish: Wish<'_>) -> Result<u32, Refusal> {
    if let PoolPlacement::Rule { name } = wish.placement {
        if wish.domain.is_some() || wish.class.is_some() {
            return Err(Refusal::invalid(format!(
                "rule {name} says already over what and on which devices it spreads; leave the failure domain and \
                 the class away"
            )));
        }
        return existing(&draft.next.crush, name, wish);
    }
    let domains = match &wish.domain {
        Some(domain) => std::slice::from_ref(domain),
        None => &USUAL_DOMAINS[..],
    };
    let before = draft.next.crush.clone();
    let mut refused = Refusal::invalid("no failure domain");
    for domain in domains {
        match in_domain(draft, wish, domain) {
            Ok(rule) => return Ok(rule),
            Err(refusal) => refused = refusal,
        }
        draft.next.crush = before.clone();
    }
    Err(refused)
}

/// A rule that an operator made, for a pool.
fn existing(crush: &CrushMap, name: &str, wish: Wish<'_>) -> Result<u32, Refusal> {
    let missing = || {
        Refusal::not_found(format!("there is no rule {name}; `nacre crush rule ls` shows those there are"))
    };
    let id = crush.rule_id(name).ok_or_else(missing)?;
    let rule = crush.rule(id).ok_or_else(missing)?;
    let mode = if rule.kind == RULE_ERASURE { Mode::Indep } else { Mode::Firstn };
    if mode != wish.mode {
        let text = format!("rule {name} is not for {}", members_word(wish.mode));
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    check(crush, name, rule, wish.size)?;
    Ok(id)
}

fn in_domain(draft: &mut Draft<'_>, wish: Wish<'_>, domain: &str) -> Result<u32, Refusal> {
    let crush = &draft.next.crush;
    if crush.type_id(domain).is_none() {
        let types: Vec<&str> = crush.types().map(|(_, name)| name).collect();
        let text = format!("there is no failure domain {domain:?}; CRUSH knows {}", types.join(", "));
        return Err(Refusal::not_found(text));
    }
    if wish.class.is_some_and(|class| !crush.classes().any(|(_, known)| known == class)) {
        let known: Vec<&str> = crush.classes().map(|(_, name)| name).collect();
        let text = format!(
            "no OSD has device class {:?}; there are {}; `nacre crush set-device-class` gives one",
            wish.class.unwrap_or_default(),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        return Err(Refusal::not_found(text));
    }
    let kind = match wish.mode {
        Mode::Firstn => "replicated",
        Mode::Indep => "erasure",
    };
    let suffix = wish.class.map(|class| format!("_{class}")).unwrap_or_default();
    let per_zone = i32::try_from(wish.size / ZONES).unwrap_or(i32::MAX);
    let levels = [(ZONES as i32, "datacenter"), (per_zone, domain)];
    let simple = [(0, domain)];
    let (name, root, levels) = match wish.placement {
        PoolPlacement::MultiAz => {
            check_zones(wish)?;
            let name = format!("{kind}_multi_az_{per_zone}_{domain}{suffix}");
            // One in each: a datacenter that finds no device is replaced by another, where there are more than three.
            if per_zone == 1 {
                (format!("{kind}_multi_az{suffix}"), ROOT, &[(0, "datacenter")][..])
            } else {
                (name, ROOT, &levels[..])
            }
        }
        PoolPlacement::OneZone { datacenter } => {
            check_datacenter(crush, datacenter)?;
            (format!("{kind}_one_zone_{datacenter}_{domain}{suffix}"), datacenter.as_str(), &simple[..])
        }
        PoolPlacement::Spread | PoolPlacement::Rule { .. } => {
            (format!("{kind}_{domain}{suffix}"), ROOT, &simple[..])
        }
    };
    if crush.item_id(root).is_none() {
        return Err(Refusal::new(
            RefusalKind::Impossible,
            format!("there is no bucket {root} in CRUSH's tree"),
        ));
    }
    let id = match crush.rule_id(&name) {
        Some(id) => id,
        None => {
            let shape = RuleShape { root, class: wish.class, levels, mode: wish.mode };
            draft.next.crush.make_mut().edit(|edit| edit.add_shaped_rule(&name, shape))?
        }
    };
    check_id(&draft.next, id, wish.size)?;
    Ok(id)
}

fn check_zones(wish: Wish<'_>) -> Result<(), Refusal> {
    if wish.size % ZONES == 0 {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "multi-AZ keeps the same number of {} in each of {ZONES} datacenters: ask for {}, {} or {}, not {}",
        members_word(wish.mode),
        ZONES,
        2 * ZONES,
        3 * ZONES,
        wish.size
    )))
}

fn check_datacenter(crush: &CrushMap, name: &str) -> Result<(), Refusal> {
    let kind = crush.type_id("datacenter");
    if crush.item_id(name).is_some_and(|item| crush.kind_of(item) == kind) {
        return Ok(());
    }
    let named = |bucket: &crush::Bucket| crush.item_name(bucket.id()).unwrap_or_default().to_owned();
    let mut known: Vec<String> = crush
        .buckets()
        .filter(|bucket| Some(bucket.kind()) == kind && !crush.is_shadow(bucket.id()))
        .map(named)
        .collect();
    known.sort();
    let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Refusal::not_found(format!("there is no datacenter {name:?} in CRUSH's tree; there are {there}")))
}

/// Whether the rule of a pool can place `size` members on the map.
pub(super) fn check_id(map: &ClusterMap, id: u32, size: u32) -> Result<(), Refusal> {
    let missing = || Refusal::not_found(format!("rule {id} does not exist"));
    let rule = map.crush.rule(id).ok_or_else(missing)?;
    check(&map.crush, map.crush.rule_name(id).unwrap_or_default(), rule, size)
}

fn check(crush: &CrushMap, name: &str, rule: &Rule, size: u32) -> Result<(), Refusal> {
    let mode = if rule.kind == RULE_ERASURE { Mode::Indep } else { Mode::Firstn };
    let Some(short) = crush.shortfall(rule, size as usize) else { return Ok(()) };
    let members = members_word(mode);
    let text = match short {
        Shortfall::Level { kind, below, needed, found } => {
            let domain = crush.type_name(kind).unwrap_or("osd");
            let kind_below = crush.kind_of(below).and_then(|kind| crush.type_name(kind)).unwrap_or("item");
            let below = crush.item_name(below).unwrap_or("?");
            let holding = if kind == 0 { "" } else { " with OSDs" };
            format!(
                "{size} {members} by rule {name} need {needed} {domain}s{holding} below {kind_below} {below}, and \
                 there are {found}; add OSDs in more {domain}s, ask for fewer {members}, or for a narrower failure \
                 domain"
            )
        }
        Shortfall::Counts { gives } => {
            format!(
                "rule {name} places at most {gives} {members}, and {size} are asked for; use another rule"
            )
        }
    };
    Err(Refusal::new(RefusalKind::Impossible, text))
}

fn members_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Firstn => "copies",
        Mode::Indep => "shards",
    }
}

/// Whether host, not only osd, has `size` members: what a pool without a named failure domain would get.
pub(crate) fn hosts_suffice(map: &ClusterMap, size: u32) -> bool {
    let (Some(root), Some(host)) = (map.crush.item_id(ROOT), map.crush.type_id("host")) else { return false };
    map.crush.candidates(root, host).len() >= size as usize
}
