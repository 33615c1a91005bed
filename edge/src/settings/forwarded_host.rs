//! `forwarded_host`: what the X-Forwarded-Host of a trusted proxy decides.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedHost {
    /// It is the host, and chooses the site, unless `Host` names another site.
    #[default]
    ChoosesSite,
    /// It is the host within the site that `Host` has chosen.
    WithinSite,
    /// Nothing: it is removed.
    Off,
}
