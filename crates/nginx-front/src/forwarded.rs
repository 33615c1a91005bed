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
    const TOLD: [&str; 4] = ["http_x_forwarded_proto", HOST, "http_x_forwarded_port", "http_x_forwarded_ssl"];
    first_use(directives, &TOLD)
}

const HOST: &str = "http_x_forwarded_host";

/// The first directive that uses one of these variables.
fn first_use<'a>(directives: &'a [Directive], names: &[&str]) -> Option<&'a Directive> {
    directives.iter().filter(|one| one.name() != "log_format").find_map(|one| {
        let uses = one.texts().any(|text| names.iter().any(|name| text.contains(name)));
        if uses { Some(one) } else { first_use(one.children(), names) }
    })
}

/// Whether a variable is used of a field in which a proxy describes its client, also in a log.
fn names_claims(directives: &[Directive]) -> bool {
    const CLAIMS: [&str; 8] = [
        "$http_x_forwarded_",
        "${http_x_forwarded_",
        "$http_x_real_ip",
        "${http_x_real_ip",
        "$http_forwarded",
        "$http_x_scheme",
        "$http_cf_connecting_ip",
        "$http_true_client_ip",
    ];
    directives.iter().any(|one| {
        one.texts().any(|text| CLAIMS.iter().any(|name| text.contains(name))) || names_claims(one.children())
    })
}

/// Who is believed about the client in one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RealIp {
    networks: Vec<String>,
    header: String,
    recursive: bool,
}

impl RealIp {
    fn of(scope: &Scope<'_>) -> Self {
        let all = scope.all("set_real_ip_from");
        let networks = all.iter().filter_map(|directive| network(directive.arg(0)?)).collect();
        let header = scope.arg("real_ip_header").unwrap_or("X-Real-IP").to_owned();
        Self { networks, header, recursive: scope.is_on("real_ip_recursive") }
    }

    /// All that a place says of it.
    fn put(&self, table: &mut Table) {
        table.set("trusted_proxies", self.networks.clone(), "set_real_ip_from");
        if !self.networks.is_empty() {
            table.set("real_ip_header", self.header.as_str(), "");
            table.set("real_ip_recursive", self.recursive, "");
        }
    }
}

/// Who is believed about the client in this server or location, if not all blocks of the file say the same.
pub(crate) fn of_place(translator: &Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    if translator.has_several_real_ips {
        RealIp::of(scope).put(table);
    }
}

/// Whether some server or location says something else of it than another.
pub(crate) fn has_several(http: &Scope<'_>) -> bool {
    let mut found = Vec::new();
    for server in http.own().iter().filter(|directive| directive.name() == "server") {
        collect(&http.inside(server.children()), &mut found);
    }
    found.retain(|one: &RealIp| !one.networks.is_empty());
    let is_everywhere = |all: &Scope<'_>| !all.all("set_real_ip_from").is_empty();
    let servers: Vec<_> = http.own().iter().filter(|directive| directive.name() == "server").collect();
    let some_lack = servers.iter().any(|server| !is_everywhere(&http.inside(server.children())));
    let differ = found.iter().any(|one| Some(one) != found.first());
    differ || some_lack && !found.is_empty()
}

fn collect(scope: &Scope<'_>, found: &mut Vec<RealIp>) {
    found.push(RealIp::of(scope));
    for location in scope.own().iter().filter(|directive| directive.name() == "location") {
        collect(&scope.inside(location.children()), found);
    }
}

/// Sets `trusted_proxies` and `real_ip_header`.
pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    if names_claims(http.own()) {
        edge.set("untrusted_variables", true, "$http_x_forwarded_for and the like hold what anybody sends");
    }
    let mut networks: Vec<String> = Vec::new();
    let mut origin = None;
    for directive in all_of(http.own()) {
        let Some(text) = directive.arg(0) else { continue };
        if let Some(network) = network(text) {
            origin.get_or_insert_with(|| translator.ledger.origin(directive));
            if !networks.contains(&network) {
                networks.push(network);
            }
        } else {
            translator.ledger.not_done(directive, "a proxy is named by its address", "write 10.0.0.0/8");
        }
    }
    if let Some(origin) = origin {
        edge.from("trusted_proxies", networks, &origin);
        edge.set("forwarded_host", "within_site", "Host chooses the server, as in nginx");
        if translator.has_several_real_ips {
            edge.set("real_ip_header", "proxy_protocol", "servers and locations name the field");
            return;
        }
        let mut scopes = Vec::new();
        collect(http, &mut scopes);
        for server in http.own().iter().filter(|directive| directive.name() == "server") {
            collect(&http.inside(server.children()), &mut scopes);
        }
        let Some(real_ip) = scopes.into_iter().find(|one| !one.networks.is_empty()) else { return };
        edge.from("real_ip_header", real_ip.header, &origin);
        edge.set("real_ip_recursive", real_ip.recursive, "");
        return;
    }
    if let Some(directive) = relies_on_balancer(http.own()) {
        let all = vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        let means = "it is used, so everybody is believed about the URL, as in nginx";
        edge.noted("trusted_proxies", all, &translator.ledger.origin(directive), means);
        match first_use(http.own(), &[HOST]) {
            Some(_) => edge.set("forwarded_host", "within_site", "Host chooses the server, as in nginx"),
            None => edge.set("forwarded_host", "off", "it is not used"),
        }
        edge.set("real_ip_header", "proxy_protocol", "but nobody about the client's address");
        let trap = "everybody may send X-Forwarded-Proto and the like; write set_real_ip_from with the address \
                    of the balancer in front";
        translator.ledger.trap(directive, trap);
    }
}

/// Each `set_real_ip_from`, wherever it stands.
fn all_of(directives: &[Directive]) -> Vec<&Directive> {
    let mut found = Vec::new();
    for directive in directives {
        if directive.name() == "set_real_ip_from" {
            found.push(directive);
        }
        found.extend(all_of(directive.children()));
    }
    found
}

/// An address as the network that holds it alone.
fn network(text: &str) -> Option<String> {
    if text == "unix:" {
        return Some(text.to_owned());
    }
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
