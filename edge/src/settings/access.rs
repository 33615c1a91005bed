//! `access`, `auth_basic` and `satisfy`: who may have what a location answers with.

use std::path::PathBuf;

use process::settings::Mistakes;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::access::Access;
use crate::access::addresses::Addresses;
use crate::access::basic::Basic;
use crate::variables::{Template, VariableNames};

/// Whether one of `access` and `auth_basic` is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Satisfy {
    #[default]
    All,
    Any,
}

/// `auth_basic = { realm = "…", file = "…" }`, or `false` where an outer one does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthBasicConfig(Option<AuthBasicTable>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthBasicTable {
    /// What browsers show when they ask for the password.
    realm: Template,
    /// Users and hashes, as htpasswd writes them.
    file: Template,
    /// Where the name of a file begins that a variable holds, unless it is a whole path.
    directory: Option<PathBuf>,
    /// The application gets the credentials too; then its replies count as personal.
    #[serde(default)]
    pass: bool,
    /// False: the file need not be there when the settings are read, and lines of it that cannot be used are
    /// only logged.
    #[serde(default = "yes")]
    checked: bool,
}

fn yes() -> bool {
    true
}

/// The settings of one location.
pub(crate) struct AccessSettings<'a> {
    pub(crate) access: &'a [String],
    pub(crate) auth_basic: Option<&'a AuthBasicConfig>,
    pub(crate) satisfy: Satisfy,
}

impl AccessSettings<'_> {
    /// The rules, if there are any; reports mistakes under the paths of `access` and `auth_basic`.
    pub(crate) fn rules(
        &self,
        (access_at, basic_at): (&str, &str),
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<Access> {
        let addresses = (!self.access.is_empty()).then(|| Addresses::parse(self.access));
        let addresses = addresses.and_then(|parsed| match parsed {
            Ok(addresses) => Some(addresses),
            Err(wrong) => {
                for (index, text) in wrong {
                    mistakes.push(format!("{access_at}[{index}]"), text);
                }
                None
            }
        });
        let table = self.auth_basic.and_then(|config| config.0.as_ref());
        let basic = table.and_then(|AuthBasicTable { realm, file, directory, pass, checked }| {
            for (key, text) in [("realm", realm), ("file", file)] {
                text.check(&format!("{basic_at}.{key}"), names, mistakes);
            }
            match Basic::new(realm.clone(), file.clone(), *pass) {
                Ok(basic) => {
                    let basic = basic.within(directory.clone());
                    for text in basic.mistakes().into_iter().filter(|_| *checked) {
                        mistakes.push(format!("{basic_at}.file"), text);
                    }
                    Some(basic)
                }
                Err(text) => {
                    mistakes.push(format!("{basic_at}.realm"), text);
                    None
                }
            }
        });
        let any = self.satisfy == Satisfy::Any;
        (addresses.is_some() || basic.is_some()).then_some(Access { addresses, basic, any })
    }
}

impl<'de> Deserialize<'de> for AuthBasicConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AuthBasicConfig;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("false, or a table with `realm` and `file`")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                match on {
                    true => Err(E::custom(
                        "`true` does not say which passwords; write { realm = \"…\", file = \"…\" }",
                    )),
                    false => Ok(AuthBasicConfig(None)),
                }
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = AuthBasicTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(AuthBasicConfig(Some(table)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
