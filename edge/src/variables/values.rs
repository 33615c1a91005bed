//! What the rules of one request have set: captures of regular expressions, named or `$1` to `$9`, and `set`.

use std::ops::Range;
use std::sync::Arc;

use super::expression::{EndlessSearch, Expression, GroupPlaces};

/// Empty for most requests, and then without memory of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Option<Box<ValueSlots>>);

#[derive(Clone, Debug, Default)]
struct ValueSlots {
    /// What the last regular expression matched, and the places of `$1` to `$9` in it.
    text: Vec<u8>,
    groups: Vec<Option<Range<usize>>>,
    named: Vec<(Arc<str>, Vec<u8>)>,
}

impl Values {
    pub(crate) const NONE: &'static Self = &Self(None);

    /// Matches the text, and keeps the captures if it matches. As in nginx, `$1` to `$9` are those of the
    /// last expression that matched, and named ones stay.
    pub(crate) fn matches(&mut self, regex: &Expression, text: &[u8]) -> Result<bool, EndlessSearch> {
        if !regex.has_groups() {
            let matched = regex.is_match(text)?;
            if let Some(inner) = self.0.as_mut().filter(|_| matched) {
                inner.groups.clear();
            }
            return Ok(matched);
        }
        let Some(places) = regex.find_groups(text)? else { return Ok(false) };
        let inner = self.0.get_or_insert_default();
        inner.take(&places, text);
        for (number, name) in regex.named_groups() {
            let place = places.get(number).cloned().flatten();
            let value = place.and_then(|place| text.get(place)).unwrap_or_default();
            inner.set(&name.to_ascii_lowercase(), value.to_vec());
        }
        Ok(true)
    }

    /// `set $name value`
    pub(crate) fn set(&mut self, name: &str, value: Vec<u8>) {
        self.0.get_or_insert_default().set(name, value);
    }

    /// `$1` to `$9`
    pub(crate) fn capture(&self, number: u8) -> Option<&[u8]> {
        let inner = self.0.as_deref()?;
        let place = inner.groups.get(usize::from(number).checked_sub(1)?)?.clone()?;
        inner.text.get(place)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&[u8]> {
        let named = self.0.as_deref()?.named.iter();
        named.rev().find(|(known, _)| &**known == name).map(|(_, value)| value.as_slice())
    }
}

impl ValueSlots {
    fn take(&mut self, places: &GroupPlaces, text: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(text);
        self.groups.clear();
        self.groups.extend(places.iter().skip(1).take(9).cloned());
    }

    fn set(&mut self, name: &str, value: Vec<u8>) {
        match self.named.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, known)) => *known = value,
            None => self.named.push((name.into(), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::expression::compile;

    #[test]
    fn captures_are_those_of_the_last_match() {
        let mut values = Values::default();
        assert_eq!(values.capture(1), None);
        assert!(values.matches(&compile("^/(a)/(?<Rest>.*)$", false).unwrap(), b"/a/b/c").unwrap());
        assert_eq!(values.capture(1), Some(&b"a"[..]));
        assert_eq!(values.capture(2), Some(&b"b/c"[..]));
        assert_eq!(values.named("rest"), Some(&b"b/c"[..]));
        assert!(!values.matches(&compile("^x(y)", false).unwrap(), b"/a/b/c").unwrap());
        assert_eq!(values.capture(1), Some(&b"a"[..]));
        assert!(values.matches(&compile("^(?:(x)|(/))", false).unwrap(), b"/a").unwrap());
        assert_eq!((values.capture(1), values.capture(2)), (None, Some(&b"/"[..])));
        assert!(values.matches(&compile("a", false).unwrap(), b"/a").unwrap());
        assert_eq!(values.capture(2), None);
        assert_eq!(values.named("rest"), Some(&b"b/c"[..]));
    }

    #[test]
    fn the_last_set_counts() {
        let mut values = Values::default();
        values.set("a", b"1".to_vec());
        values.set("a", b"2".to_vec());
        assert_eq!(values.named("a"), Some(&b"2"[..]));
        assert_eq!(values.named("b"), None);
    }
}
