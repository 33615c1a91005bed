//! What can be known to be wrong with `[edge.acme]` before an authority is asked.

use std::fs;
use std::path::Path;

use process::settings::Mistakes;
use rustix::fs::{Access, access};

use crate::acme::seal::Seal;
use crate::acme::{ask, https, names, order};
use crate::settings::site_listen::port_of;
use crate::settings::{ChallengeKind, Config, Listen};

/// Reports it, if some name needs a certificate.
pub(crate) fn check(config: &Config, mistakes: &mut Mistakes) {
    let acme = &config.acme;
    if names::wanted(config, mistakes).is_empty() && acme.ask.is_none() {
        return;
    }
    if let Some(Err(text)) = acme.ask.as_ref().map(|url| ask::url(url)) {
        mistakes.push("edge.acme.ask", text);
    }
    if acme.ask.is_some() && !names::any_auto(config) {
        let text = "no listener and no site has tls = \"auto\", so no name is asked about";
        mistakes.push("edge.acme.ask", text);
    }
    if let Some(Err(text)) = acme.share_key_file.as_ref().map(|file| Seal::read(file)) {
        mistakes.push("edge.acme.share_key_file", text);
    }
    let url = acme.directory.parse::<http::Uri>().ok();
    if !url.is_some_and(|url| url.scheme_str() == Some("https") && url.host().is_some()) {
        let text = format!("`{}` is no URL that begins with https://", acme.directory);
        mistakes.push("edge.acme.directory", text);
    }
    if let Some(email) = acme.email.as_ref().filter(|email| !email.contains('@') || email.contains(':')) {
        let text = format!("`{email}` is no address such as \"admin@example.com\"");
        mistakes.push("edge.acme.email", text);
    }
    if let Some(Err(text)) = acme.ca.as_ref().map(|file| https::roots_in(file)) {
        mistakes.push("edge.acme.ca", text);
    }
    if let Some(Err(text)) =
        acme.external_account.as_ref().map(|account| order::external_key(&account.key_file))
    {
        mistakes.push("edge.acme.external_account.key_file", text);
    }
    let program = acme.dns_command.0.first().map(Path::new);
    if let Some(program) = program.filter(|program| program.is_absolute() && !program.is_file()) {
        mistakes.push("edge.acme.dns_command", format!("`{}` does not exist", program.display()));
    }
    check_challenges(config, mistakes);
}

/// Each challenge needs a listener that the authority reaches, or a command.
fn check_challenges(config: &Config, mistakes: &mut Mistakes) {
    let acme = &config.acme;
    for (index, kind) in acme.challenges.iter().enumerate() {
        if let Some(text) = missing_for(config, *kind) {
            mistakes.push(format!("edge.acme.challenges[{index}]"), text);
        }
    }
    if usable(config).is_empty() && acme.challenges.is_empty() {
        let http = missing_for(config, ChallengeKind::Http).unwrap_or_default();
        let text = format!("no authority can check the names: {http}");
        mistakes.push("edge.acme", text);
    }
}

/// The challenges that can be met, in the order in which they are tried.
pub(super) fn usable(config: &Config) -> Vec<ChallengeKind> {
    let usual = [ChallengeKind::Dns, ChallengeKind::Http, ChallengeKind::TlsAlpn];
    let wanted = if config.acme.challenges.is_empty() { &usual[..] } else { &config.acme.challenges };
    wanted.iter().copied().filter(|kind| missing_for(config, *kind).is_none()).collect()
}

fn missing_for(config: &Config, kind: ChallengeKind) -> Option<String> {
    let at = |port: u16, tls: bool| {
        let fits = |listen: &Listen| port_of(&listen.address) == Some(port) && listen.tls.is_some() == tls;
        config.listen.iter().any(fits)
    };
    let (http, tls) = (config.acme.http_port, config.acme.tls_port);
    match kind {
        ChallengeKind::Http if !at(http, false) => Some(format!(
            "http-01 needs a listener without TLS on port {http}: add \"0.0.0.0:{http}\" to `edge.listen`, or set \
             `edge.acme.http_port` to the port that port 80 leads to"
        )),
        ChallengeKind::TlsAlpn if !at(tls, true) => Some(format!(
            "tls-alpn-01 needs a listener with TLS on port {tls}; or set `edge.acme.tls_port` to the port that port \
             443 leads to"
        )),
        ChallengeKind::Dns if config.acme.dns_command.0.is_empty() => {
            Some("dns-01 needs `edge.acme.dns_command`".into())
        }
        _ => None,
    }
}

