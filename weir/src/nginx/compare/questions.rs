//! Requests made from the file itself: each address and name with each location, a few paths that sites are
//! asked for, and fields that change answers.

use side_by_side::Probe;

use super::target::ServerTarget;

/// More are not made of one file.
const MOST: usize = 2_000;
/// Paths that every server is asked for.
const USUAL: [&str; 9] = [
    "/",
    "/index.html",
    "/favicon.ico",
    "/robots.txt",
    "/none-such/page?a=b%20c&d",
    "/none//such/a%2fb",
    "/none/./such/../page",
    "/.hidden/file",
    "/static/none.css",
];
/// Fields that some rule may look at, one after another.
const FIELDS: [(&str, &str); 6] = [
    ("Accept-Encoding", "gzip, br"),
    ("X-Forwarded-Proto", "https"),
    ("Origin", "https://elsewhere.example"),
    ("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile Safari"),
    ("Range", "bytes=0-3"),
    ("Cookie", "sessionid=abc; language=de"),
];

/// The requests for a file.
pub(super) fn made(servers: &[ServerTarget], all_methods: bool) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    let mut add = |probe: Probe| {
        if probes.len() < MOST && !probes.contains(&probe) {
            probes.push(probe);
        }
    };
    for server in servers {
        for listen in &server.listens {
            let of = |method: &str, host: &str, target: &str, fields: &[(&str, &str)]| Probe {
                listen: listen.text.clone(),
                secure: listen.secure,
                method: method.to_owned(),
                host: host.to_owned(),
                target: target.to_owned(),
                fields: fields
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            };
            let paths: Vec<&str> = USUAL.into_iter().chain(server.paths.iter().map(String::as_str)).collect();
            for host in &server.names {
                paths.iter().for_each(|path| add(of("GET", host, path, &[])));
            }
            let Some(host) = server.names.first() else { continue };
            add(of("GET", "unknown.example", "/", &[]));
            for path in ["/"].into_iter().chain(server.paths.iter().map(String::as_str)) {
                FIELDS.iter().for_each(|field| add(of("GET", host, path, &[*field])));
                ["HEAD", "OPTIONS"].iter().for_each(|method| add(of(method, host, path, &[])));
                if all_methods {
                    ["POST", "PUT", "DELETE"].iter().for_each(|method| add(of(method, host, path, &[])));
                }
            }
        }
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::super::target::ListenTarget;
    use super::*;

    #[test]
    fn each_name_is_asked_for_each_path_and_only_safely() {
        let server = ServerTarget {
            listens: vec![ListenTarget { text: "443".to_owned(), secure: true }],
            names: vec!["a.example".to_owned(), "b.example".to_owned()],
            paths: vec!["/api/".to_owned()],
        };
        let probes = made(std::slice::from_ref(&server), false);
        for host in ["a.example", "b.example"] {
            assert!(probes.iter().any(|probe| probe.host == host && probe.target == "/api/"));
        }
        assert!(probes.iter().all(|probe| probe.secure && probe.is_safe()));
        assert!(made(&[server], true).iter().any(|probe| probe.method == "DELETE"));
    }
}
