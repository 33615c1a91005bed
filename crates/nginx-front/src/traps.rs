//! Known traps of nginx.conf, which mean here what they mean in nginx, and are said with what to write.

use nginx_conf::Directive;

use crate::scope::Scope;
use crate::translate::Translator;

/// `if` in a location is a location of its own: where it holds, some of what stands beside it does not.
pub(crate) fn of_if(translator: &mut Translator<'_>, location: &Scope<'_>) {
    let is_rule = |line: &Directive| matches!(line.name(), "set" | "rewrite" | "return" | "break");
    for block in location.own().iter().filter(|line| line.name() == "if") {
        if block.children().iter().all(is_rule) {
            continue;
        }
        let has_fields = block.children().iter().any(|line| line.name() == "add_header");
        let lost = [("try_files", true), ("add_header", has_fields)];
        let lost: Vec<&str> = lost
            .into_iter()
            .filter(|(name, counts)| *counts && !location.all(name).is_empty())
            .map(|(name, _)| name)
            .collect();
        if !lost.is_empty() {
            let text = format!(
                "where this `if` holds, the location's {} do not; write a map, or a location for it",
                lost.join(" and ")
            );
            translator.ledger.trap(block, text);
        }
    }
}

/// uWSGI takes 4 KiB of a request's variables, nginx and Weir send up to 64 KiB: said once.
pub(crate) fn of_uwsgi_buffer(translator: &mut Translator<'_>, pass: &Directive) {
    if translator.has_told_of_buffer {
        return;
    }
    translator.has_told_of_buffer = true;
    let text = "uWSGI refuses requests with much in cookies and fields, and visitors get 502, unless uwsgi.ini \
                says `buffer-size = 32768`";
    translator.ledger.trap(pass, text);
}
