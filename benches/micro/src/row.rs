//! One result, as people and as programs read it.

use serde_json::{Value, json};
use std::fmt;

/// A measurement. The smaller, the better: every unit here is a time.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) case: String,
    /// Of `ours`, `peer` and `limit`.
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    /// The other program's, where one was found.
    pub(crate) peer: Option<f64>,
    /// What is still good enough, where somebody said so.
    pub(crate) limit: Option<f64>,
}

impl Row {
    /// How many times better than the peer; above 1 we are.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| peer / self.ours)
    }

    /// Whether it is within its limit and no worse than the peer.
    pub(crate) fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.ours <= limit) && self.ratio().is_none_or(|ratio| ratio >= 1.0)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { case, unit, ours, .. } = self;
        write!(f, "{case}: {ours:.3} {unit}")?;
        if let (Some(peer), Some(ratio)) = (self.peer, self.ratio()) {
            write!(f, ", peer {peer:.3} {unit}, ratio {ratio:.2}")?;
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
        let row = Row { case: "a".into(), unit: "us", ours: 2.0, peer: Some(5.0), limit: None };
        let text = to_json(&[row.clone(), Row { peer: None, limit: Some(1.0), ..row.clone() }]);
        let rows: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(rows[0]["ratio"], 2.5);
        assert_eq!((&rows[1]["ratio"], &rows[1]["limit"]), (&Value::Null, &json!(1.0)));
        assert!(row.holds() && !Row { limit: Some(1.0), ..row.clone() }.holds());
        assert!(!Row { peer: Some(1.0), ..row }.holds());
    }
}
