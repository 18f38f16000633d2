//! `nacre balancer`: plans from the map at hand, and asks the monitors to carry them out.

use super::answer::order_with;
use crate::cli::{BalancerArgs, BalancerCommand, Format, Global};
use crate::exit::Failure;
use crate::session;
use placement_map::balance::{Evenness, Limits, Plan, evenness, plan};
use serde_json::{Value, json};

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &BalancerCommand) -> Result<(), Failure> {
    let client = session::open(global).await?;
    let map = client.map();
    match command {
        BalancerCommand::Status => {
            let now = evenness(&map);
            let upmaps = map.pg_upmap_items.len();
            let json = json!({ "epoch": map.epoch.0, "evenness": value(&now), "upmaps": upmaps });
            say(global, &json, || format!("{}\n{upmaps} PGs are placed by upmaps", sentence(&now)));
            Ok(())
        }
        BalancerCommand::Plan(args) => {
            let planned = plan(&map, limits(args));
            let pairs = |(pg, pairs): (&_, &Vec<(placement_map::OsdId, placement_map::OsdId)>)| {
                let pairs: Vec<[u32; 2]> = pairs.iter().map(|(from, to)| [from.0, to.0]).collect();
                json!({ "pgid": placement_map::PgId::to_string(pg), "items": pairs })
            };
            let set: Vec<Value> = planned.changes.set.iter().map(pairs).collect();
            let gone: Vec<String> = planned.changes.gone.iter().map(|pg| pg.to_string()).collect();
            let json = json!({
                "epoch": map.epoch.0, "moves": planned.moves, "before": value(&planned.before),
                "after": value(&planned.after), "set": set, "removed": gone,
            });
            say(global, &json, || explain(&planned));
            Ok(())
        }
        BalancerCommand::Apply(args) => {
            let planned = plan(&map, limits(args));
            if planned.is_empty() {
                let json = json!({ "done": "nothing to do" });
                say(global, &json, || format!("nothing to do: {}", sentence(&planned.before)));
                return Ok(());
            }
            let done = format!("{} members of PGs move; then {}", planned.moves, sentence(&planned.after));
            order_with(&client, global, planned.command(&map), &done).await.map(drop)
        }
    }
}

fn limits(args: &BalancerArgs) -> Limits {
    args.max_moves.map_or_else(Limits::default, |moves_max| Limits { moves_max })
}

fn say(global: &Global, json: &Value, plain: impl FnOnce() -> String) {
    match global.format {
        Format::Plain => println!("{}", plain()),
        Format::Json => println!("{json}"),
    }
}

fn value(evenness: &Evenness) -> Value {
    json!({
        "pool_max": evenness.pool_max, "total_max": evenness.total_max, "total_spread": evenness.total_spread,
    })
}

fn sentence(evenness: &Evenness) -> String {
    format!(
        "no OSD is further than {:.1} PGs from its ideal in a pool, and {:.1} in all",
        evenness.pool_max, evenness.total_max
    )
}

fn explain(planned: &Plan) -> String {
    let mut text = format!("now {}\n", sentence(&planned.before));
    if planned.is_empty() {
        return text + "nothing to do";
    }
    for (pg, pairs) in &planned.changes.set {
        let pairs: Vec<String> = pairs.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
        text += &format!("  {pg}: {}\n", pairs.join(", "));
    }
    for pg in &planned.changes.gone {
        text += &format!("  {pg}: as CRUSH says\n");
    }
    text + &format!("{} members of PGs move; then {}", planned.moves, sentence(&planned.after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::ClusterMap;

    #[test]
    fn a_plan_with_nothing_to_do_says_so() {
        let planned = plan(&ClusterMap::default(), Limits::default());
        let text = explain(&planned);
        assert!(text.ends_with("nothing to do") && text.contains("0.0 PGs"), "{text}");
        assert_eq!(limits(&BalancerArgs { max_moves: Some(3) }), Limits { moves_max: 3 });
    }
}
