//! A syslog server as nginx writes it: `server=127.0.0.1:514,facility=local7,tag=weir,severity=info`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Where lines go, and what stands before each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syslog {
    pub(crate) server: SyslogServer,
    /// Facility and severity (RFC 3164 section 4.1.1).
    pub(crate) priority: u8,
    pub(crate) tag: String,
    pub(crate) host: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyslogServer {
    Udp(SocketAddr),
    Unix(PathBuf),
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

impl Syslog {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut server, mut facility, mut severity) = (None, 23, 6);
        let (mut tag, mut host) = ("weir".to_owned(), true);
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let place = |names: &[&str]| {
                let at = names.iter().position(|name| *name == value);
                at.and_then(|at| u8::try_from(at).ok())
                    .ok_or_else(|| format!("`{value}`: there is no such {key}"))
            };
            match key {
                "server" => server = Some(Self::server(value)?),
                "facility" => facility = place(&FACILITIES)?,
                "severity" => severity = place(&SEVERITIES)?,
                "tag" if is_tag(value) => tag = value.to_owned(),
                "tag" => return Err(format!("`{value}`: a tag has at most 32 letters, digits and `_`")),
                "nohostname" if value.is_empty() => host = false,
                _ => {
                    return Err(format!(
                        "`{part}` is none of server, facility, severity, tag and nohostname"
                    ));
                }
            }
        }
        let server = server.ok_or("needs `server=`, such as `syslog:server=127.0.0.1:514`")?;
        Ok(Self { server, priority: facility * 8 + severity, tag, host })
    }

    fn server(text: &str) -> Result<SyslogServer, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(SyslogServer::Unix(path.into()));
        }
        let alone = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 514));
        let address = text.parse().ok().or_else(alone);
        address
            .map(SyslogServer::Udp)
            .ok_or_else(|| format!("`{text}` is neither an IP address nor `unix:/path`"))
    }
}

fn is_tag(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_nginx_writes_it() {
        let read = Syslog::parse("server=127.0.0.1:1514,facility=daemon,tag=site,severity=warn").unwrap();
        assert_eq!((read.priority, read.tag.as_str(), read.host), (3 * 8 + 4, "site", true));
        assert_eq!(read.server, SyslogServer::Udp("127.0.0.1:1514".parse().unwrap()));
        let unix = Syslog::parse("server=unix:/dev/log,nohostname").unwrap();
        assert_eq!(
            (unix.server, unix.priority, unix.host),
            (SyslogServer::Unix("/dev/log".into()), 190, false)
        );
        for wrong in
            ["", "server=", "server=host", "tag=x", "server=127.0.0.1,tag=a-b", "server=127.0.0.1,x=1"]
        {
            assert!(Syslog::parse(wrong).is_err(), "{wrong}");
        }
    }
}
