//! nginx's variables in settings: `"$scheme://$host$request_uri"`.
//!
//! A setting of the type [`Template`] is parsed when the settings are read, and a mistake in it is reported
//! with its line. Variables that the settings define themselves (`map`, `set`, named captures) are known only
//! when all settings are read, so whoever builds from the setting also calls [`Template::check`] with the
//! [`VariableNames`] of these settings. While a request is answered, [`Template::value`] gives the text under
//! the [`Facts`] of the request:
//!
//! ```ignore
//! let facts = request.facts(RouteFacts { uri: path.as_bytes(), server_name: &site.name, .. });
//! // A value for a header field; control characters are refused.
//! let target = setting.field_value(&facts)?;
//! ```
//!
//! `names` is the list of all variables, `definitions` those of `map`, `geo` and `split`; `facts` computes
//! them, `values` holds what the rules of one request have set: captures of regular expressions, and `set`.
//! `expression` compiles the regular expressions of locations, rules and maps.

pub(crate) mod application_work;
pub(crate) mod basic_credentials;
pub(crate) mod body_copy;
pub(crate) mod definitions;
pub(crate) mod document_root;
pub(crate) mod earlier_reply;
pub(crate) mod expression;
pub(crate) mod facts;
mod field_source;
pub(crate) mod lookup;
pub(crate) mod names;
mod stamp;
mod template;
pub(crate) mod values;

pub use definitions::geo::GeoConfig;
pub use definitions::map::MapConfig;
pub use definitions::split::SplitConfig;
pub use template::Template;

pub(crate) use definitions::{DefinitionConfigs, Definitions};
pub(crate) use document_root::{DirectoryUse, DocumentRoot};
pub(crate) use earlier_reply::{EarlierReply, EarlierUpstream};
pub(crate) use facts::upstream::UpstreamFacts;
pub(crate) use facts::{Facts, LimitStatus, ReplyFacts, RequestFacts, RouteFacts};
pub(crate) use field_source::FieldSource;
pub(crate) use names::{Needs, Variable, VariableNames};
pub(crate) use template::TemplatePart;
pub(crate) use values::Values;
