//! `reply_rewrite`: what an application says of itself, in the words of the site.

use serde::Deserialize;

use crate::variables::Template;

/// Pairs of what is replaced, a text or "~regex", and what it becomes; the first that matches counts.
type Pairs = Vec<(String, Template)>;

#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyRewriteConfig {
    /// Beginnings of Location, and of the URL in Refresh.
    pub(crate) location: Pairs,
    /// The Domain of cookies.
    pub(crate) cookie_domain: Pairs,
    /// Beginnings of the Path of cookies.
    pub(crate) cookie_path: Pairs,
    /// The flags of cookies, by name or "~regex": "secure", "httponly", "samesite=lax", "nosecure" and so on.
    pub(crate) cookie_flags: Vec<(String, Vec<String>)>,
}
