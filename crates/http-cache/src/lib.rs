//! RFC 9111 and its neighbours as pure functions: no socket, clock, lock, random source or async. `now` is an
//! argument.
//!
//! The way of one request: [`Policy::look`] makes the cache key (a hit ends here, with [`Lifetime::use_at`],
//! [`RequestSummary::may_use`] and [`vary::matches`]); on a miss [`Policy::outgoing`] says what the
//! application may see; [`Policy::reply`] says whether and how long its reply may be stored, or the
//! [`Reason`] why not, and [`csrf`] whether its body lets it; [`fields`] says what is kept and sent;
//! [`conditional`] answers conditions and ranges from it, [`holes`] fills what differs between visitors, and
//! [`cache_status`] tells the client. [`revalidate`], [`Policy::invalidation`] and [`tags`] see to it that it
//! is still right.

pub mod cache_status;
pub mod conditional;
pub mod csrf;
pub mod fields;
pub mod holes;
pub mod revalidate;
pub mod tags;
pub mod vary;

mod age;
mod cache_control;
mod date;
mod freshness;
mod glob;
mod invalidation;
pub mod key;
mod lifetime;
mod parts;
pub mod policy;
mod reason;
mod redirect;
mod reply;
mod request;
mod targeted;
mod wants;

pub use freshness::Source;
pub use glob::Glob;
pub use invalidation::Invalidation;
pub use key::{Key, KeyFindings};
pub use lifetime::{Lifetime, Use, entry_status, fails_refresh, is_error, status_of_entry};
pub use parts::{RequestParts, TargetUri};
pub use policy::cookies::{CookieClass, CookieRules};
pub use policy::fields::{FieldClass, FieldLists, FieldRules};
pub use policy::heuristic::Heuristic;
pub use policy::jitter::Jitter;
pub use policy::languages::Languages;
pub use policy::languages::learnt::LearntLanguages;
pub use policy::query::QueryRules;
pub use policy::rules::{RequestRule, RequestRules};
pub use policy::ttl::TtlRules;
pub use policy::{ClientAddress, Methods, Policy, field_names};
pub use reason::Reason;
pub use reply::{ReplyParts, Verdict};
pub use request::{OriginRequest, ReplyManner, RequestSummary, SharedRequest};
pub use wants::Wants;
