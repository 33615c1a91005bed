//! What differs between nginx's answer and Weir's to the same request, and what of it is on purpose: for
//! `weir nginx --compare` and for the tests that put both side by side. Nothing is asked here.

mod intended;
mod probe;
mod reply;
mod verdict;

pub use probe::{Probe, is_safe};
pub use reply::Reply;
pub use verdict::{Comparison, Difference};
