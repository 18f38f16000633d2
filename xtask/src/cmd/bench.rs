//! `cargo xtask bench NAME`: measurements, beside what other programs do on the same machine.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};
use std::path::Path;

/// A package of measurements.
struct Bench {
    name: &'static str,
    package: &'static str,
    /// Whole clusters: the package has several suites, is told which by its first argument, and needs `nacre`.
    clusters: bool,
}

const fn bench(name: &'static str, package: &'static str, clusters: bool) -> Bench {
    Bench { name, package, clusters }
}

const BENCHES: &[Bench] = &[
    bench("micro", "benches-micro", false),
    bench("erasure", "erasure", false),
    bench("block", "benches-macro", true),
    bench("s3", "benches-s3", true),
    bench("bucket", "benches-s3", true),
    bench("ec", "benches-s3", true),
    bench("ec-image", "benches-macro", true),
    bench("failover", "benches-macro", true),
    bench("recovery", "benches-macro", true),
];

/// Builds the benchmark that the first argument names and hands it the rest.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (bench, args) = find(args)?;
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
    let mut command = cargo(&places);
    match bench.name {
        // The package is a library with a benchmark of its own.
        "erasure" => command.args(["bench", "--quiet", "-p", bench.package, "--bench", "speed", "--"]),
        _ => command.args(["run", "--quiet", "--release", "-p", bench.package, "--"]),
    };
    if bench.clusters {
        process::run(cargo(&places).args(["build", "--release", "-p", "nacre"]))?;
        command.arg(bench.name).env("NACRE_BIN", places.nacre());
    }
    process::run(command.args(args))
}

fn find(args: &[String]) -> Result<(&'static Bench, &[String]), Failure> {
    let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
    let wrong =
        |got: &str| Failure::Usage(format!("cargo xtask bench takes one of: {}{got}", names.join(" ")));
    let (name, rest) = args.split_first().ok_or_else(|| wrong(""))?;
    let found = BENCHES.iter().find(|bench| bench.name == name);
    Ok((found.ok_or_else(|| wrong(&format!(", not `{name}`")))?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_is_found_by_name_and_strangers_are_refused() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let micro = args(&["micro", "crush", "--quick"]);
        let (bench, rest) = find(&micro).map_err(|error| error.to_string()).expect("known");
        assert_eq!((bench.package, rest), ("benches-micro", &micro[1..]));
        for bad in [args(&[]), args(&["nonsense"])] {
            assert_eq!(find(&bad).map(|_| ()).expect_err("refused").exit_code(), 2);
        }
    }
}
