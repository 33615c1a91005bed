//! Which query parameters count: the ignored ones are neither in the key nor seen by the application.

use std::borrow::Cow;

use http1::uri::normal_query;

use crate::Glob;

#[derive(Clone, Debug, Default)]
pub struct QueryRules {
    pub ignore: Vec<Glob>,
    /// If not empty: all others are ignored.
    pub allow: Vec<Glob>,
    /// Keys are made of the parameters sorted by name, so that their order does not matter.
    pub sort: bool,
}

impl QueryRules {
    /// The error is for the settings checker.
    pub fn new<'a>(
        ignore: impl IntoIterator<Item = &'a str>,
        allow: impl IntoIterator<Item = &'a str>,
        sort: bool,
    ) -> Result<Self, String> {
        Ok(Self { ignore: globs(ignore)?, allow: globs(allow)?, sort })
    }

    /// Appends `?` and the parameters that count, of a query in its normal form. True if one is ignored.
    ///
    /// Only `&` separates: a `;` that the application does not take for a separator would hide parameters
    /// from the key.
    pub(crate) fn push(&self, query: &[u8], sorted: bool, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut dropped = false;
        let mut separator = b'?';
        let mut push = |parameter: &[u8]| {
            out.push(separator);
            out.extend_from_slice(parameter);
            separator = b'&';
        };
        let kept = parameters(query).filter(|parameter| {
            let ignored = self.ignores(name(parameter));
            dropped |= ignored;
            !ignored
        });
        if sorted {
            let mut kept: Vec<_> = kept.collect();
            // Stable: of two parameters of one name the order counts.
            kept.sort_by_key(|parameter| name(parameter));
            kept.into_iter().for_each(&mut push);
        } else {
            kept.for_each(&mut push);
        }
        if dropped {
            self.normalise_rest(start, sorted, out);
        }
        dropped
    }

    /// An ignored parameter that no escape could be read in has kept the others as they were sent. Without it
    /// they have the form by which purges name them.
    fn normalise_rest(&self, start: usize, sorted: bool, out: &mut Vec<u8>) {
        let Some(rest) = out.get(start + 1..) else { return };
        if let Some(Cow::Owned(normal)) = normal_query(rest)
            && normal != rest
        {
            out.truncate(start);
            self.push(&normal, sorted, out);
        }
    }

    pub(crate) fn ignores(&self, name: &[u8]) -> bool {
        let listed = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(name));
        listed(&self.ignore) || !(self.allow.is_empty() || listed(&self.allow))
    }
}

fn globs<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Vec<Glob>, String> {
    patterns.into_iter().map(Glob::new).collect()
}

/// `a=1` of `a=1&b=2`, and so on: as sent, empty ones too.
pub(crate) fn parameters(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

/// `a` of `a=1`. Not decoded beyond the normal form: an encoded name that is not recognised stays in the key,
/// which is the safe side.
pub(crate) fn name(parameter: &[u8]) -> &[u8] {
    parameter.split(|byte| *byte == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_parameter_leaves_no_trace_in_the_others() {
        let rules = QueryRules::new(["utm_*"], [], false).unwrap();
        for (sent, expected) in [
            ("a=%7e&utm_x=1", "?a=~"),
            ("a=%7e&utm_x=%", "?a=~"),
            ("utm_x=%zz&a=%c3%a9", "?a=%C3%A9"),
            ("utm_x=%zz&utm%5fy=1&a=1", "?a=1"),
            ("utm_x=%zz&a=%7e&b=%", "?a=%7e&b=%"),
            ("utm_x=%zz", ""),
        ] {
            let mut out = Vec::new();
            rules.push(&normal_query(sent.as_bytes()).unwrap(), false, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{sent}");
        }
    }
}
