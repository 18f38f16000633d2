//! Erasure-code profiles by name, and what a pool gets from one.

use super::Answer;
use super::cluster::ROOT;
use super::draft::Draft;
use super::pool_create::Safety;
use super::pool_rule::{USUAL_DOMAINS, Wish, check_id, rule_for};
use crate::command::PoolCreate;
use crate::ec_profile::EcProfile;
use crate::feature::Feature;
use crate::pool::{COMPANION_OPTION, PROFILE_OPTION, PoolKind};
use crate::pool_placement::PoolPlacement;
use crate::refusal::{Refusal, RefusalKind};
use crush::{Mode, RuleShape};
use erasure::Technique;
use std::collections::BTreeMap;

/// The longest name of a profile.
const NAME_BYTES_MAX: usize = 128;
/// The most profiles.
const PROFILES_MAX: usize = 1024;
/// The longest text of a profile.
const TEXT_BYTES_MAX: usize = 1024;

/// Keeps a profile. One that the map of now cannot place is refused: it would only fail later.
pub(super) fn set(draft: &mut Draft<'_>, name: &str, text: &str) -> Result<Answer, Refusal> {
    let printable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(printable) {
        return Err(Refusal::invalid(format!(
            "{name:?} is no profile name: 1 to {NAME_BYTES_MAX} letters, digits, '.', '-' and '_'"
        )));
    }
    let profile = parse(text)?;
    if profile.code().m() == 0 {
        return Err(Refusal::invalid(format!(
            "a profile without parity (m=0) is not kept under a name: the first lost disk of such a pool loses data. If that \
             is meant, say so to the pool: `nacre pool create NAME --ec {}+0 --yes-i-accept-data-loss`",
            profile.code().k()
        )));
    }
    if let Some(there) = draft.next.ec_profiles.get(name) {
        if *there == profile.to_string() {
            return Ok(Answer::Done);
        }
        return Err(Refusal::new(
            RefusalKind::Exists,
            format!(
                "profile {name} exists already: {there}; remove it first, pools keep what they were made with"
            ),
        ));
    }
    if draft.next.ec_profiles.len() >= PROFILES_MAX {
        return Err(Refusal::new(
            RefusalKind::Impossible,
            format!("there are {PROFILES_MAX} profiles already"),
        ));
    }
    // Tried on the side: a profile alone makes no rule.
    let before = draft.next.crush.clone();
    let placed = rule_of(draft, &PoolCreate::default(), &profile);
    draft.next.crush = before;
    placed?;
    draft.next.ec_profiles.insert(name.to_owned(), profile.to_string());
    Ok(Answer::Done)
}

/// Forgets a profile.
pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<Answer, Refusal> {
    match draft.next.ec_profiles.remove(name) {
        Some(_) => Ok(Answer::Done),
        None => Err(unknown(name)),
    }
}

/// What an erasure-coded pool is like. Without a failure domain by name: the widest of the usual ones that has places
/// enough.
pub(super) fn safety(draft: &mut Draft<'_>, wanted: &PoolCreate, text: &str) -> Result<Safety, Refusal> {
    let named = text.contains('=');
    let text = match draft.next.ec_profiles.get(text) {
        Some(profile) => profile.clone(),
        None if named => text.to_owned(),
        None => return Err(unknown(text)),
    };
    let profile = parse(&text)?;
    if profile.code().m() == 0 && !wanted.accept_data_loss {
        return Err(Refusal::new(
            RefusalKind::Unsafe,
            format!(
                "m=0 is no parity at all: the first lost disk loses data for good. Take m=1 or more, or say \
                 --yes-i-accept-data-loss if pool {} may lose all that is in it",
                wanted.name
            ),
        ));
    }
    if profile.code().m() == 0 || wanted.companion.is_some() {
        draft.next.too_new(Feature::ErasureSnapshots.level())?;
    }
    let companion = wanted.companion.as_ref().map(|name| check_companion(draft, name).map(|()| name.clone()));
    let companion = companion.transpose()?;
    let says_domain = text.contains("crush-failure-domain=");
    let domains: Vec<&str> = match &wanted.failure_domain {
        Some(domain) => vec![domain],
        None if says_domain => vec![profile.failure_domain()],
        None => USUAL_DOMAINS.to_vec(),
    };
    let (size, fewest) = (profile.size(), profile.size() - profile.code().m() as u32);
    if wanted.size.is_some_and(|wanted| wanted != size) {
        return Err(Refusal::invalid(format!("the profile says {size} shards; leave the size away")));
    }
    let min_size = wanted.min_size.unwrap_or_else(|| profile.default_min_size());
    check_min_size(min_size, fewest as usize, size)?;
    let mut refused = Refusal::invalid("no failure domain");
    for domain in domains {
        let profile = EcProfile::new(profile.code(), profile.stripe_unit(), domain, profile.locality())?;
        match rule_of(draft, wanted, &profile) {
            Ok(crush_rule) => {
                let code = profile.code();
                let kind = PoolKind::Erasure { data: code.k() as u32, parity: code.m() as u32 };
                let mut options = BTreeMap::from([(PROFILE_OPTION.to_owned(), profile.to_string())]);
                options.extend(companion.map(|name| (COMPANION_OPTION.to_owned(), name)));
                return Ok(Safety { kind, size, min_size, crush_rule, options });
            }
            Err(refusal) => refused = refusal,
        }
    }
    Err(refused)
}

