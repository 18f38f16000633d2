//! A number with six digits, in whichever of the plain and the scientific form is shorter: C's `%g`.

use std::fmt;

const DIGITS: i32 = 6;

/// Prints as `%g` does.
pub(super) struct General(pub(super) f32);

impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = f64::from(self.0);
        if value == 0.0 || !value.is_finite() {
            return write!(f, "{value}");
        }
        // Rounding may carry into the next power of ten, so the exponent is that of the rounded number.
        let scientific = format!("{value:.*e}", DIGITS as usize - 1);
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..DIGITS).contains(&exponent) {
            let plain = format!("{value:.*}", (DIGITS - 1 - exponent) as usize);
            return f.write_str(without_zeros(&plain));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{}e{sign}{:02}", without_zeros(digits), exponent.unsigned_abs())
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_in_the_shorter_form() {
        let cases = [
            (0.631579, "0.631579"),
            (64.0, "64"),
            (123456.0, "123456"),
            (1234567.0, "1.23457e+06"),
            (999999.9, "1e+06"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (0.0, "0"),
            (-2.5, "-2.5"),
        ];
        for (value, wanted) in cases {
            assert_eq!(General(value).to_string(), wanted);
        }
    }
}
