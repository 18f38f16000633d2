//! Every process is killed at once, and the same command starts the cluster again.

use super::Injector;

/// Kills all, and starts all.
pub(super) fn fail(injector: &mut Injector<'_>) {
    if injector.refilling || injector.active.iter().any(|a| a.cure == super::Cure::Weigh) {
        return;
    }
    injector.tell("power-failure");
    injector.run.report.fault("power-failure");
    injector.run.report.now("every process was killed".into());
    injector.stage.cluster.kill_all();
    // What was killed or stood still before starts with the rest.
    for fault in std::mem::take(&mut injector.active) {
        super::cut::mend(&fault.rules);
    }
    let took = injector.stage.cluster.up();
    injector.stage.second.start();
    injector.tell(&format!("up again after {:.1} s", took.as_secs_f64()));
    injector.note();
}
