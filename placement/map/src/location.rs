//! Where an item hangs in CRUSH's tree, as people write it: `root=default datacenter=dc1 rack=r1 host=h1`.

/// The deepest location taken.
pub const LEVELS_MAX: usize = 12;

/// Pairs of type and bucket name.
pub type Location = Vec<(String, String)>;

/// Reads `TYPE=NAME` pairs apart by white space or commas, in any order. Whether the types and buckets exist is for
/// the map to know.
///
/// # Errors
/// A sentence: a word that is no pair, a type given twice, a name CRUSH does not take, too many levels.
pub fn parse(text: &str) -> Result<Location, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mut location = Location::new();
    for word in words {
        let (kind, name) = word.split_once('=').unwrap_or((word, ""));
        if !crush::is_valid_name(kind) || !crush::is_valid_name(name) {
            return Err(format!(
                "{word:?} is no TYPE=NAME, such as rack=r1 (letters, digits, '-', '_', '.')"
            ));
        }
        if location.iter().any(|(known, _)| known == kind) {
            return Err(format!("{kind} is given twice in {text:?}"));
        }
        if location.len() == LEVELS_MAX {
            return Err(format!("a location has at most {LEVELS_MAX} levels"));
        }
        location.push((kind.to_owned(), name.to_owned()));
    }
    Ok(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_in_any_order() {
        let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(parse("rack=r1 host=h-1"), Ok(vec![pair("rack", "r1"), pair("host", "h-1")]));
        assert_eq!(parse(" host=a,\troot=b "), Ok(vec![pair("host", "a"), pair("root", "b")]));
        assert_eq!(parse(""), Ok(vec![]));
        for bad in ["rack", "rack=", "=r1", "rack=a=b", "rack=r1~ssd", "rack=r1 rack=r2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let many = (0..13).map(|n| format!("t{n}=x ")).collect::<String>();
        assert!(parse(&many).unwrap_err().contains("at most 12"));
    }
}
