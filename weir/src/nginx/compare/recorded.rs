//! Requests from a file: lines `METHOD HOST TARGET | Field: value`, or an access log in nginx's format
//! `combined`.

use std::fs;
use std::path::Path;

use side_by_side::{Probe, is_safe};

use super::target::ServerTarget;

/// Lines of a log that are asked; what stands twice is asked once.
const MOST: usize = 10_000;

/// Reads the list. What could change something is left out, unless `all_methods`.
pub(super) fn read(list: &str, servers: &[ServerTarget], all_methods: bool) -> Result<Vec<Probe>, String> {
    let text = fs::read(Path::new(list)).map_err(|error| format!("{list}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let mut probes: Vec<Probe> = Vec::new();
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let found = line_of_log(line).or_else(|| line_of_list(line));
        let request = found.ok_or_else(|| format!("{list}:{number}: `{line}` is no request"))?;
        if !all_methods && !is_safe(&request.method) {
            continue;
        }
        for probe in sent_to(&request, servers) {
            if probes.len() < MOST && !probes.contains(&probe) {
                probes.push(probe);
            }
        }
    }
    Ok(probes)
}

/// A request as a line tells it.
#[derive(Debug, PartialEq, Eq)]
struct RecordedRequest {
    method: String,
    /// `None`: the log does not say; each server is asked.
    host: Option<String>,
    target: String,
    fields: Vec<(String, String)>,
}

/// `1.2.3.4 - - [time] "GET /x HTTP/1.1" 200 5 "referer" "agent"`
fn line_of_log(line: &str) -> Option<RecordedRequest> {
    let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    let mut words = quoted.first()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/") || !is_method(method) || !target.starts_with('/') {
        return None;
    }
    let field = |name: &str, at: usize| {
        let value = quoted.get(at).filter(|value| !matches!(**value, "-" | ""))?;
        Some((name.to_owned(), (*value).to_owned()))
    };
    let fields = [field("Referer", 1), field("User-Agent", 2)].into_iter().flatten().collect();
    Some(RecordedRequest { method: method.to_owned(), host: None, target: target.to_owned(), fields })
}

/// `GET shop.example.com /x | Accept: text/html`
fn line_of_list(line: &str) -> Option<RecordedRequest> {
    let mut parts = line.split(" | ");
    let mut words = parts.next()?.split_whitespace();
    let (method, host, target) = (words.next()?, words.next()?, words.next()?);
    if !is_method(method) || !target.starts_with('/') || words.next().is_some() {
        return None;
    }
    let fields = parts.map(|part| part.split_once(':'));
    let fields: Option<Vec<_>> =
        fields.map(|field| field.map(|(name, value)| (name.to_owned(), value.trim().to_owned()))).collect();
    Some(RecordedRequest {
        method: method.to_owned(),
        host: Some(host.to_owned()),
        target: target.to_owned(),
        fields: fields?,
    })
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// The request at each address of each server that it may be for.
fn sent_to(request: &RecordedRequest, servers: &[ServerTarget]) -> Vec<Probe> {
    let is_named =
        |server: &&ServerTarget| request.host.as_ref().is_some_and(|host| server.names.contains(host));
    let named: Vec<&ServerTarget> = servers.iter().filter(is_named).collect();
    let chosen = if named.is_empty() { servers.iter().collect() } else { named };
    let mut probes = Vec::new();
    for server in chosen {
        for listen in &server.listens {
            let host = request.host.as_ref().or_else(|| server.names.first());
            probes.extend(host.map(|host| Probe {
                listen: listen.text.clone(),
                secure: listen.secure,
                method: request.method.clone(),
                host: host.clone(),
                target: request.target.clone(),
                fields: request.fields.clone(),
            }));
        }
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_read() {
        let log = r#"10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /x?y HTTP/1.1" 200 5 "-" "curl/8""#;
        let request = line_of_log(log).unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/x?y"));
        assert_eq!(request.fields, [("User-Agent".to_owned(), "curl/8".to_owned())]);
        let request = line_of_list("HEAD a.example /x | Accept: b | Cookie: c=d").unwrap();
        assert_eq!((request.host.as_deref(), request.fields.len()), (Some("a.example"), 2));
        for line in ["GET /x", "get a /x", r#"1.1.1.1 - - [] "-" 400 0"#, "GET a x", "GET a /x | b"] {
            assert!(line_of_log(line).or_else(|| line_of_list(line)).is_none(), "{line}");
        }
    }
}
