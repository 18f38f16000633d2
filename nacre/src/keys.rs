//! Key pairs drawn at random, in the alphabets that S3 clients accept.

use crate::exit::{Context, Failure};
use std::io::Read;

/// So much of standard input is looked at for a secret key: they are shorter.
const SECRET_BYTES_MAX: u64 = 4096;

const UPPER: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ANY: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An access key of 20 characters and a secret key of 40 (240 random bits).
pub(crate) fn draw() -> Result<(String, String), Failure> {
    Ok((draw_from(UPPER, 20)?, draw_from(ANY, 40)?))
}

/// `n` characters of an alphabet whose size is a power of two up to 256, so that none is favoured.
fn draw_from(alphabet: &[u8], n: usize) -> Result<String, Failure> {
    assert!(alphabet.len().is_power_of_two());
    let mut bytes = vec![0u8; n];
    getrandom::fill(&mut bytes).or_unusable("the system gave no random bytes")?;
    Ok(bytes.iter().map(|b| char::from(alphabet[usize::from(*b) % alphabet.len()])).collect())
}

/// The secret key that was given: `-` reads it from the first line of standard input, where no process list shows it.
pub(crate) fn given_secret(given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        Some("-") => first_line(std::io::stdin().lock()).map(Some),
        other => Ok(other.map(str::to_owned)),
    }
}

fn first_line(from: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(SECRET_BYTES_MAX).read_to_string(&mut text).or_unusable("standard input")?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::unusable("--secret-key -: standard input holds no secret key")),
    }
}

/// A random port of a range.
pub(crate) fn draw_port(range: std::ops::Range<u16>) -> Result<u16, Failure> {
    let mut bytes = [0u8; 4];
    getrandom::fill(&mut bytes).or_unusable("the system gave no random bytes")?;
    let n = u32::from_le_bytes(bytes) % u32::from(range.end - range.start);
    Ok(range.start + n as u16)
}

/// A random cluster id in the usual form of a version 4 UUID.
pub(crate) fn draw_fsid() -> Result<[u8; 16], Failure> {
    let mut id = [0u8; 16];
    getrandom::fill(&mut id).or_unusable("the system gave no random bytes")?;
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    Ok(id)
}

/// `id` as 8-4-4-4-12 hexadecimal digits.
pub(crate) fn show_fsid(id: &[u8; 16]) -> String {
    let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Reads what `show_fsid` prints.
pub(crate) fn parse_fsid(text: &str) -> Option<[u8; 16]> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut id = [0u8; 16];
    for (i, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_by_a_line_of_its_own() {
        assert_eq!(first_line(&b"s3cr3t-s3cr3t\nand more\n"[..]).unwrap(), "s3cr3t-s3cr3t");
        assert_eq!(first_line(&b"s3cr3t-s3cr3t"[..]).unwrap(), "s3cr3t-s3cr3t");
        assert_eq!(first_line(&b""[..]).unwrap_err().code, 2);
        assert_eq!(given_secret(Some("--")).unwrap().as_deref(), Some("--"));
        assert_eq!(given_secret(None).unwrap(), None);
    }

    #[test]
    fn ids_come_back_and_keys_have_their_lengths() {
        let id = draw_fsid().unwrap();
        assert_eq!(parse_fsid(&show_fsid(&id)), Some(id));
        assert_eq!(parse_fsid("x"), None);
        let (a, s) = draw().unwrap();
        assert_eq!((a.len(), s.len()), (20, 40));
        assert_ne!(draw().unwrap().1, s);
    }
}
