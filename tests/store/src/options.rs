//! The command line of `cargo xtask fuzz store`.

use std::time::Duration;
use store_under_test::harness::hunt::Plan;
use store_under_test::harness::{Cut, Sabotage};

/// What to do.
#[derive(Debug)]
pub(crate) enum Options {
    /// Print the sabotages.
    List,
    /// Tell the stories only, with a rule broken or not.
    Stories(Option<Sabotage>),
    /// Try cases, for so long at most.
    Hunt(Plan, Option<Duration>),
}

pub(crate) const USAGE: &str = "usage: cargo xtask fuzz store [--cases N] [--minutes M] [--seed S] [--jobs N] \
    [--sabotage NAME] [--cut-life N | --cut-recovery N] [--stories] | --list-sabotages";

/// Without a word about how long.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads the arguments; the error is a sentence.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut plan = Plan { seed: 1, cases: u64::MAX, jobs, sabotage: None, cut: None };
    let (mut limit, mut stories) = (None, false);
    while let Some(arg) = args.next() {
        if arg == "--list-sabotages" {
            return match args.next() {
                None => Ok(Options::List),
                Some(more) => Err(format!("{more:?} after --list-sabotages")),
            };
        }
        if arg == "--stories" {
            stories = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{arg:?} is unknown, or needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number, not {value:?}"));
        match arg.as_str() {
            "--cases" => plan.cases = number()?,
            "--minutes" => limit = Some(Duration::from_secs(number()?.saturating_mul(60))),
            "--seed" => plan.seed = number()?,
            "--jobs" => plan.jobs = usize::try_from(number()?.clamp(1, 256)).unwrap_or(1),
            "--cut-life" => plan.cut = Some(Cut::Life(number()?)),
            "--cut-recovery" => plan.cut = Some(Cut::Recovery(number()?)),
            "--sabotage" => {
                let known = Sabotage::ALL.iter().find(|s| s.name() == value);
                plan.sabotage =
                    Some(*known.ok_or_else(|| {
                        format!("there is no sabotage {value:?}; --list-sabotages shows them")
                    })?);
            }
            _ => return Err(format!("{arg:?} is unknown")),
        }
    }
    if stories {
        return Ok(Options::Stories(plan.sabotage));
    }
    if plan.cut.is_some() {
        plan.cases = 1;
    }
    if plan.cases == u64::MAX && limit.is_none() {
        limit = Some(LIMIT);
    }
    // Seeds count up from the first.
    plan.cases = plan.cases.min(u64::MAX - plan.seed);
    Ok(Options::Hunt(plan, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(|s| s.to_string()))
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            &["--sabotage", "nonsense"][..],
            &["--sabotage"],
            &["--cases", "many"],
            &["--list-sabotages", "please"],
            &["store"],
            &["--frobnicate", "1"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_replay_is_one_case_and_nothing_said_is_a_minute() {
        let Ok(Options::Hunt(plan, limit)) = parsed(&["--seed", "9", "--cut-life", "4"]) else { panic!() };
        assert_eq!((plan.seed, plan.cases, plan.cut, limit), (9, 1, Some(Cut::Life(4)), None));
        let Ok(Options::Hunt(plan, limit)) = parsed(&[]) else { panic!() };
        assert_eq!((plan.sabotage, limit), (None, Some(LIMIT)));
        assert!(matches!(parsed(&["--list-sabotages"]), Ok(Options::List)));
        let told = parsed(&["--stories", "--sabotage", "reuse-at-once"]);
        assert!(matches!(told, Ok(Options::Stories(Some(Sabotage::ReuseAtOnce)))));
    }
}
