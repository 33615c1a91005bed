//! Variables for the application that the settings name.

use std::collections::BTreeMap;

use process::settings::Mistakes;
use serde::Deserialize;

/// `variables = { UWSGI_SCHEME = "https", SITE = "shop" }`; nginx: `uwsgi_param`, `fastcgi_param`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Variables(pub Vec<(String, String)>);

impl From<BTreeMap<String, String>> for Variables {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl Variables {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let is_name = |name: &str| {
            let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters)
        };
        // What the length of the body and the frame of the request hang on is not to be said twice.
        const OURS: &[&str] =
            &["CONTENT_LENGTH", "REQUEST_METHOD", "HTTP_CONNECTION", "HTTP_TRANSFER_ENCODING"];
        for (name, value) in &self.0 {
            if !is_name(name) {
                mistakes.push(format!("{path}.{name}"), "not the name of a variable, such as \"SITE_ID\"");
            } else if OURS.contains(&name.as_str()) {
                mistakes.push(format!("{path}.{name}"), "follows from the request and cannot be set");
            }
            if value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
                mistakes.push(format!("{path}.{name}"), "there is a control character in the value");
            }
        }
    }
}
