//! One result of a measurement, as people and as programs read it.

use serde_json::{Value, json};
use std::fmt;

/// A measurement, with the other system's beside it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub case: String,
    /// Of `ours`, `peer` and `limit`.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// What was reached.
    pub ours: f64,
    /// What the other system reached, where it was measured.
    pub peer: Option<f64>,
    /// The ratio to the peer that is asked for; 0: none is.
    pub ratio_min: f64,
    /// What it is held against besides.
    pub limit: Option<Limit>,
}

/// Whether a smaller or a larger number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Times, memory, bytes written.
    Less,
    /// Rates.
    More,
}

/// What a measurement is held against besides a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// What is still good enough.
    Enough(f64),
    /// What the machine's disk could give at most, whatever the software: near it, no peer needs to be beaten.
    Disk(f64),
}

impl Limit {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Limit::Enough(value) | Limit::Disk(value) => value,
        }
    }
}

/// A rate this near to what the disk can do counts as having reached it.
const AT_THE_LIMIT: f64 = 0.9;

impl Row {
    /// A row by itself; a peer that is added must at least be reached.
    pub fn new(case: impl Into<String>, unit: &'static str, better: Better, ours: f64) -> Row {
        Row { case: case.into(), unit, better, ours, peer: None, ratio_min: 1.0, limit: None }
    }

    /// With what the other system reached, and the ratio to it that is asked for.
    pub fn beside(self, peer: Option<f64>, ratio_min: f64) -> Row {
        Row { peer, ratio_min, ..self }
    }

    /// With what is still good enough.
    pub fn within(self, limit: f64) -> Row {
        Row { limit: Some(Limit::Enough(limit)), ..self }
    }

    /// With what the disk could give, where that is known.
    pub fn of_disk(self, limit: Option<f64>) -> Row {
        Row { limit: limit.map(Limit::Disk), ..self }
    }

    /// How many times better than the peer; above 1 we are.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| match self.better {
            Better::Less => peer / self.ours,
            Better::More => self.ours / peer,
        })
    }

    /// Whether it is good enough, and close enough to the peer or to the disk's limit.
    pub fn holds(&self) -> bool {
        let near_enough = self.ratio().is_none_or(|ratio| ratio >= self.ratio_min);
        match (self.limit, self.better) {
            (None, _) => near_enough,
            (Some(Limit::Disk(limit)), _) => near_enough || self.ours >= AT_THE_LIMIT * limit,
            (Some(Limit::Enough(limit)), Better::Less) => near_enough && self.ours <= limit,
            (Some(Limit::Enough(limit)), Better::More) => near_enough && self.ours >= limit,
        }
    }
}

/// A number with as many places as it bears.
fn number(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { case, unit, ours, .. } = self;
        write!(f, "{case}: {} {unit}", number(*ours))?;
        if let (Some(peer), Some(ratio)) = (self.peer, self.ratio()) {
            write!(f, ", peer {}, ratio {ratio:.2}", number(peer))?;
            if self.ratio_min > 0.0 {
                let said = if self.holds() { "reached" } else { "MISSED" };
                write!(f, " (wanted {:.2}, {said})", self.ratio_min)?;
            }
        }
        match (self.limit, self.better) {
            (None, _) => Ok(()),
            (Some(Limit::Disk(limit)), _) => write!(f, ", the disk's limit {}", number(limit)),
            (Some(Limit::Enough(limit)), Better::Less) => write!(f, ", at most {}", number(limit)),
            (Some(Limit::Enough(limit)), Better::More) => write!(f, ", at least {}", number(limit)),
        }
    }
}

/// A list of rows, as `--json` writes it.
pub fn to_json(rows: &[Row]) -> String {
    let one = |row: &Row| {
        json!({
            "case": row.case, "unit": row.unit, "ours": row.ours, "peer": row.peer, "ratio": row.ratio(),
            "limit": row.limit.map(Limit::value),
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
        assert!(rate.clone().of_disk(Some(21.0)).holds() && !rate.clone().of_disk(Some(40.0)).holds());
        assert!(!rate.clone().within(15.0).holds(), "good enough is not enough where a peer is better");
        assert!(rate.clone().beside(Some(10.0), 2.0).holds() && rate.beside(None, 9.0).holds());
    }

    #[test]
    fn what_is_not_good_enough_does_not_hold_whatever_the_peer_does() {
        let memory = Row::new("b", "MiB", Better::Less, 500.0).beside(Some(4000.0), 0.0);
        assert_eq!(memory.ratio(), Some(8.0));
        assert!(memory.clone().within(1024.0).holds() && !memory.within(100.0).holds());
        let rate = Row::new("c", "op/s", Better::More, 8.0).beside(Some(10.0), 0.8);
        assert!(rate.holds() && !rate.clone().within(9.0).holds() && !rate.beside(Some(10.0), 0.9).holds());
    }

    #[test]
    fn rows_have_the_fields_that_scripts_read() {
        let row = Row::new("a", "us", Better::Less, 2.0).beside(Some(5.0), 1.0);
        let text = to_json(&[row.clone(), row.beside(None, 1.0).within(1.0)]);
        let rows: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&rows[0]["case"], &rows[0]["ratio"]), (&json!("a"), &json!(2.5)));
        assert_eq!(
            (&rows[0]["limit"], &rows[1]["limit"], &rows[1]["ratio"]),
            (&Value::Null, &json!(1.0), &Value::Null)
        );
    }
}
