//! Which query parameters count: the ignored ones are neither in the key nor seen by the application.

use crate::Glob;

#[derive(Clone, Debug, Default)]
pub struct QueryRules {
    pub ignore: Vec<Glob>,
    /// Keys are made of the parameters sorted by name, so that their order does not matter.
    pub sort: bool,
}

impl QueryRules {
    /// The error is for the settings checker.
    pub fn new<'a>(ignore: impl IntoIterator<Item = &'a str>, sort: bool) -> Result<Self, String> {
        Ok(Self { ignore: ignore.into_iter().map(Glob::new).collect::<Result<_, _>>()?, sort })
    }

    /// The parameters that count, in the order sent. Only `&` separates: a `;` that the application does not take for a
    /// separator would hide parameters from the key.
    pub(crate) fn kept<'q>(&self, query: &'q [u8]) -> impl Iterator<Item = &'q [u8]> {
        parameters(query).filter(|parameter| !self.ignores(name(parameter)))
    }

    pub(crate) fn drops_any(&self, query: &[u8]) -> bool {
        !self.ignore.is_empty() && parameters(query).any(|parameter| self.ignores(name(parameter)))
    }

    fn ignores(&self, name: &[u8]) -> bool {
        self.ignore.iter().any(|glob| glob.matches(name))
    }
}

/// `a=1` of `a=1&b=2`, and so on: as sent, empty ones too.
pub(crate) fn parameters(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

/// `a` of `a=1`. Not decoded: an encoded name that is not recognised stays in the key, which is the safe side.
pub(crate) fn name(parameter: &[u8]) -> &[u8] {
    parameter.split(|byte| *byte == b'=').next().unwrap_or_default()
}
