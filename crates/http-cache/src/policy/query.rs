//! Which query parameters count: the ignored ones are neither in the key nor seen by the application.

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
        dropped
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
