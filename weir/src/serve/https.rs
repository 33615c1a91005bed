//! What `weir serve --domain` adds to the settings: port 80, which answers challenges and leads to HTTPS,
//! port 443 with a certificate that comes by itself, and where that is kept.

use std::env;
use std::fmt::Write;
use std::path::PathBuf;

use crate::cli::ServeArgs;
use crate::serve::site::{file, list, quoted};

const USUAL_HTTPS: &str = "0.0.0.0:443";
/// A service's own directory, as in weir.service.
const STATE_OF_ROOT: &str = "/var/lib/weir/acme";

/// The elements of `edge.listen`.
pub(super) fn listeners(args: &ServeArgs) -> String {
    let secure = quoted(&secure_address(args));
    format!("{}, {{ address = {secure}, tls = \"auto\" }}", quoted(&args.https.listen_http))
}

/// `[edge.acme]`, the site that leads to HTTPS, and the head of the one that is served there.
pub(super) fn tables(args: &ServeArgs) -> anyhow::Result<String> {
    let https = &args.https;
    let (plain, secure) = (quoted(&https.listen_http), secure_address(args));
    let mut text = format!("\n[edge.acme]\nstate = {}\n", file(&state(args)?)?);
    let texts = [("directory", &https.acme_directory), ("email", &https.acme_email)];
    for (key, value) in texts.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    }
    if let Some(ca) = &https.acme_ca {
        let _ = writeln!(text, "ca = {}", file(ca)?);
    }
    // Ports 80 and 443 of the name lead to these.
    for (key, usual, address) in [("http_port", "80", &https.listen_http), ("tls_port", "443", &secure)] {
        if let Some((_, port)) = address.rsplit_once(':').filter(|(_, port)| *port != usual) {
            let _ = writeln!(text, "{key} = {port}");
        }
    }
    let names = list(&https.domain);
    let _ = write!(
        text,
        "\n[[edge.site]]\nserver_name = {names}\nlisten = [{plain}]\nreturn = \"308 https://$host$request_uri\"\n\
         \n[[edge.site]]\nserver_name = {names}\nlisten = [{}]\n",
        quoted(&secure)
    );
    if https.hsts {
        text.push_str("reply_fields = [{ set = \"Strict-Transport-Security\", value = \"max-age=31536000\", always = true }]\n");
    }
    Ok(text)
}

fn secure_address(args: &ServeArgs) -> String {
    args.listen.clone().unwrap_or_else(|| USUAL_HTTPS.to_owned())
}

/// Where certificates outlive a restart.
fn state(args: &ServeArgs) -> anyhow::Result<PathBuf> {
    if let Some(state) = &args.https.acme_state {
        return Ok(state.clone());
    }
    if let Some(state) = env::var_os("STATE_DIRECTORY") {
        return Ok(PathBuf::from(state).join("acme"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(STATE_OF_ROOT.into());
    }
    let own = |name: &str, below: &str| env::var_os(name).map(|path| PathBuf::from(path).join(below));
    let found = own("XDG_STATE_HOME", "weir/acme").or_else(|| own("HOME", ".local/state/weir/acme"));
    found.ok_or_else(|| {
        anyhow::anyhow!("there is no home directory for certificates: name one by --acme-state")
    })
}
