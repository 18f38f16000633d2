//! `cargo xtask bench NAME`: measurements, beside what other programs do on the same machine.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};
use std::path::Path;

/// Benchmarks by name, and the package that has each.
const BENCHES: &[(&str, &str)] = &[("micro", "benches-micro")];

/// Builds the benchmark that the first argument names and hands it the rest.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (package, args) = find(args)?;
    let places = Places::find()?;
    let args = args.iter().map(|arg| match arg.as_str() {
        // The children run in the checkout, the caller may not.
        file if Path::new(file).extension().is_some_and(|ending| ending == "json") => {
            std::path::absolute(file)
                .map_err(|error| Failure::io("resolving", Path::new(file), error))
                .map(std::path::PathBuf::into_os_string)
        }
        other => Ok(other.into()),
    });
    let args = args.collect::<Result<Vec<_>, Failure>>()?;
    process::run(cargo(&places).args(["run", "--quiet", "--release", "-p", package, "--"]).args(args))
}

fn find(args: &[String]) -> Result<(&'static str, &[String]), Failure> {
    let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
    let wrong =
        |got: &str| Failure::Usage(format!("cargo xtask bench takes one of: {}{got}", names.join(" ")));
    let (name, rest) = args.split_first().ok_or_else(|| wrong(""))?;
    let found = BENCHES.iter().find(|(bench, _)| bench == name);
    Ok((found.ok_or_else(|| wrong(&format!(", not `{name}`")))?.1, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_is_found_by_name_and_strangers_are_refused() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let micro = args(&["micro", "crush", "--quick"]);
        assert_eq!(find(&micro).expect("known"), ("benches-micro", &micro[1..]));
        for bad in [args(&[]), args(&["nonsense"])] {
            assert_eq!(find(&bad).expect_err("refused").exit_code(), 2);
        }
    }
}
