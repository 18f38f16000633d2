//! One result, as people and as programs read it.

use serde_json::{Value, json};
use std::fmt;

/// A measurement, with the other system's beside it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) case: String,
    /// Of `ours`, `peer` and `limit`.
    pub(crate) unit: &'static str,
    /// Which way is better.
    pub(crate) better: Better,
    pub(crate) ours: f64,
    /// The other system's, where it was measured.
    pub(crate) peer: Option<f64>,
    /// The ratio to the peer that is asked for; 0: none is.
    pub(crate) ratio_min: f64,
    /// Of a rate: what the machine's disk could give at most, whatever the software. Of anything else: what is
    /// still good enough.
    pub(crate) limit: Option<f64>,
}

/// Whether a smaller or a larger number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Times, memory.
    Less,
    /// Rates.
    More,
}

/// A rate this near to what the disk can do counts as having reached it.
const AT_THE_LIMIT: f64 = 0.9;

impl Row {
    /// A row by itself.
    pub(crate) fn new(case: impl Into<String>, unit: &'static str, better: Better, ours: f64) -> Row {
        Row { case: case.into(), unit, better, ours, peer: None, ratio_min: 0.0, limit: None }
    }

    /// With what the other system reached, and the ratio to it that is asked for.
    pub(crate) fn beside(self, peer: Option<f64>, ratio_min: f64) -> Row {
        Row { peer, ratio_min, ..self }
    }

    /// With a limit; see the field.
    pub(crate) fn within(self, limit: Option<f64>) -> Row {
        Row { limit, ..self }
    }

    /// How many times better than the peer; above 1 we are.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| match self.better {
            Better::Less => peer / self.ours,
            Better::More => self.ours / peer,
        })
    }

    /// Whether the ratio is reached, or the machine's limit.
    pub(crate) fn holds(&self) -> bool {
        let near_enough = self.ratio().is_none_or(|ratio| ratio >= self.ratio_min);
        match (self.better, self.limit) {
            (Better::More, Some(limit)) => near_enough || self.ours >= AT_THE_LIMIT * limit,
            (Better::Less, Some(limit)) => near_enough && self.ours <= limit,
            (_, None) => near_enough,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { case, unit, ours, .. } = self;
        write!(f, "{case}: {ours:.1} {unit}")?;
        if let (Some(peer), Some(ratio)) = (self.peer, self.ratio()) {
            write!(f, ", peer {peer:.1}, ratio {ratio:.2}")?;
            if self.ratio_min > 0.0 {
                write!(
                    f,
                    " (wanted {:.1}, {})",
                    self.ratio_min,
                    if self.holds() { "reached" } else { "MISSED" }
                )?;
            }
        }
        match (self.better, self.limit) {
            (_, None) => Ok(()),
            (Better::More, Some(limit)) => write!(f, ", the disk's limit {limit:.0}"),
            (Better::Less, Some(limit)) => write!(f, ", at most {limit:.0}"),
        }
    }
}

/// A list of rows, as `--json` writes it.
pub(crate) fn to_json(rows: &[Row]) -> String {
    let one = |row: &Row| {
        json!({
            "case": row.case, "unit": row.unit, "ours": row.ours, "peer": row.peer, "ratio": row.ratio(),
            "limit": row.limit,
        })
    };
    let rows: Vec<Value> = rows.iter().map(one).collect();
    format!("{:#}\n", Value::from(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_reached_by_the_ratio_or_by_the_disks_limit() {
        let rate = Row::new("a", "op/s", Better::More, 20.0).beside(Some(10.0), 3.0);
        assert_eq!(rate.ratio(), Some(2.0));
        assert!(!rate.holds() && rate.to_string().contains("MISSED"));
        assert!(rate.clone().within(Some(21.0)).holds() && !rate.clone().within(Some(40.0)).holds());
        assert!(rate.clone().beside(Some(10.0), 2.0).holds() && rate.beside(None, 9.0).holds());
        let memory = Row::new("b", "MiB", Better::Less, 500.0).beside(Some(4000.0), 0.0);
        assert_eq!(memory.ratio(), Some(8.0));
        assert!(memory.clone().within(Some(1024.0)).holds() && !memory.within(Some(100.0)).holds());
    }

    #[test]
    fn rows_have_the_fields_that_scripts_read() {
        let row = Row::new("a", "us", Better::Less, 2.0).beside(Some(5.0), 1.0);
        let rows: Value = serde_json::from_str(&to_json(&[row])).expect("JSON");
        assert_eq!(
            (&rows[0]["case"], &rows[0]["ratio"], &rows[0]["limit"]),
            (&json!("a"), &json!(2.5), &Value::Null)
        );
    }
}
