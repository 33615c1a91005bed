//! `proxy_ssl_*`: TLS to the servers of a pool.

use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// `tls` of a pool. `upstream`: the name of the block that names its servers, which nginx then tells them and
/// looks for in their certificates.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    upstream: Option<&str>,
    pool: &mut Table,
) {
    let mut tls = Table::default();
    let verifies = scope.is_on("proxy_ssl_verify");
    if verifies {
        match scope.arg("proxy_ssl_trusted_certificate") {
            Some(ca) => tls.set("ca", translator.conf_path(ca), ""),
            None => {
                if let Some(directive) = scope.one("proxy_ssl_verify") {
                    let why = "there is no proxy_ssl_trusted_certificate";
                    translator.ledger.not_done(directive, why, "name the CA's file");
                }
            }
        }
    } else {
        tls.set("verify", false, "");
    }
    let asks_for_name = verifies || scope.is_on("proxy_ssl_server_name");
    let own = scope.one("proxy_ssl_name").and_then(|directive| Some((directive, directive.arg(0)?)));
    match own.filter(|(_, name)| *name != "$proxy_host") {
        Some((directive, name)) if name.contains('$') => {
            let why = "the name may not depend on the request";
            translator.ledger.not_done(directive, why, "write it out");
        }
        Some((_, name)) => tls.set("name", name, ""),
        None => {
            if let Some(upstream) = upstream.filter(|_| asks_for_name) {
                tls.set("name", upstream, "");
            }
        }
    }
    let certificate = scope.one("proxy_ssl_certificate").zip(scope.one("proxy_ssl_certificate_key"));
    if let Some((certificate, key)) = certificate
        && let (Some(text), Some(key_text)) = (certificate.arg(0), key.arg(0))
    {
        let is_file = |text: &str| !text.contains('$') && !text.contains(':');
        if is_file(text) && is_file(key_text) {
            tls.set("certificate", translator.conf_path(text), "");
            tls.set("key", translator.conf_path(key_text), "");
        } else if !text.is_empty() {
            translator.ledger.not_done(certificate, "the certificate and its key must be files", "");
        }
    }
    if !tls.is_empty() {
        pool.set("tls", Value::Inline(tls), "as nginx's proxy_ssl_* say");
    }
}
