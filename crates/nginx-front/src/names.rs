//! What is known of a directive by its name alone: done, of no effect here, or not done and why.

mod differing;
mod done;
mod foreign;
mod no_effect;

use nginx_conf::Directive;

use crate::fields::is_upgrade_map;
use crate::ledger::{Ledger, Verdict};
use differing::{DIFFERENT, NOT_DONE, NOT_DONE_OF, USUALLY_ON};
use done::DONE;
use no_effect::NO_EFFECT;

pub use foreign::is_foreign;

/// Gives each directive the verdict that its name alone tells.
pub(crate) fn settle(directives: &[Directive], ledger: &mut Ledger<'_>) {
    for directive in directives {
        let name = directive.name();
        if is_upgrade_map(directive) {
            ledger.different(directive, "Weir passes WebSocket on by itself");
        } else if DONE.contains(&name) {
            ledger.done(directive);
        } else if NO_EFFECT.contains(&name) {
            ledger.put(directive, Verdict::NoEffect);
        } else if let Some((_, how)) = DIFFERENT.iter().find(|(known, _)| *known == name) {
            ledger.different(directive, *how);
        } else if asks_for_nothing(directive) {
            ledger.put(directive, Verdict::NoEffect);
        } else if let Some((_, why, instead)) = not_done(name) {
            ledger.not_done(directive, *why, instead);
            continue;
        } else {
            let why = if is_foreign(name) {
                "it belongs to a module that is not nginx's own"
            } else {
                "Weir has no setting for it"
            };
            ledger.not_done(directive, why, "");
        }
        // The lines of these blocks are no directives.
        if !matches!(name, "types" | "map" | "geo" | "split_clients" | "charset_map" | "match") {
            settle(directive.children(), ledger);
        }
    }
}

/// What is known of a directive that is not done, or of all of its module by the beginning of their names.
fn not_done(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let of_module = || NOT_DONE_OF.iter().find(|(prefix, ..)| name.starts_with(prefix));
    NOT_DONE.iter().find(|(known, ..)| *known == name).or_else(of_module)
}

/// Whether it says what holds without it.
fn asks_for_nothing(directive: &Directive) -> bool {
    let usual = if USUALLY_ON.contains(&directive.name()) { "on" } else { "off" };
    directive.args.len() == 1 && directive.arg(0) == Some(usual)
}
