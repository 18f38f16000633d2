//! One result, as people and as programs read it.

use serde_json::{Value, json};
use std::fmt;

/// A measurement.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) case: String,
    /// Of `ours`, `peer` and `limit`.
    pub(crate) unit: &'static str,
    /// Which way is better.
    pub(crate) better: Better,
    pub(crate) ours: f64,
    /// The other program's, where one was found.
    pub(crate) peer: Option<f64>,
    /// What is still good enough, where somebody said so.
    pub(crate) limit: Option<f64>,
    /// The ratio to the peer that is still good enough; 0: none was asked for.
    pub(crate) ratio_min: f64,
}

/// Whether a smaller or a larger number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Times, and bytes written.
    Less,
    /// Rates.
    More,
}

impl Row {
    /// A row without peer and limit; a peer that is added must at least be reached.
    pub(crate) fn new(case: impl Into<String>, unit: &'static str, better: Better, ours: f64) -> Row {
        Row { case: case.into(), unit, better, ours, peer: None, limit: None, ratio_min: 1.0 }
    }

    /// With what the other program reached, and the ratio to it that is still good enough.
    pub(crate) fn beside(self, peer: Option<f64>, ratio_min: f64) -> Row {
        Row { peer, ratio_min, ..self }
    }

    /// With what is still good enough.
    pub(crate) fn within(self, limit: f64) -> Row {
        Row { limit: Some(limit), ..self }
    }

    /// How many times better than the peer; above 1 we are.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| match self.better {
            Better::Less => peer / self.ours,
            Better::More => self.ours / peer,
        })
    }

    /// Whether it is within its limit and close enough to the peer.
    pub(crate) fn holds(&self) -> bool {
        let within = self.limit.is_none_or(|limit| match self.better {
            Better::Less => self.ours <= limit,
            Better::More => self.ours >= limit,
        });
        within && self.ratio().is_none_or(|ratio| ratio >= self.ratio_min)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { case, unit, ours, .. } = self;
        write!(f, "{case}: {ours:.3} {unit}")?;
        if let (Some(peer), Some(ratio)) = (self.peer, self.ratio()) {
            write!(f, ", peer {peer:.3} {unit}, ratio {ratio:.2}")?;
            if self.ratio_min > 0.0 {
                write!(f, " (at least {:.2})", self.ratio_min)?;
            }
        }
        match self.limit {
            Some(limit) => write!(f, ", limit {limit} {unit}"),
            None => Ok(()),
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
    fn rows_have_the_fields_that_scripts_read() {
        let row = Row::new("a", "us", Better::Less, 2.0).beside(Some(5.0), 1.0);
        let text = to_json(&[row.clone(), Row { peer: None, limit: Some(1.0), ..row.clone() }]);
        let rows: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(rows[0]["ratio"], 2.5);
        assert_eq!((&rows[1]["ratio"], &rows[1]["limit"]), (&Value::Null, &json!(1.0)));
        assert!(row.holds() && !Row { limit: Some(1.0), ..row.clone() }.holds());
        assert!(!Row { peer: Some(1.0), ..row.clone() }.holds());
        assert!(Row { peer: Some(1.7), ratio_min: 0.8, ..row }.holds());
        let rate = Row::new("b", "op/s", Better::More, 8.0).beside(Some(10.0), 0.8);
        assert!(rate.holds() && !rate.clone().within(9.0).holds());
        assert!(!Row { ratio_min: 0.9, ..rate }.holds());
    }
}
