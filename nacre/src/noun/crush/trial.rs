//! `nacre crush test`: mappings of a map in a file, line by line as `crushtool --test` prints them.

use super::files;
use super::words::TestArgs;
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crush::{CrushMap, Show, Trial, trial_weight};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufWriter, ErrorKind, Write};

/// Carries out the command.
pub(super) fn run(global: &Global, args: &TestArgs) -> Result<(), Failure> {
    if global.format == Format::Json {
        return Err(Failure::unusable("`crush test` prints crushtool's lines; leave --format json away"));
    }
    let map = files::load(&args.file)?;
    let trial = trial(&map, args)?;
    if trial.show == Show::default() {
        eprintln!(
            "nacre: nothing to print: say --show-mappings, --show-statistics, --show-utilization or --show-bad-mappings"
        );
        return Ok(());
    }
    let mut out = Out { to: BufWriter::new(std::io::stdout().lock()), failed: None };
    let printed = map.try_out(&trial, &mut out);
    let flushed = out.to.flush();
    match (printed, out.failed.or(flushed.err())) {
        (_, None) => Ok(()),
        // Whoever reads has read enough.
        (_, Some(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        (_, Some(error)) => Err(Failure::unusable(format!("standard output: {error}"))),
    }
}

fn trial(map: &CrushMap, args: &TestArgs) -> Result<Trial, Failure> {
    if args.min_x > args.max_x {
        return Err(Failure::unusable(format!("there is no seed from {} to {}", args.min_x, args.max_x)));
    }
    let rule = args.rule.as_deref().map(|name| rule(map, name)).transpose()?;
    let members = args.num_rep.map(|n| n as usize..=n as usize);
    Ok(Trial {
        rule,
        members,
        seeds: args.min_x..=args.max_x,
        pool: args.pool_id,
        weights: weights(map, &args.weight)?,
        show: Show {
            mappings: args.show_mappings,
            utilization: args.show_utilization,
            statistics: args.show_statistics,
            bad_mappings: args.show_bad_mappings,
        },
    })
}

fn rule(map: &CrushMap, name: &str) -> Result<u32, Failure> {
    let id = name.parse().ok().filter(|id| map.rule(*id).is_some()).or_else(|| map.rule_id(name));
    id.ok_or_else(|| {
        let known: Vec<String> =
            map.rules().map(|(id, _)| format!("{id} ({})", map.rule_name(id).unwrap_or_default())).collect();
        Failure::no(format!("the map has no rule {name}; it has {}", known.join(", ")))
    })
}

/// Pairs of device and weight.
fn weights(map: &CrushMap, words: &[String]) -> Result<BTreeMap<i32, u32>, Failure> {
    let pair = |pair: &[String]| {
        let (osd, weight) = (&pair[0], &pair[1]);
        let device = osd.strip_prefix("osd.").unwrap_or(osd).parse::<i32>().ok();
        let device = device.filter(|device| (0..map.max_devices()).contains(device)).ok_or_else(|| {
            Failure::unusable(format!("--weight {osd}: the map has devices 0 to {}", map.max_devices() - 1))
        })?;
        let number = weight.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
        let number = number.ok_or_else(|| {
            Failure::unusable(format!("--weight {osd} {weight}: an in/out weight goes from 0 to 1"))
        })?;
        Ok((device, trial_weight(number)))
    };
    words.chunks_exact(2).map(pair).collect()
}

/// Text to bytes; keeps the first error, because formatting has none to tell.
struct Out<W: Write> {
    to: W,
    failed: Option<std::io::Error>,
}

impl<W: Write> fmt::Write for Out<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.to.write_all(text.as_bytes()).map_err(|error| {
            self.failed = Some(error);
            fmt::Error
        })
    }
}
