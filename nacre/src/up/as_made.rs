//! What a cluster was made with stays: a flag that says otherwise is refused and not passed over.

use super::words::UpArgs;
use crate::cluster::settings::{ClusterSettings, Link};
use crate::exit::Failure;
use crate::size;

/// Refuses a flag that was given and differs from what the cluster was made with. One that repeats it is the same command
/// again, also after OSDs and monitors came and went.
pub(super) fn check(args: &UpArgs, settings: &ClusterSettings) -> Result<(), Failure> {
    let made = settings.made;
    let differing = [
        differs("--link", args.link.map(word), Some(word(settings.link)), "links cannot be changed later"),
        differs(
            "--osds",
            args.osds,
            made.map(|made| made.osds),
            "`nacre osd add` and `nacre osd rm` change how many there are",
        ),
        differs(
            "--mons",
            args.mons,
            made.map(|made| made.mons),
            "`nacre mon add` and `nacre mon rm` change how many there are",
        ),
        differs(
            "--osd-size",
            args.osd_size.map(size::show),
            Some(size::show(settings.osd_size)),
            "`nacre osd add --size` makes OSDs of another size",
        ),
        differs(
            "--pool-size",
            args.pool_size,
            Some(settings.pool_size),
            "`nacre pool set POOL size N` changes a pool's copies",
        ),
    ];
    differing.into_iter().flatten().next().map_or(Ok(()), Err)
}

fn word(link: Link) -> &'static str {
    match link {
        Link::Secure => "secure",
        Link::Crc => "crc",
    }
}

fn differs<T: PartialEq + std::fmt::Display>(
    flag: &str,
    given: Option<T>,
    made: Option<T>,
    instead: &str,
) -> Option<Failure> {
    let (given, made) = given.zip(made).filter(|(given, made)| given != made)?;
    Some(Failure::unusable(format!(
        "this cluster was made with {flag} {made}, and {flag} {given} would change nothing: {instead}; leave {flag} out, or \
         make a new cluster in another --data"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::settings::{GatewaySettings, Made};
    use clap::Parser;

    fn args(words: &[&str]) -> UpArgs {
        match crate::cli::Cli::parse_from([&["nacre", "up"], words].concat()).command {
            crate::cli::Command::Up(args) => args,
            _ => unreachable!("up was asked for"),
        }
    }

    fn made() -> ClusterSettings {
        ClusterSettings {
            fsid: String::new(),
            link: Link::Crc,
            pool_size: 3,
            complete: true,
            osd_size: 1 << 30,
            // One was added.
            osds: vec![0, 1, 2, 3],
            monitors: Vec::new(),
            gateway: GatewaySettings::on_loopback(),
            here: None,
            made: Some(Made { osds: 3, mons: 1 }),
        }
    }

    #[test]
    fn the_same_command_resumes_and_another_is_told_what_to_do() {
        let same = ["--osds", "3", "--mons", "1", "--osd-size", "1G", "--pool-size", "3", "--link", "crc"];
        assert!(check(&args(&same), &made()).is_ok());
        assert!(check(&args(&[]), &made()).is_ok());
        for (words, says) in [
            (["--link", "secure"], "made with --link crc"),
            (["--osds", "4"], "nacre osd add"),
            (["--mons", "3"], "nacre mon add"),
            (["--osd-size", "100T"], "--osd-size 1.0 GiB"),
            (["--pool-size", "2"], "nacre pool set"),
        ] {
            let failure = check(&args(&words), &made()).unwrap_err();
            assert!(failure.code == 2 && failure.sentence.contains(says), "{failure}");
        }
        // A cluster that was made before that was kept.
        let older = ClusterSettings { made: None, ..made() };
        assert!(check(&args(&["--osds", "9"]), &older).is_ok());
    }
}
