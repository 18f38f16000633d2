//! `nacre health detail`: what is wrong, what it means, what happens next, what to do.

use super::answer::{ask, nonsense, show};
use crate::cli::{Global, HealthCommand};
use crate::exit::Failure;
use placement_map::status::{Answer, Health, Query};

/// Carries out the command. Exit code 0 whatever the health is: the question was answered.
pub(crate) async fn run(global: &Global, command: &HealthCommand) -> Result<(), Failure> {
    let HealthCommand::Detail = command;
    let answer = ask(global, Query::Health).await?;
    let Answer::Health(health) = &answer else { return Err(nonsense()) };
    show(global, &answer, || plain(health))
}

fn plain(health: &Health) -> String {
    let mut out = health.status.to_string();
    for check in &health.checks {
        out += &format!("\n\n{} ({})\n  {}\n", check.code, check.severity, check.summary);
        for (label, text) in [("next", &check.next), ("to do", &check.action)] {
            if !text.is_empty() {
                out += &format!("  {label:<6} {text}\n");
            }
        }
        for line in &check.detail {
            out += &format!("    {line}\n");
        }
    }
    out
}
