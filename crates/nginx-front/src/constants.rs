//! Variables of a directive that have one value wherever it holds.

use nginx_conf::Directive;

use crate::scope::Scope;
use crate::site::with_variable;
use crate::translate::Translator;

/// The argument with each `$name` replaced that has one constant value: `set $app http://app:8000;`.
pub(crate) fn filled(
    translator: &mut Translator<'_>,
    scope: &Scope<'_>,
    directive: &Directive,
) -> Option<String> {
    let mut text = translator.server.filled(directive.arg(0)?);
    let (scheme, rest) = text.split_once("://").map_or(("", text.as_str()), |(scheme, rest)| (scheme, rest));
    // The request's own URI behind a host is what is sent without it.
    if let Some(host) = rest.strip_suffix("$request_uri").filter(|host| !host.contains('/')) {
        text = format!("{scheme}://{host}");
    }
    for set in scope.all("set") {
        let (Some(name), Some(value)) = (set.arg(0), set.arg(1)) else { continue };
        let times = scope.all("set").iter().filter(|other| other.arg(0) == Some(name)).count();
        let replaced = with_variable(&text, name.trim_start_matches('$'), value);
        if !value.contains('$') && times == 1 && replaced != text {
            text = replaced;
            translator.ledger.done(set);
        }
    }
    Some(text)
}
