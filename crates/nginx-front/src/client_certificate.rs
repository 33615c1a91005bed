//! `ssl_verify_client`: certificates that clients show.

use nginx_conf::values;

use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// Sets `client` of a listener's `tls`. All servers of an address ask for the same certificates.
pub(crate) fn translate(translator: &mut Translator<'_>, scopes: &[&Scope<'_>], tls: &mut Table) {
    let found: Vec<_> = scopes.iter().map(|scope| of_server(translator, scope)).collect();
    // Where they differ and the file starts nevertheless, nobody may see more than with nginx.
    let is_required = |client: &&Table| client.get("verify") == Some(&Value::from("required"));
    let mut asked = found.iter().flatten();
    let Some(first) = found.iter().flatten().find(is_required).or_else(|| asked.next()) else { return };
    for (scope, client) in scopes.iter().zip(&found) {
        let is_same = client.as_ref().is_some_and(|client| client.says(first));
        let with_directive = scopes.iter().find_map(|scope| scope.one("ssl_verify_client"));
        if !is_same && let Some(directive) = scope.one("ssl_verify_client").or(with_directive) {
            let why = "another server of this address asks for other certificates";
            translator.ledger.not_done(directive, why, "give it an address or a port of its own");
        }
    }
    tls.set("client", Value::Inline(first.clone()), "");
}

/// What a server asks of certificates.
fn of_server(translator: &mut Translator<'_>, scope: &Scope<'_>) -> Option<Table> {
    let directive = scope.one("ssl_verify_client")?;
    let verify = match directive.arg(0)? {
        "off" => return None,
        "on" => "required",
        verify => verify,
    };
    let trusted = scope.one("ssl_trusted_certificate");
    if let Some(trusted) = trusted.filter(|_| scope.one("ssl_client_certificate").is_some()) {
        let why = "clients need a certificate of ssl_client_certificate";
        translator.ledger.not_done(trusted, why, "put both into that file");
    }
    let ca = scope.arg("ssl_client_certificate").or_else(|| scope.arg("ssl_trusted_certificate"));
    if ca.is_none() && verify == "optional_no_ca" {
        let mut table = Table::default();
        table.set("verify", verify, "");
        return Some(table);
    }
    let Some(ca) = ca else {
        translator.ledger.not_done(directive, "there is no ssl_client_certificate", "name the CA's file");
        return None;
    };
    let mut table = Table::default();
    table.set("verify", verify, "");
    table.set("ca", translator.conf_path(ca), "");
    if scope.one("ssl_client_certificate").is_none() {
        table.set("names_ca", false, "");
    }
    if let Some(depth) = scope.arg("ssl_verify_depth").and_then(values::number) {
        table.set("depth", depth, "");
    }
    if let Some(crl) = scope.arg("ssl_crl") {
        table.set("crl", translator.conf_path(crl), "");
    }
    Some(table)
}
