//! Makes a failing case smaller for as long as it fails: fewer lives, crashes, transactions; smaller changes.

use super::case::{Case, Step};
use super::op::Op;

/// Cases tried at most.
const TRIES_MAX: usize = 20_000;

/// The smallest case found for which `fails` still holds.
pub fn shrink(case: &Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut tries = 0;
    // What is torn changes with every step that is left out, so each candidate gets a few chances.
    let mut still_fails = |candidate: &Case| {
        let chances = (0..8).map(|i| Case { chance: candidate.chance.wrapping_add(i), ..candidate.clone() });
        tries += 8;
        if tries > TRIES_MAX {
            return None;
        }
        chances.into_iter().find(&fails)
    };
    loop {
        let found = candidates(&best).find_map(|c| still_fails(&c));
        match found {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// Cases one step smaller, the largest steps first.
fn candidates(case: &Case) -> impl Iterator<Item = Case> {
    let mut out = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        if smaller != *case {
            out.push(smaller);
        }
    };
    for l in 0..case.lives.len() {
        if case.lives.len() > 1 {
            with(&|c| drop(c.lives.remove(l)));
        }
        let steps = case.lives[l].steps.len();
        for piece in [steps / 2, steps / 4, 1] {
            let piece = piece.max(1);
            for at in (0..steps).step_by(piece) {
                with(&|c| drop(c.lives[l].steps.drain(at..(at + piece).min(steps))));
            }
        }
        for i in 0..case.lives[l].interrupts.len() {
            with(&|c| {
                c.lives[l].interrupts.remove(i);
            });
        }
        for i in 0..case.lives[l].rot.len() {
            with(&|c| {
                c.lives[l].rot.remove(i);
            });
        }
        for (s, step) in case.lives[l].steps.iter().enumerate() {
            let Step::Submit(ops) = step else { continue };
            let replace = |c: &mut Case, ops: Vec<Op>| c.lives[l].steps[s] = Step::Submit(ops);
            for i in 0..ops.len() {
                if ops.len() > 1 {
                    with(&|c| {
                        let mut fewer = ops.clone();
                        fewer.remove(i);
                        replace(c, fewer);
                    });
                }
                for smaller in ops[i].smaller() {
                    with(&|c| {
                        let mut changed = ops.clone();
                        changed[i] = smaller;
                        replace(c, changed);
                    });
                }
            }
        }
        with(&|c| c.lives[l].crash.after = None);
        if let Some(after) = case.lives[l].crash.after {
            with(&|c| c.lives[l].crash.after = Some(after / 2));
            with(&|c| c.lives[l].crash.after = Some(after.saturating_sub(1)));
        }
    }
    with(&|c| c.config.discards = false);
    with(&|c| c.config.packing = None);
    with(&|c| c.config.index_slowness = 0);
    with(&|c| c.config.data_units = 400);
    with(&|c| c.config.overlay_units = 64);
    with(&|c| c.config.index_dirty_bytes = 4 << 12);
    out.into_iter()
}