/// A pool keeps metadata for an erasure-coded one only if it can keep rows.
pub(super) fn check_companion(draft: &Draft<'_>, name: &str) -> Result<(), Refusal> {
    let id = draft.next.pool_id(name);
    match id.and_then(|id| draft.next.pools.get(&id)) {
        None => Err(Refusal::not_found(format!(
            "there is no pool {name} to be the companion; make a replicated one first: nacre pool create {name}"
        ))),
        Some(pool) if pool.kind != PoolKind::Replicated => Err(Refusal::invalid(format!(
            "pool {name} is erasure-coded itself and keeps no metadata; a companion is a replicated pool"
        ))),
        Some(_) => Ok(()),
    }
}

/// Writes need at least as many shards as objects can be had from.
pub(super) fn check_min_size(min_size: u32, fewest: usize, size: u32) -> Result<(), Refusal> {
    if (fewest as u64..=u64::from(size)).contains(&u64::from(min_size)) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "min_size goes from {fewest}, with which objects can still be read, to {size} shards, not {min_size}"
    )))
}

/// The rule that places a profile's shards; a map that cannot is left as it was.
fn rule_of(draft: &mut Draft<'_>, wanted: &PoolCreate, profile: &EcProfile) -> Result<u32, Refusal> {
    let before = draft.next.crush.clone();
    let made = match (profile.locality(), profile.code().technique()) {
        (Some(locality), Technique::Local { l }) if wanted.placement == PoolPlacement::Spread => {
            local_rule(draft, wanted, profile, locality, l + 1)
        }
        _ => {
            let by_rule = matches!(wanted.placement, PoolPlacement::Rule { .. });
            let wish = Wish {
                placement: &wanted.placement,
                domain: (!by_rule).then(|| profile.failure_domain()),
                class: wanted.device_class.as_deref(),
                size: profile.size(),
                mode: Mode::Indep,
            };
            rule_for(draft, wish)
        }
    };
    if made.is_err() {
        draft.next.crush = before;
    }
    made
}

/// Each local group in a place of its own.
fn local_rule(
    draft: &mut Draft<'_>,
    wanted: &PoolCreate,
    profile: &EcProfile,
    locality: &str,
    each: usize,
) -> Result<u32, Refusal> {
    let groups = profile.code().groups();
    let class = wanted.device_class.as_deref();
    let suffix = class.map(|class| format!("_{class}")).unwrap_or_default();
    let name = format!("erasure_{groups}_{locality}_{each}_{}{suffix}", profile.failure_domain());
    let levels = [(groups as i32, locality), (each as i32, profile.failure_domain())];
    let id = match draft.next.crush.rule_id(&name) {
        Some(id) => id,
        None => {
            let shape = RuleShape { root: ROOT, class, levels: &levels, mode: Mode::Indep };
            draft.next.crush.make_mut().edit(|edit| edit.add_shaped_rule(&name, shape))?
        }
    };
    check_id(&draft.next, id, profile.size())?;
    Ok(id)
}

fn parse(text: &str) -> Result<EcProfile, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::invalid(format!("a profile has at most {TEXT_BYTES_MAX} bytes")));
    }
    EcProfile::parse(text)
}

fn unknown(name: &str) -> Refusal {
    Refusal::not_found(format!(
        "there is no erasure-code profile {name}; `nacre ec profile ls` shows those there are"
    ))
}