/// Whether this process could keep its certificates. A service may run as another user than who asks.
pub fn check_state(config: &Config, mistakes: &mut Mistakes) {
    if names::wanted(config, &mut Mistakes::default()).is_empty() && config.acme.ask.is_none() {
        return;
    }
    let state = &config.acme.state;
    let there =
        state.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or_else(|| Path::new("."));
    let wrong = match fs::metadata(there) {
        Ok(found) if !found.is_dir() => Some(format!("`{}` is no directory", there.display())),
        Ok(_) => access(there, Access::WRITE_OK | Access::EXEC_OK)
            .err()
            .map(|error| format!("`{}` cannot be written: {error}", there.display())),
        Err(error) => Some(format!("`{}`: {error}", there.display())),
    };
    if let Some(text) = wrong {
        mistakes.push("edge.acme.state", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(settings: &str) -> String {
        let config: Config = toml::from_str(settings).unwrap();
        let mut mistakes = Mistakes::default();
        check(&config, &mut mistakes);
        check_state(&config, &mut mistakes);
        mistakes.to_string()
    }

    #[test]
    fn mistakes_are_told_before_an_authority_is_asked() {
        let site = "[[site]]\nserver_name = ['example.com']\n";
        let listen = "listen = ['0.0.0.0:80', { address = '0.0.0.0:443', tls = 'auto' }]\n";
        let state = "state = '/tmp/weir-acme'";
        for (acme, wrong) in [
            (state, ""),
            ("state = '/dev/null/acme'", "edge.acme.state: `/dev/null` is no directory"),
            ("directory = 'http://ca.example/'", "edge.acme.directory"),
            ("email = 'mailto:a@b'", "edge.acme.email"),
            ("ca = '/nowhere.pem'", "edge.acme.ca"),
            ("external_account = { id = 'a', key_file = '/nowhere' }", "external_account.key_file"),
            ("dns_command = '/nowhere'", "edge.acme.dns_command"),
            ("challenges = ['http-01', 'dns-01']", "edge.acme.challenges[1]: dns-01 needs"),
            ("ask = 'http://127.0.0.1:8000/ask'", ""),
            ("ask = '127.0.0.1:8000'", "edge.acme.ask: `127.0.0.1:8000` is no URL"),
            ("share_key_file = '/nowhere'", "edge.acme.share_key_file: `/nowhere`: No such file"),
            ("http_port = 8080\nchallenges = ['http-01']", "on port 8080"),
            ("tls_port = 8443\nchallenges = ['tls-alpn-01']", "on port 8443"),
        ] {
            let state = if acme.contains("state") { "" } else { state };
            let said = mistakes(&format!("{listen}[acme]\n{acme}\n{state}\n{site}"));
            assert_eq!(said.is_empty(), wrong.is_empty(), "{acme}: {said}");
            assert!(said.contains(wrong), "{acme}: {said}");
        }
        let odd = mistakes(&format!(
            "listen = [{{ address = '0.0.0.0:8443', tls = 'auto' }}]\n[acme]\n{state}\n{site}"
        ));
        assert!(odd.contains("no authority can check the names: http-01 needs a listener"), "{odd}");
        let nobody =
            mistakes(&format!("listen = ['0.0.0.0:80']\n[acme]\nask = 'http://a.b/'\n{state}\n{site}"));
        assert!(nobody.contains("edge.acme.ask: no listener and no site has tls = \"auto\""), "{nobody}");
        // Nothing of it matters where no certificate is wanted.
        assert_eq!(mistakes("[acme]\ndirectory = 'x'\n[[site]]\nserver_name = ['example.com']\n"), "");
    }
}
