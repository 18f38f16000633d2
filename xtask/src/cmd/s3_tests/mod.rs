//! `cargo xtask s3-tests`: Ceph's S3 suite, from the caller's checkout, against a cluster made for it.

mod cluster;
mod conf;
mod expected;
mod outcome;
mod venv;

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use cluster::Cluster;
use expected::Expected;
use outcome::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is run unless the caller says otherwise: what both RGW and AWS are known to pass.
const PORTABLE: &str = "not fails_on_rgw and not fails_on_aws";
/// What Ceph's own test runs select by default (`qa/tasks/s3tests.py` of Ceph).
const TEUTHOLOGY: &str = "not fails_on_rgw and not lifecycle_expiration and not lifecycle_transition and \
                          not cloud_transition and not test_of_sts and not webidentity_test and not sse_s3";
/// The files of the suite that are run unless the caller names others.
const FILES: [&str; 2] = ["s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py"];

const USAGE: &str = "usage: cargo xtask s3-tests --suite DIR [-m EXPR | --teuthology] [--] [PYTEST ARGS]...
  --suite DIR     a checkout of ceph/s3-tests
  -m EXPR         which tests, by their markers (default: not fails_on_rgw and not fails_on_aws)
  --teuthology    the selection of Ceph's own runs
what follows -- goes to pytest as it is; relative paths there are taken from the checkout";

#[derive(Debug, PartialEq, Eq)]
struct Options {
    suite: PathBuf,
    markers: String,
    pytest: Vec<String>,
}

/// Builds nacre, starts a cluster with the suite's users, runs the suite, and holds its outcomes against
/// `tests/s3/expected.toml`. A failure that is not expected there makes it fail.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let options = parse(args)?;
    let suite = fs::canonicalize(&options.suite).map_err(|e| Failure::io("opening", &options.suite, e))?;
    let requirements = suite.join("requirements.txt");
    if !suite.join(FILES[0]).is_file() || !requirements.is_file() {
        return Err(Failure::Usage(format!(
            "{} is no checkout of ceph/s3-tests: {} or requirements.txt is missing",
            suite.display(),
            FILES[0]
        )));
    }
    let places = Places::find()?;
    let expected = Expected::load(&places.root.join("tests/s3/expected.toml"))?;
    let python = venv::ensure(&places, &requirements)?;
    println!("building nacre...");
    process::run(process::cargo(&places).args(["build", "--release", "-p", "nacre"]))?;

    let scratch = std::env::temp_dir().join(format!("nacre-s3-tests-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| Failure::io("creating", &scratch, e))?;
    let outcomes = scratch.join("outcomes.jsonl");
    let mut cluster = Cluster::start(&places.nacre(), &scratch)?;
    let config = scratch.join("s3tests.conf");
    fs::write(&config, conf::text(cluster.s3(), conf::USERS))
        .map_err(|e| Failure::io("writing", &config, e))?;
    let ended = pytest(&python, &places, &suite, &options, &config, &outcomes);
    cluster.stop();
    println!("\nlogs and outcomes of this run: {}", scratch.display());
    let ended = ended?;

    let outcomes = Outcome::load(&outcomes)?;
    let verdict = expected.judge(&outcomes);
    print!("{verdict}");
    // pytest's 1 is "tests failed", which the verdict judges; more is that it could not do its work.
    match ended {
        Some(0 | 1) if outcomes.is_empty() => Err(Failure::Check("no test was run".into())),
        Some(0 | 1) if verdict.is_good() => Ok(()),
        Some(0 | 1) => Err(Failure::Check(format!("{} tests failed unexpectedly", verdict.unexpected()))),
        Some(5) => Err(Failure::Check("no test fits the selection".into())),
        Some(code) => Err(Failure::Machine(format!("pytest ended with exit code {code}"))),
        None => Err(Failure::Machine("pytest was killed".into())),
    }
}

/// Runs pytest; its exit code, or none if a signal ended it.
fn pytest(
    python: &Path,
    places: &Places,
    suite: &Path,
    options: &Options,
    config: &Path,
    outcomes: &Path,
) -> Result<Option<i32>, Failure> {
    let mut command = Command::new(python);
    command.current_dir(suite).args(["-m", "pytest", "-p", "outcomes", "-p", "no:cacheprovider", "-m"]);
    command.arg(&options.markers);
    if !options.pytest.iter().any(|a| a.contains(".py")) {
        command.args(FILES);
    }
    command.args(&options.pytest);
    // Nothing of the caller's own S3 settings may leak in.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("AWS_") || n.starts_with("BOTO")) {
            command.env_remove(&name);
        }
    }
    command.env("S3TEST_CONF", config).env("NACRE_OUTCOMES", outcomes);
    command.env("PYTHONPATH", places.root.join("tests/s3")).env("PYTHONDONTWRITEBYTECODE", "1");
    let text = process::describe(&command);
    println!("{text}");
    let status = command.status().map_err(|e| Failure::Machine(format!("cannot start `{text}`: {e}")))?;
    Ok(status.code())
}

fn parse(args: &[String]) -> Result<Options, Failure> {
    let usage = |why: String| Failure::Usage(format!("{why}\n{USAGE}"));
    let (mut suite, mut markers, mut pytest) = (None, None, Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value =
            |name: &str| rest.next().cloned().ok_or_else(|| usage(format!("{name} needs a value")));
        match arg.as_str() {
            "--suite" => suite = Some(PathBuf::from(value("--suite")?)),
            "-m" if markers.is_none() => markers = Some(value("-m")?),
            "--teuthology" if markers.is_none() => markers = Some(TEUTHOLOGY.to_owned()),
            "--" => pytest.extend(rest.by_ref().cloned()),
            other => return Err(usage(format!("`{other}` is not understood here"))),
        }
    }
    let suite = suite.ok_or_else(|| usage("--suite is missing".into()))?;
    Ok(Options { suite, markers: markers.unwrap_or_else(|| PORTABLE.to_owned()), pytest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, Failure> {
        parse(&args.iter().map(|s| s.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn what_follows_the_dashes_is_pytests() {
        let options = parsed(&["--suite", "d", "--", "-k", "acl", "--junitxml=x"]).expect("valid");
        assert_eq!(options.suite, Path::new("d"));
        assert_eq!(options.markers, PORTABLE);
        assert_eq!(options.pytest, ["-k", "acl", "--junitxml=x"]);
        assert_eq!(parsed(&["--suite", "d", "-m", "tagging"]).expect("valid").markers, "tagging");
        assert_eq!(parsed(&["--teuthology", "--suite", "d"]).expect("valid").markers, TEUTHOLOGY);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        let bad = [&[][..], &["--suite"], &["-m", "x"], &["--suite", "d", "-k", "x"], &["d"]];
        for args in bad {
            assert_eq!(parsed(args).expect_err("refused").exit_code(), 2, "{args:?}");
        }
        assert_eq!(parsed(&["--suite", "d", "-m", "x", "--teuthology"]).expect_err("both").exit_code(), 2);
    }
}
