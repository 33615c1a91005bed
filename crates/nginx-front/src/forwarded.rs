//! Who is believed about the client: `set_real_ip_from`, `real_ip_header`; and files that hand on what a
//! balancer in front says, without naming it.

use nginx_conf::Directive;

use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

/// Whether a proxy in front may tell host and scheme.
pub(crate) fn trusts_proxies(http: &[Directive]) -> bool {
    names_proxies(http) || relies_on_balancer(http).is_some()
}

/// Whether some server names the proxies in front of it.
fn names_proxies(directives: &[Directive]) -> bool {
    directives.iter().any(|one| one.name() == "set_real_ip_from" || names_proxies(one.children()))
}

/// The first directive that uses what a balancer says of the client's URL.
fn relies_on_balancer(directives: &[Directive]) -> Option<&Directive> {
    const TOLD: [&str; 4] =
        ["http_x_forwarded_proto", "http_x_forwarded_host", "http_x_forwarded_port", "http_x_forwarded_ssl"];
    directives.iter().filter(|one| one.name() != "log_format").find_map(|one| {
        let uses = one.texts().any(|text| TOLD.iter().any(|name| text.contains(name)));
        if uses { Some(one) } else { relies_on_balancer(one.children()) }
    })
}

/// A location cannot believe others than its server does.
pub(crate) fn refuse_here(translator: &mut Translator<'_>, location: &Scope<'_>) {
    for directive in location.own().iter().filter(|directive| directive.name() == "set_real_ip_from") {
        let why = "who is believed about the client is said once for all locations";
        translator.ledger.not_done(directive, why, "write it into http");
    }
}

/// The field that names the client in this location.
pub(crate) fn of_place(translator: &Translator<'_>, location: &Scope<'_>, table: &mut Table) {
    if let Some(directive) = location.here("real_ip_header")
        && let Some(header) = directive.arg(0)
    {
        table.from("real_ip_header", header, &translator.ledger.origin(directive));
    }
}

/// Sets `trusted_proxies` and `real_ip_header`.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    http: &Scope<'a>,
    scopes: &[Scope<'a>],
    edge: &mut Table,
) {
    let mut networks: Vec<String> = Vec::new();
    let mut header: Option<&str> = None;
    let mut origin = None;
    for scope in scopes.iter().chain([http]) {
        let own = scope.arg("real_ip_header").unwrap_or("X-Real-IP");
        for directive in scope.all("set_real_ip_from") {
            let Some(text) = directive.arg(0) else { continue };
            if !header.get_or_insert(own).eq_ignore_ascii_case(own) {
                let why =
                    format!("Weir takes the client's address from one field, {}", header.unwrap_or(own));
                translator.ledger.not_done(directive, why, "let all proxies send the same field");
            } else if text == "unix:" {
                translator.ledger.left_out(directive, "Weir does not listen on unix sockets");
            } else if let Some(network) = network(text) {
                origin.get_or_insert_with(|| translator.ledger.origin(directive));
                if !networks.contains(&network) {
                    networks.push(network);
                }
            } else {
                translator.ledger.not_done(directive, "a proxy is named by its address", "write 10.0.0.0/8");
            }
        }
    }
    if let Some(origin) = origin {
        edge.from("trusted_proxies", networks, &origin);
        edge.from("real_ip_header", header.unwrap_or("X-Real-IP"), &origin);
        return;
    }
    if let Some(directive) = relies_on_balancer(http.own()) {
        let all = vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        let means = "it is used, so everybody is believed about the URL, as in nginx";
        edge.noted("trusted_proxies", all, &translator.ledger.origin(directive), means);
        edge.set("real_ip_header", "proxy_protocol", "but nobody about the client's address");
        let trap = "everybody may send X-Forwarded-Proto and the like; write set_real_ip_from with the address \
                    of the balancer in front";
        translator.ledger.trap(directive, trap);
    }
}

/// An address as the network that holds it alone.
fn network(text: &str) -> Option<String> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let most = match address.parse().ok()? {
        std::net::IpAddr::V4(_) => 32,
        std::net::IpAddr::V6(_) => 128,
    };
    let bits = bits.unwrap_or(most);
    (bits <= most).then(|| format!("{address}/{bits}"))
}
