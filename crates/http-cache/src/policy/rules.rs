//! Rules that pick requests for `bypass` and `no_store`: by method, header field, cookie or query parameter.

use std::borrow::Cow;

use http::{HeaderName, Method};

use crate::Glob;
use crate::parts::{RequestParts, cookie_lines};
use crate::policy::cookies::pairs;
use crate::policy::query::{name, parameters};
use http1::uri::normal_query;

/// Any of them fires.
#[derive(Clone, Debug, Default)]
pub struct RequestRules(pub Vec<RequestRule>);

/// A rule without a value fires when the field, cookie or parameter is there at all.
#[derive(Clone, Debug)]
pub enum RequestRule {
    Method(Method),
    Header { name: HeaderName, value: Option<Glob> },
    Cookie { name: Glob, value: Option<Glob> },
    Query { name: Glob, value: Option<Glob> },
}

impl RequestRule {
    pub fn method(name: &str) -> Result<Self, String> {
        let method = Method::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a method"))?;
        Ok(Self::Method(method))
    }

    pub fn header(name: &str, value: Option<&str>) -> Result<Self, String> {
        let name = HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a field name"))?;
        Ok(Self::Header { name, value: value.map(Glob::new).transpose()? })
    }

    pub fn cookie(name: &str, value: Option<&str>) -> Result<Self, String> {
        Ok(Self::Cookie { name: Glob::new(name)?, value: value.map(Glob::new).transpose()? })
    }

    pub fn query(name: &str, value: Option<&str>) -> Result<Self, String> {
        Ok(Self::Query { name: Glob::new(name)?, value: value.map(Glob::new).transpose()? })
    }

    fn fires(&self, request: &RequestParts<'_>) -> bool {
        match self {
            Self::Method(method) => method == request.method,
            Self::Header { name, value } => {
                request.headers.get_all(name).iter().any(|found| fits(value.as_ref(), found.as_bytes()))
            }
            Self::Cookie { name, value } => cookie_lines(request.headers)
                .flat_map(pairs)
                .any(|cookie| name.matches(cookie.name) && fits(value.as_ref(), cookie.value)),
            Self::Query { name: wanted, value } => {
                // However its letters are encoded.
                let query = request.query.unwrap_or_default();
                let query = normal_query(query).unwrap_or(Cow::Borrowed(query));
                parameters(&query).any(|parameter| {
                    let found = name(parameter);
                    let rest = parameter.get(found.len() + 1..).unwrap_or_default();
                    wanted.matches(found) && fits(value.as_ref(), rest)
                })
            }
        }
    }
}

impl RequestRules {
    pub(crate) fn fire(&self, request: &RequestParts<'_>) -> bool {
        self.0.iter().any(|rule| rule.fires(request))
    }
}

fn fits(wanted: Option<&Glob>, found: &[u8]) -> bool {
    wanted.is_none_or(|glob| glob.matches(found))
}
