//! Fields as the settings change them: those of replies on their way out, those of requests on their way to
//! the application.
//!
//! `reply` holds the rules for replies, `cors` answers preflights and says who may read, `security` is a set
//! of rules under one name, and `request` has the rules for requests.

mod cookie_flags;
pub(crate) mod cors;
pub(crate) mod reply;
pub(crate) mod reply_rewrite;
pub(crate) mod request;
mod security;
