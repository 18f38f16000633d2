//! Sizes as people write them: 8G, 512M, 4096.

/// Bytes of `text`: a number with an optional K, M, G or T (powers of 1024), optionally followed by `iB` or `B`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a size; write bytes, or 512M, 8G, 1T");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// `bytes` for a person, in the largest unit that leaves at least 1: "1.5 GiB".
pub(crate) fn show(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        assert_eq!(parse("8G"), Ok(8 << 30));
        assert_eq!(parse("512MiB"), Ok(512 << 20));
        assert_eq!(parse("4096"), Ok(4096));
        for bad in ["", "G", "8X", "-1", "99999999999T"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(show(1536), "1.5 KiB");
        assert_eq!(show(7), "7 B");
    }
}
