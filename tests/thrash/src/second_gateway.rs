//! A gateway beside the one that `nacre up` makes, so that clients have another one to go to.

use crate::stage::read_toml;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests_cluster::{daemons, ports, settings};
use wire_transport::{PeerName, credentials};

/// The second gateway.
pub(crate) struct SecondGateway {
    s3: String,
    conf: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl SecondGateway {
    /// Its name.
    pub(crate) const NAME: &str = "gateway.1";

    /// Writes its key and settings; nothing runs yet.
    pub(crate) fn make(dir: &Path) -> SecondGateway {
        let name: PeerName = Self::NAME.parse().unwrap_or_else(|e| panic!("{}: {e}", Self::NAME));
        let keys = dir.join("keys");
        let issued = credentials::issue(&keys, &name).and_then(|c| c.save(&keys));
        issued.unwrap_or_else(|e| panic!("a key for {name}: {e}"));
        let mut conf = read_toml(&dir.join("conf/gateway.0.toml"));
        let (s3, admin) = (ports::free(), ports::free());
        conf.insert("name".into(), Self::NAME.into());
        let doors = conf.get_mut("gateway").and_then(toml::Value::as_table_mut);
        let doors = doors.unwrap_or_else(|| panic!("the settings of gateway.0 are not those of a gateway"));
        doors.insert("s3".into(), s3.clone().into());
        doors.insert("admin".into(), admin.into());
        // Images are exported by one gateway only.
        doors.remove("nbd");
        let path = dir.join("conf").join(format!("{}.toml", Self::NAME));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(conf.to_string().as_bytes()));
        written.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let log = dir.join("log").join(format!("{}.log", Self::NAME));
        SecondGateway { s3, conf: path, log, child: None }
    }

    /// HOST:PORT of S3.
    pub(crate) fn s3(&self) -> &str {
        &self.s3
    }

    /// Starts it, in a process group of its own as `nacre daemon start` does.
    pub(crate) fn start(&mut self) {
        self.reap();
        let open = || OpenOptions::new().create(true).append(true).open(&self.log);
        let (out, err) = match (open(), open()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(e), _) | (_, Err(e)) => panic!("{}: {e}", self.log.display()),
        };
        let mut command = Command::new(settings::nacre());
        command.args(["gateway", "run", "--config"]).arg(&self.conf);
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        self.child = Some(command.spawn().unwrap_or_else(|e| panic!("{}: {e}", Self::NAME)));
    }

    /// Its live pid.
    pub(crate) fn pid(&self) -> Option<i32> {
        let pid = i32::try_from(self.child.as_ref()?.id()).ok()?;
        daemons::runs(pid).then_some(pid)
    }

    /// Ends it for good.
    pub(crate) fn stop(&mut self) {
        self.reap();
    }

    /// Takes the zombie of one that has ended away.
    fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It was killed, or is now: two of them would want one door.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for SecondGateway {
    fn drop(&mut self) {
        self.reap();
    }
}
