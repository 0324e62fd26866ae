//! Numbers, of which JSON5 has more spellings than JSON.

use super::{Fault, Parser};
use serde_json::Number;

impl Parser<'_> {
    /// Passes over digits; how many there are.
    fn run(&mut self, is_digit: fn(&u8) -> bool) -> usize {
        let count = self.rest().bytes().take_while(is_digit).count();
        self.at += count;
        count
    }

    /// A number; `None` for an infinity, and what is not a number.
    pub(super) fn number(&mut self) -> Result<Option<Number>, Fault> {
        let is_negative = self.take("-");
        if !is_negative {
            self.take("+");
        }
        if self.take("Infinity") || self.take("NaN") {
            return Ok(None);
        }
        let start = self.at;
        if self.take("0x") || self.take("0X") {
            let digits = self.run(u8::is_ascii_hexdigit);
            let text = self.text.get(start + 2..self.at).filter(|_| digits > 0).ok_or(Fault::Syntax)?;
            let whole = u64::from_str_radix(text, 16).ok();
            let rounded = text
                .chars()
                .filter_map(|digit| digit.to_digit(16))
                .fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit));
            return Ok(number(is_negative, whole, rounded));
        }
        let whole = self.run(u8::is_ascii_digit);
        if whole > 1 && self.text.as_bytes().get(start) == Some(&b'0') {
            self.at = start + 1;
            return Err(Fault::Syntax);
        }
        let mut is_whole = true;
        if self.take(".") {
            is_whole = false;
            if self.run(u8::is_ascii_digit) + whole == 0 {
                return Err(Fault::Syntax);
            }
        } else if whole == 0 {
            return Err(Fault::Syntax);
        }
        if self.take("e") || self.take("E") {
            is_whole = false;
            if !self.take("-") {
                self.take("+");
            }
            if self.run(u8::is_ascii_digit) == 0 {
                return Err(Fault::Syntax);
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let rounded = text.parse().map_err(|_| Fault::Syntax)?;
        Ok(number(is_negative, text.parse().ok().filter(|_| is_whole), rounded))
    }
}

/// A whole number as such where it has a type for it, any other as a double.
fn number(is_negative: bool, whole: Option<u64>, rounded: f64) -> Option<Number> {
    let whole = match (is_negative, whole) {
        (false, whole) => whole.map(Number::from),
        (true, whole) => whole.and_then(|whole| 0_i64.checked_sub_unsigned(whole)).map(Number::from),
    };
    whole.or_else(|| Number::from_f64(if is_negative { -rounded } else { rounded }))
}
