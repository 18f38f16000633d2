//! Garbage collection at the pace of a test: what deleted objects held is normally kept for an hour, for readers that
//! are still on it.

use crate::Cluster;
use crate::s3::Request;
use crate::wait::{for_condition, until};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

impl Cluster {
    /// Lets the gateways free garbage after seconds: settings reach them while they run.
    pub fn free_garbage_soon(&self) {
        for (key, seconds) in [("rgw_gc_obj_min_wait", "3"), ("rgw_gc_processor_period", "1")] {
            self.nacre(&["config", "set", "gateway", key, seconds]).ok();
        }
        for_condition("the gateway to follow its settings", Duration::from_secs(60), || {
            let follows = self.log("gateway.0").contains("delay=3s every=1s");
            if follows { Ok(()) } else { Err("nothing of it in its log".into()) }
        });
    }

    /// The names of all data objects of S3.
    pub fn data_objects(&self) -> Result<BTreeSet<String>, String> {
        let value = self.try_json(&["object", "ls", "s3.data"])?;
        let rows = value["objects"].as_array().ok_or_else(|| format!("no list of objects: {value}"))?;
        let names = rows.iter().map(|row| row.as_str().map(str::to_string));
        names.collect::<Option<_>>().ok_or_else(|| format!("not only names: {value}"))
    }

    /// Waits until exactly the data objects in `wanted` are there: none is leaked, none is lost.
    pub fn wait_data_objects(&self, wanted: &BTreeSet<String>, patience: Duration) -> Duration {
        let begin = Instant::now();
        until("every leaked data object to be freed", patience, Duration::from_secs(1), || {
            let now = self.data_objects()?;
            let lost = wanted.difference(&now).count();
            assert_eq!(lost, 0, "data objects that are in use are gone");
            match now.difference(wanted).next() {
                None => Ok(()),
                Some(name) => Err(format!("{} too many, as {name}", now.len() - wanted.len())),
            }
        });
        begin.elapsed()
    }

    /// Waits until the gateway answers.
    pub fn wait_gateway(&self) {
        let s3 = self.s3();
        for_condition("the gateway to answer", Duration::from_secs(60), || {
            let response = s3.try_send(Request::new("GET", "/")).map_err(|e| e.to_string())?;
            if response.status == 200 { Ok(()) } else { Err(response.brief()) }
        });
    }
}
