//! `weir live`: where the live page is, with the token that shows all of it. The token stands behind the #,
//! which browsers send to nobody.

use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cli::LiveArgs;
use crate::plane::{Flags, Plane};

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn page(args: &LiveArgs) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        admin: args.admin.as_deref(),
        token_file: args.token_file.as_deref(),
        config: args.config.as_deref(),
    };
    let plane = Plane::find(&flags)?;
    plane.get("/livez", PATIENCE)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", url(&plane.address, plane.token()))?;
    if plane.token().is_none() {
        eprintln!("weir: no token is found for this user, so the page shows figures of this edge alone");
    }
    Ok(ExitCode::SUCCESS)
}

/// A listener on all addresses is reached on this machine by its own.
fn url(address: &str, token: Option<&str>) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "9900"));
    let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() && ip.is_ipv4() => "127.0.0.1",
        Ok(ip) if ip.is_unspecified() => "[::1]",
        _ => host,
    };
    let token = token.map(|token| format!("#token={}", utf8_percent_encode(token, NON_ALPHANUMERIC)));
    format!("http://{host}:{port}/{}", token.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_can_be_opened() {
        for (address, token, page) in [
            ("127.0.0.1:9900", Some("ab12"), "http://127.0.0.1:9900/#token=ab12"),
            ("0.0.0.0:9900", Some("a b&c#d"), "http://127.0.0.1:9900/#token=a%20b%26c%23d"),
            ("[::]:99", None, "http://[::1]:99/"),
            ("edge-1:9900", None, "http://edge-1:9900/"),
        ] {
            assert_eq!(url(address, token), page);
        }
    }
}
