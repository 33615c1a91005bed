//! The settings that the flags of `weir serve` stand for, as the text of a settings file.

use std::fmt::Write;
use std::path::{Path, absolute};

use anyhow::Context;

use crate::cli::ServeArgs;
use crate::serve::https;

/// The pool of the application that Weir starts.
pub(super) const POOL: &str = "app";
/// Where the server is in settings that are printed to be kept as a file.
const USUAL_SOCKET: &str = "unix:/run/weir/app.sock";
const USUAL_LISTEN: &str = "127.0.0.1:8080";
const EVERY_ADDRESS: &str = "0.0.0.0";
/// Hashed names of static files change with their content; other files may change under their name.
const STATIC_EXPIRES: &str = "1h";

pub(super) fn settings(args: &ServeArgs) -> anyhow::Result<String> {
    let address = quoted(&listen(args)?);
    let listen = match &args.tls {
        _ if !args.https.domain.is_empty() => https::listeners(args),
        None => address,
        Some((certificate, key)) => format!(
            "{{ address = {address}, tls = {{ certificate = {}, key = {} }} }}",
            file(certificate)?,
            file(key)?
        ),
    };
    let mut text = format!("[edge]\nlisten = [{listen}]\nadmin = {}\n", quoted(&args.admin));
    for (name, networks) in [("trusted_proxies", &args.trusted_proxy), ("purge_allow", &args.purge_allow)] {
        if !networks.is_empty() {
            let _ = writeln!(text, "{name} = {}", list(networks));
        }
    }
    match args.https.domain.is_empty() {
        true => text.push_str("\n[[edge.site]]\n"),
        false => text.push_str(&https::tables(args)?),
    }
    for mapping in &args.statics {
        text.push_str(&static_files(mapping)?);
    }
    let _ = write!(
        text,
        "\n[[edge.site.location]]\nmatch = \"/\"\npool = \"{POOL}\"\nmax_body = {}\n\
         {}[edge.site.location.cache]\nttl = {}\n",
        quoted(&args.max_body),
        args.timeout.as_deref().map(|time| format!("timeout = {}\n", quoted(time))).unwrap_or_default(),
        quoted(&args.ttl)
    );
    let usual = [USUAL_SOCKET.to_owned()];
    let servers = if args.application.is_some() { &usual[..] } else { &args.app };
    let _ = write!(
        text,
        "\n[[wsgi_adapter.pool]]\nname = \"{POOL}\"\nservers = {}\nbuffer_size = {}\n",
        list(servers),
        quoted(&args.buffer_size)
    );
    Ok(text)
}

/// Platforms name the port on which they look for the site, as gunicorn knows too.
fn listen(args: &ServeArgs) -> anyhow::Result<String> {
    if let Some(listen) = &args.listen {
        return Ok(listen.clone());
    }
    match std::env::var("PORT") {
        Ok(port) if !port.is_empty() => {
            let number: u16 = port.parse().with_context(|| format!("PORT={port} is not a port"))?;
            Ok(format!("{EVERY_ADDRESS}:{number}"))
        }
        _ => Ok(USUAL_LISTEN.to_owned()),
    }
}

fn static_files(mapping: &str) -> anyhow::Result<String> {
    let Some((prefix, directory)) = mapping.split_once('=') else {
        anyhow::bail!("--static {mapping}: write PREFIX=DIRECTORY, such as /static/=./static");
    };
    if !Path::new(directory).is_dir() {
        anyhow::bail!("--static {mapping}: the directory {directory} does not exist");
    }
    Ok(format!(
        "\n[[edge.site.location]]\nmatch = {}\nalias = {}\nexpires = \"{STATIC_EXPIRES}\"\n",
        quoted(prefix),
        file(Path::new(directory))?
    ))
}

/// Absolute: whoever keeps the settings may start Weir elsewhere.
pub(super) fn file(path: &Path) -> anyhow::Result<String> {
    let mut text = absolute(path)?.to_string_lossy().into_owned();
    if path.is_dir() && !text.ends_with('/') {
        text.push('/');
    }
    Ok(quoted(&text))
}

pub(super) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML, which may be written like one of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
