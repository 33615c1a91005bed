//! nginx.conf as Weir's settings: a file as [`nginx_conf::parse`] has read it becomes the text of a
//! weir.toml.
//!
//! Each directive is *done*, *of no effect here*, or *not done*, and the last is said with what to write
//! instead. What a block inherits is worked out here by nginx's rules, so that each location of the result
//! says all that holds for it. No I/O: what has to be known of the machine is in [`Options`].

mod access;
mod auth_request;
mod bodies;
mod branches;
mod cache;
mod client_certificate;
mod compress;
mod constants;
mod fields;
mod files;
mod forwarded;
mod ledger;
mod limits;
mod listen;
mod location;
mod log_format;
mod logs;
mod maps;
mod media_types;
mod more_headers;
mod names;
mod parameters;
mod pass;
mod pass_choice;
mod place;
mod pool;
mod pool_request;
mod pool_tls;
mod program;
mod referers;
mod regex;
mod reply_rewrite;
mod resolver;
mod route;
mod rules;
mod scope;
mod scripts;
mod settings;
mod site;
mod sticky;
mod translate;
mod traps;
mod unnamed;
mod upstream;

#[cfg(test)]
mod tests;

pub use ledger::{Note, Origin, Verdict};
pub use media_types::{types_block, usual_lines};
pub use names::is_foreign;
pub use program::Program;
pub use translate::{Options, Translation, is_fragment, translate};
