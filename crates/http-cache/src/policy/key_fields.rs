//! Request fields that are part of the cache key: one page per value, known before the application is asked.

use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderMap, HeaderName};

use crate::Reason;
use crate::fields::is_hop_by_hop;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFields(Vec<HeaderName>);

/// The most such fields, and the longest value in bytes: a longer one goes past the cache.
const MAX_FIELDS: usize = 8;
const MAX_VALUE: usize = 128;

impl KeyFields {
    /// The error is for the settings checker.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut names = super::field_names(names)?;
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        if names.len() > MAX_FIELDS {
            return Err(format!("more than {MAX_FIELDS} fields"));
        }
        for name in &names {
            let why = match name {
                name if *name == COOKIE => "name its cookies in cookies.split",
                name if *name == AUTHORIZATION => "a page for one visitor is not stored",
                name if *name == HOST => "it is in the key already",
                name if is_hop_by_hop(name) => "it is about one connection",
                _ => continue,
            };
            return Err(format!("\"{name}\" cannot be part of the key: {why}"));
        }
        Ok(Self(names))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }

    /// Appends `\0\x01name:value` for each field that is there. No cookie's name holds a control character, so that no
    /// cookie looks like a field.
    pub(crate) fn push(&self, request: &HeaderMap, key: &mut Vec<u8>) -> Result<(), Reason> {
        for name in &self.0 {
            for value in request.get_all(name) {
                let value = value.as_bytes().trim_ascii();
                if value.len() > MAX_VALUE {
                    return Err(Reason::KeyField);
                }
                key.extend_from_slice(b"\0\x01");
                key.extend_from_slice(name.as_str().as_bytes());
                key.push(b':');
                key.extend_from_slice(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_part_of_the_key() {
        for name in ["Cookie", "authorization", "Host", "Connection", "TE", "not a name"] {
            assert!(KeyFields::new([name]).is_err(), "{name}");
        }
        let many: Vec<_> = (0..=MAX_FIELDS).map(|n| format!("x-{n}")).collect();
        assert!(KeyFields::new(many.iter().map(String::as_str)).is_err());
        assert_eq!(KeyFields::new(["X-B", "x-a", "x-b"]).unwrap().0, ["x-a", "x-b"]);
    }

    #[test]
    fn no_two_requests_share_a_key_by_accident() {
        let fields = KeyFields::new(["x-a", "x-b"]).unwrap();
        let key = |lines: &[(&'static str, &str)]| {
            let mut request = HeaderMap::new();
            for (name, value) in lines {
                request.append(*name, value.parse().unwrap());
            }
            let mut key = b"k".to_vec();
            fields.push(&request, &mut key).map(|()| key)
        };
        let all: Vec<_> = [
            &[][..],
            &[("x-a", "")],
            &[("x-a", "1")],
            &[("x-b", "1")],
            &[("x-a", "1"), ("x-b", "1")],
            &[("x-a", "1"), ("x-a", "1")],
            &[("x-a", "1,1")],
        ]
        .iter()
        .map(|lines| key(lines).unwrap())
        .collect();
        for (n, one) in all.iter().enumerate() {
            assert!(!all.iter().skip(n + 1).any(|other| other == one), "{n}");
        }
        assert_eq!(key(&[("x-c", "1")]).unwrap(), b"k");
        assert_eq!(key(&[("x-a", &"a".repeat(MAX_VALUE + 1))]), Err(Reason::KeyField));
    }
}
