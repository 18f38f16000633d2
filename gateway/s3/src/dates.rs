//! Dates as HTTP, SigV4 and S3's documents write them, in UTC, as seconds since 1970.

use stdx::time::WallTime;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// Days since 1970-01-01 of a date, by Howard Hinnant's "days_from_civil".
fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of `days_from_civil`.
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

impl Civil {
    fn from_seconds(seconds: u64) -> Civil {
        let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
        let rest = seconds % 86_400;
        Civil {
            year,
            month,
            day,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }
    /// None before 1970, after 9999, or if it is no moment at all.
    fn seconds(self) -> Option<u64> {
        let days = days_from_civil(self.year, self.month, self.day);
        // A day that the month lacks comes back as another date.
        let real = (1..=12).contains(&self.month)
            && (1970..=9999).contains(&self.year)
            && civil_from_days(days) == (self.year, self.month, self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        let of_day =
            u64::from(self.hour) * 3600 + u64::from(self.minute) * 60 + u64::from(self.second.min(59));
        real.then(|| u64::try_from(days).ok().map(|d| d * 86_400 + of_day)).flatten()
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110).
pub(crate) fn http(seconds: u64) -> String {
    let c = Civil::from_seconds(seconds);
    let day = DAYS[(seconds / 86_400 % 7) as usize];
    let month = MONTHS[usize::from(c.month) - 1];
    format!("{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT", c.day, c.year, c.hour, c.minute, c.second)
}

/// `1994-11-06T08:49:37.000Z`, as S3's documents write times.
pub(crate) fn iso(time: WallTime) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::from_seconds(time.seconds());
    // By hand: a page of a listing has a thousand of them.
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, digits: usize, mut value: u64| {
        for place in (at..at + digits).rev() {
            text[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, u64::try_from(year).unwrap_or(0));
    for (at, value) in [(5, month), (8, day), (11, hour), (14, minute), (17, second)] {
        put(at, 2, u64::from(value));
    }
    put(20, 3, time.millis() % 1000);
    String::from_utf8_lossy(&text).into_owned()
}

/// `19941106T084937Z`, as SigV4 writes times.
pub(crate) fn amz(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::from_seconds(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `06/Nov/1994:08:49:37 +0000`, as logs of web servers write times.
pub(crate) fn clf(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::from_seconds(seconds);
    let month = MONTHS[usize::from(month) - 1];
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// `1994/11/06`, as folders of days are named, and `1994-11-06-08-49-37`, as log objects are.
pub(crate) fn folder_and_name(seconds: u64) -> (String, String) {
    let Civil { year, month, day, hour, minute, second } = Civil::from_seconds(seconds);
    let folder = format!("{year:04}/{month:02}/{day:02}");
    (folder, format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}"))
}

/// Reads `19941106T084937Z`.
pub(crate) fn parse_amz(text: &str) -> Option<u64> {
    let b = text.as_bytes();
    if b.len() != 16 || b[8] != b'T' || b[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    Civil {
        year: number(0, 4)?,
        month: number(4, 6)? as u8,
        day: number(6, 8)? as u8,
        hour: number(9, 11)? as u8,
        minute: number(11, 13)? as u8,
        second: number(13, 15)? as u8,
    }
    .seconds()
}

/// Reads any of the three forms that RFC 9110 wants read, and `1994-11-06T08:49:37Z` (fractions dropped) that
/// some S3 clients send.
pub(crate) fn parse_http(text: &str) -> Option<u64> {
    let text = text.trim();
    let words: Vec<&str> = text.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [_, day, month, year, time, "GMT" | "UTC" | "+0000"] => civil(day, month, year, time),
        // Sunday, 06-Nov-94 08:49:37 GMT
        [_, date, time, "GMT"] => {
            let (day, rest) = date.split_once('-')?;
            let (month, year) = rest.split_once('-')?;
            let year = digits(year)?;
            let year = if year < 70 { year + 2000 } else { year + 1900 };
            civil(day, month, &year.to_string(), time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => civil(day, month, year, time),
        [one] if one.ends_with('Z') => {
            let (date, time) = one.trim_end_matches('Z').split_once('T')?;
            let mut date = date.split('-');
            let (year, month, day) = (date.next()?, date.next()?, date.next()?);
            let name = MONTHS.get(usize::try_from(digits(month)? - 1).ok()?)?;
            civil(day, name, year, time.split('.').next()?)
        }
        _ => None,
    }
}

fn civil(day: &str, month: &str, year: &str, time: &str) -> Option<u64> {
    let month = MONTHS.iter().position(|m| *m == month)? as u8 + 1;
    let mut time = time.split(':').map(digits);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if time.next().is_some() {
        return None;
    }
    let small = |n: i64| u8::try_from(n).ok();
    Civil {
        year: digits(year)?,
        month,
        day: small(digits(day)?)?,
        hour: small(hour)?,
        minute: small(minute)?,
        second: small(second)?,
    }
    .seconds()
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_one_moment() {
        let t = 784_111_777;
        assert_eq!(http(t), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(amz(t), "19941106T084937Z");
        assert_eq!(clf(t), "06/Nov/1994:08:49:37 +0000");
        assert_eq!(folder_and_name(t), ("1994/11/06".into(), "1994-11-06-08-49-37".into()));
        assert_eq!(iso(WallTime(t * 1_000_000_000 + 5_000_000)), "1994-11-06T08:49:37.005Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37.123Z",
        ] {
            assert_eq!(parse_http(text), Some(t), "{text}");
        }
        assert_eq!(parse_amz("19941106T084937Z"), Some(t));
    }

    #[test]
    fn every_day_of_two_centuries_comes_back() {
        for day in 0..75_000_u64 {
            let t = day * 86_400 + day % 86_400;
            assert_eq!(parse_http(&http(t)), Some(t));
            assert_eq!(parse_amz(&amz(t)), Some(t));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for bad in [
            "19940230T000000Z",
            "19941306T000000Z",
            "1994110ET084937Z",
            "19691231T235959Z",
            "+9941106T084937Z",
            "",
        ] {
            assert_eq!(parse_amz(bad), None, "{bad}");
        }
        for bad in [
            "",
            "Bad Date",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "1994-00-06T08:49:37Z",
        ] {
            assert_eq!(parse_http(bad), None, "{bad}");
        }
    }
}
