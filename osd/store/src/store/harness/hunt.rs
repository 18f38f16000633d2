//! Tries case after case, on all cores, until something fails.

use super::case::{Case, Cut};
use super::run::{Report, run};
use super::stories::STORIES;
use crate::sabotage::Sabotage;
use std::fmt::{Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What to try.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first seed; each next one is one more.
    pub seed: u64,
    /// Cases at most. A case is one history of a store: its crashes, recoveries and checks.
    pub cases: u64,
    /// Threads.
    pub jobs: usize,
    /// A rule to break.
    pub sabotage: Option<Sabotage>,
    /// Replays a case of a sweep.
    pub cut: Option<Cut>,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Cases that held.
    pub cases: u64,
    /// Of these, cases of sweeps: the same history cut at each effect in turn.
    pub swept: u64,
    /// What happened in them.
    pub report: Report,
}

/// A case that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Where the sweep had cut it.
    pub cut: Option<Cut>,
    /// The case; none for a story.
    pub case: Option<Case>,
    /// The rule that was broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// Which promise was not kept.
    pub why: String,
}

/// One seed in so many is swept.
const SWEEP_EVERY: u64 = 40;

impl Failure {
    /// The command that runs this case again.
    pub fn replay(&self) -> String {
        let mut line = "cargo xtask fuzz store".to_string();
        line += &match self.case {
            Some(_) => format!(" --seed {} --cases 1", self.seed),
            None => " --stories".to_string(),
        };
        match self.cut {
            Some(Cut::Life(effects)) => line += &format!(" --cut-life {effects}"),
            Some(Cut::Recovery(effects)) => line += &format!(" --cut-recovery {effects}"),
            None => {}
        }
        if let Some(sabotage) = self.sabotage {
            line += &format!(" --sabotage {}", sabotage.name());
        }
        line
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.case.is_some() {
            write!(f, "seed {}: ", self.seed)?;
        }
        write!(f, "{}\nreplay: {}", self.why, self.replay())
    }
}

/// Runs a case; a failed assertion of the store counts as a broken promise.
pub fn attempt(case: &Case, sabotage: Option<Sabotage>) -> Result<Report, String> {
    guarded(|| match sabotage {
        Some(sabotage) => sabotage.during(|| run(case)),
        None => run(case),
    })
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(format!("an assertion failed: {text}"))
    })
}

/// The stories that show the broken rule, if there is one; without, all of them.
pub fn stories(sabotage: Option<Sabotage>) -> Result<u64, Failure> {
    let mut held = 0;
    for story in STORIES {
        let outcome = guarded(|| match sabotage {
            Some(sabotage) => sabotage.during(story.tell),
            None => (story.tell)(),
        });
        if let Err(why) = outcome {
            let why = format!("the story \"{}\": {why}", story.name);
            return Err(Failure { seed: 0, cut: None, case: None, sabotage, why });
        }
        held += 1;
    }
    Ok(held)
}

/// Tries seed after seed until a case fails, enough were tried, or `goes_on` (asked after each seed) says no. The
/// failure with the lowest seed among those that the threads found is returned.
pub fn hunt(plan: &Plan, goes_on: &(dyn Fn(&Tally) -> bool + Sync)) -> (Tally, Option<Failure>) {
    let (next, stop) = (AtomicU64::new(plan.seed), AtomicBool::new(false));
    let state: Mutex<(Tally, Option<Failure>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - plan.seed >= plan.cases {
                        return;
                    }
                    let mut tally = Tally::default();
                    let outcome = try_seed(plan, seed, &mut tally, &stop);
                    let mut state = state.lock().expect("no thread panics while it counts");
                    state.0.cases += tally.cases;
                    state.0.swept += tally.swept;
                    state.0.report.add(&tally.report);
                    if let Err(failure) = outcome
                        && state.1.as_ref().is_none_or(|f| failure.seed < f.seed)
                    {
                        state.1 = Some(failure);
                    }
                    if state.1.is_some() || state.0.cases >= plan.cases || !goes_on(&state.0) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    state.into_inner().expect("no thread panics while it counts")
}

fn try_seed(plan: &Plan, seed: u64, tally: &mut Tally, stop: &AtomicBool) -> Result<(), Failure> {
    let whole = Case::new(seed);
    let mut tried = |cut: Option<Cut>| {
        let case = cut.map_or_else(|| whole.clone(), |cut| whole.cut(seed, cut));
        match attempt(&case, plan.sabotage) {
            Ok(report) => {
                tally.cases += 1;
                tally.swept += u64::from(cut.is_some());
                tally.report.add(&report);
                Ok(report)
            }
            Err(why) => Err(Failure { seed, cut, case: Some(case), sabotage: plan.sabotage, why }),
        }
    };
    tried(plan.cut)?;
    if !seed.is_multiple_of(SWEEP_EVERY) || plan.cases == 1 {
        return Ok(());
    }
    // A crash at every effect of the first life, then at every effect of the recovery from its own crash.
    let effects = tried(Some(Cut::Life(u64::MAX)))?.life_effects;
    for n in (0..=effects).take_while(|_| !stop.load(Ordering::Relaxed)) {
        tried(Some(Cut::Life(n)))?;
    }
    let effects = tried(Some(Cut::Recovery(u64::MAX)))?.recovery_effects;
    for n in (0..=effects).take_while(|_| !stop.load(Ordering::Relaxed)) {
        tried(Some(Cut::Recovery(n)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::shrink;
    use super::*;

    fn plan(sabotage: Option<Sabotage>) -> Plan {
        Plan { seed: 1, cases: 2000, jobs: 2, sabotage, cut: None }
    }

    #[test]
    fn sabotages_have_names_of_their_own_and_sentences() {
        for sabotage in Sabotage::ALL {
            assert_eq!(Sabotage::ALL.iter().filter(|s| s.name() == sabotage.name()).count(), 1);
            assert!(sabotage.about().ends_with('.'), "{sabotage:?}");
        }
        assert!(stories(Some(Sabotage::KeepIncarnation)).is_err_and(|f| f.replay().contains("--stories")));
    }

    #[test]
    fn cases_hold() {
        let (tally, failure) = hunt(&plan(None), &|_| true);
        assert!(failure.is_none(), "{}", failure.unwrap());
        assert!(tally.cases >= 2000 && tally.swept > 100, "{tally:?}");
    }

    #[test]
    fn a_failure_is_replayed_by_its_line_and_made_smaller() {
        let sabotage = Some(Sabotage::OverwriteShared);
        let (_, failure) = hunt(&plan(sabotage), &|_| true);
        let failure = failure.expect("it is caught");
        assert!(failure.replay().ends_with("--cases 1 --sabotage overwrite-shared"), "{failure}");
        let again = hunt(&Plan { seed: failure.seed, cases: 1, ..plan(sabotage) }, &|_| true).1;
        assert_eq!(again.expect("the same seed fails again").why, failure.why);
        let case = failure.case.expect("no story");
        let smallest = shrink(&case, |c| attempt(c, sabotage).is_err());
        assert!(attempt(&smallest, sabotage).is_err() && attempt(&smallest, None).is_ok());
        assert!(smallest.transactions() <= 3, "{smallest}");
        assert!(smallest.to_string().contains("clone o"), "{smallest}");
    }
}
