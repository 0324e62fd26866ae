//! Lines for `eval` in any POSIX shell.

use super::{Error, Misfit};
use crate::model::EnvName;
use crate::secret::{Secret, SecretBuf};

/// `export NAME='value'` for each entry. In single quotes nothing is special but the single
/// quote, so values with `$`, backticks, `!` or line breaks are only text.
///
/// # Errors
/// [`Error::Unrepresentable`] for a name that is none and for a value with a NUL.
pub fn render(entries: &[(&str, &Secret)]) -> Result<SecretBuf, Error> {
    let mut out = String::new();
    for &(name, value) in entries {
        let refuse = |why| Error::Unrepresentable { name: name.to_owned(), why };
        EnvName::parse(name).map_err(|_| refuse(Misfit::Name))?;
        if value.expose().contains('\0') {
            return Err(refuse(Misfit::Nul));
        }
        out.extend(["export ", name, "='", &value.expose().replace('\'', r"'\''"), "'\n"]);
    }
    Ok(SecretBuf::new(out.into_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The quoting of POSIX (XCU 2.2), for what [`render`] writes.
    fn unquoted(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text.chars();
        let mut quoted = false;
        while let Some(next) = rest.next() {
            match next {
                '\'' => quoted = !quoted,
                '\\' if !quoted => out.extend(rest.next()),
                other if quoted => out.push(other),
                _ => return "unquoted".to_owned(),
            }
        }
        assert!(!quoted);
        out
    }

    #[test]
    fn nothing_in_a_value_is_run() {
        let value = Secret::new("a'b $(id) `id` !! \\ \"\n; id #".to_owned());
        let lines = render(&[("A", &value), ("B", &value)]).unwrap();
        let line = "='a'\\''b $(id) `id` !! \\ \"\n; id #'\n";
        assert_eq!(lines.text().unwrap(), format!("export A{line}export B{line}"));
    }

    #[test]
    fn names_and_nul_are_checked() {
        let refused = |name: &str, value: &str| render(&[(name, &Secret::new(value.to_owned()))]).err();
        let error = |name: &str, why| Some(Error::Unrepresentable { name: name.to_owned(), why });
        assert_eq!(refused("A;id", "x"), error("A;id", Misfit::Name));
        assert_eq!(refused("A", "x\0"), error("A", Misfit::Nul));
    }

    proptest! {
        #[test]
        fn every_value_is_one_quoted_word(value in "[^\\x00]{0,40}|['\\\\\\n$`!a]{0,12}") {
            let lines = render(&[("A", &Secret::new(value.clone()))]).unwrap();
            let word = lines.text().unwrap().strip_prefix("export A=").unwrap().strip_suffix('\n').unwrap().to_owned();
            prop_assert_eq!(unquoted(&word), value);
        }
    }
}
