//! Purges as pure state: no socket, clock, lock, random source or async. `now` is an argument.
//!
//! Every purge has a place in one [`Log`]. A page remembers the place at which the right to make it was given
//! ([`Position`]); it is gone if a purge that reaches it ([`PurgeIndex`]) came later. Whoever keeps pages
//! follows the log, and may use them only while it is in touch with it ([`Trust`]). A purge is over when all
//! who keep pages have acknowledged it, or can no longer be using any ([`Membership`]).

mod log;
mod membership;
mod position;
mod purge_index;
mod target;
mod trust;

pub use log::{Log, LogEntry, LogGap, LogTail, continues};
pub use membership::{Membership, REMEMBERED};
pub use position::{LogId, Position, Seq};
pub use purge_index::{PurgeIndex, Reach, Subject, tag_hash};
pub use target::{InvalidPurge, MAX_TARGET, MAX_TARGETS, Purge, Target};
pub use trust::Trust;
