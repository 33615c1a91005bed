//! The keys by which an application signs what fills named values: HMAC with SHA-256.

use std::fs;

use ring::hmac;

use crate::settings::Config;

/// A key that is shorter than this can be guessed.
const SHORTEST: usize = 32;
/// The one that the application uses, and those that it has used.
const MOST: usize = 8;
const LONGEST_FILE: u64 = 64 * 1024;

/// Any of these may have signed.
#[derive(Debug, Default)]
pub(crate) struct ValueKeys(Vec<hmac::Key>);

impl ValueKeys {
    /// The keys in the file that the settings name, one on a line. The error is for the settings checker.
    pub(crate) fn read(settings: &Config) -> Result<Self, (&'static str, String)> {
        let Some(file) = &settings.values_key_file else { return Ok(Self::default()) };
        let mistake = |text: String| ("edge.values_key_file", text);
        let is_too_large = fs::metadata(file).is_ok_and(|data| data.len() > LONGEST_FILE);
        let text = fs::read_to_string(file).map_err(|error| mistake(format!("cannot be read: {error}")))?;
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if is_too_large || lines.len() > MOST {
            return Err(mistake(format!("has more than {MOST} keys, one on a line")));
        }
        if lines.is_empty() || lines.iter().any(|line| line.len() < SHORTEST) {
            return Err(mistake(format!("must hold keys of at least {SHORTEST} characters, one on a line")));
        }
        Ok(Self(lines.iter().map(|line| hmac::Key::new(hmac::HMAC_SHA256, line.as_bytes())).collect()))
    }

    /// Whether one of the keys has signed this. Takes as long for a wrong signature as for a right one.
    pub(crate) fn have_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| hmac::verify(key, message, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(text: &str) -> Result<ValueKeys, (&'static str, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        ValueKeys::read(&Config { values_key_file: Some(file.path().to_owned()), ..Config::default() })
    }

    #[test]
    fn any_key_of_the_file_counts_and_none_without_a_file() {
        let (old, new) = ("o".repeat(32), "n".repeat(40));
        let sign = |key: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), b"text");
        let keys = of_file(&format!("{new}\n\n {old} \n")).unwrap();
        assert!(
            keys.have_signed(b"text", sign(&old).as_ref()) && keys.have_signed(b"text", sign(&new).as_ref())
        );
        assert!(!keys.have_signed(b"texts", sign(&new).as_ref()));
        assert!(!keys.have_signed(b"text", sign(&"x".repeat(32)).as_ref()));
        assert!(!keys.have_signed(b"text", b"") && !keys.have_signed(b"text", &sign(&new).as_ref()[..31]));
        let none = ValueKeys::read(&Config::default()).unwrap();
        assert!(!none.have_signed(b"text", sign("").as_ref()));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_a_mistake() {
        for text in [
            "",
            "\n \n",
            "short",
            &format!("{}\nshort", "x".repeat(32)),
            &format!("{}\n", "k".repeat(32)).repeat(9),
        ] {
            assert_eq!(of_file(text).map(|_| ()).unwrap_err().0, "edge.values_key_file", "{text}");
        }
        let none = Config { values_key_file: Some("/nowhere/key".into()), ..Config::default() };
        assert!(ValueKeys::read(&none).map(|_| ()).unwrap_err().1.contains("cannot be read"));
    }
}
