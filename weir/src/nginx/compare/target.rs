//! What a file says of servers, for requests to be made from it: addresses, names, locations, and files that
//! are there.

use nginx_conf::Directive;
use nginx_front::is_fragment;

use super::example;
use crate::nginx::files::Configuration;

/// Names of one server that are asked.
const MOST_NAMES: usize = 3;
/// Files of one directory that are asked for.
const MOST_FILES: usize = 3;

/// A `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListenTarget {
    /// As the file names it.
    pub(super) text: String,
    pub(super) secure: bool,
}

/// A `server`.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTarget {
    pub(super) listens: Vec<ListenTarget>,
    pub(super) names: Vec<String>,
    /// Paths to ask for, each location's first path before its others.
    pub(super) paths: Vec<String>,
}

/// The directives of `http`.
pub(super) fn http(file: &Configuration) -> &[Directive] {
    if is_fragment(&file.parsed) {
        return &file.parsed.directives;
    }
    let blocks = file.parsed.directives.iter().find(|directive| directive.name() == "http");
    blocks.map(Directive::children).unwrap_or_default()
}

/// The address of a server without `listen`.
pub(super) fn usual_listen(file: &Configuration) -> &'static str {
    if file.options.is_root { "*:80" } else { "*:8000" }
}

/// The servers of a file.
pub(super) fn servers(file: &Configuration) -> Vec<ServerTarget> {
    let blocks: Vec<_> = http(file).iter().filter(|directive| directive.name() == "server").collect();
    let mut servers: Vec<ServerTarget> = blocks.iter().map(|block| server(file, block)).collect();
    // nginx speaks TLS at an address if one of its servers says so.
    let secure: Vec<String> = servers
        .iter()
        .flat_map(|server| server.listens.iter().filter(|listen| listen.secure))
        .map(|listen| listen.text.clone())
        .collect();
    for listen in servers.iter_mut().flat_map(|server| server.listens.iter_mut()) {
        listen.secure |= secure.contains(&listen.text);
    }
    servers
}

fn server(file: &Configuration, block: &Directive) -> ServerTarget {
    let named = |name: &'static str| block.children().iter().filter(move |line| line.name() == name);
    let is_tls = named("ssl").any(|line| line.arg(0) == Some("on"));
    let listen = |line: &Directive| {
        let text = line.arg(0)?;
        let is_plain = !text.starts_with("unix:") && !line.texts().any(|word| word == "quic");
        let secure = is_tls || line.texts().any(|word| word == "ssl");
        is_plain.then(|| ListenTarget { text: text.to_owned(), secure })
    };
    let mut listens: Vec<ListenTarget> = named("listen").filter_map(listen).collect();
    if named("listen").next().is_none() {
        listens.push(ListenTarget { text: usual_listen(file).to_owned(), secure: is_tls });
    }
    let all = named("server_name").flat_map(Directive::texts);
    let mut names: Vec<String> =
        all.map(|name| host(name, &file.options.hostname)).take(MOST_NAMES).collect();
    if names.is_empty() {
        names.push("unnamed.example".to_owned());
    }
    let mut paths = Vec::new();
    let root = root_of(block, None).or_else(|| root_of_http(file));
    of_files(&path_of(file, &root.unwrap_or_else(|| "html".to_owned())), "/", &mut paths);
    locations(file, block, &mut paths);
    ServerTarget { listens, names, paths }
}

/// A host that a name of `server_name` stands for.
fn host(name: &str, hostname: &str) -> String {
    match name.strip_prefix('~') {
        Some(pattern) => example::of(pattern, "sample"),
        None if matches!(name, "" | "_" | "*") => "unnamed.example".to_owned(),
        None => name.trim_start_matches('.').replace("$hostname", hostname).replace('*', "sample"),
    }
}

/// Paths of all locations within a block.
fn locations(file: &Configuration, block: &Directive, paths: &mut Vec<String>) {
    for location in block.children().iter().filter(|line| line.name() == "location") {
        let (sign, pattern) = match (location.arg(0), location.arg(1)) {
            (Some(sign), Some(pattern)) => (sign, pattern),
            (Some(text), None) => split_sign(text),
            _ => continue,
        };
        match sign {
            "~" | "~*" => paths.push(example::of(pattern, "/sample")),
            "=" => paths.push(pattern.to_owned()),
            _ if pattern.starts_with('/') => {
                paths.push(pattern.to_owned());
                let (bare, inner) = (pattern.trim_end_matches('/'), "sample/page?a=b");
                paths.extend((!bare.is_empty() && bare != pattern).then(|| bare.to_owned()));
                paths.push(format!("{bare}/{inner}"));
                if let Some(directory) = root_of(location, Some(pattern)) {
                    of_files(&path_of(file, &directory), pattern, paths);
                }
            }
            _ => {}
        }
        locations(file, location, paths);
    }
}

/// The sign may stand right before the path.
fn split_sign(text: &str) -> (&str, &str) {
    let signs = ["^~", "~*", "~", "="];
    signs.into_iter().find_map(|sign| Some((sign, text.strip_prefix(sign)?))).unwrap_or(("", text))
}

/// The directory that answers there: that of `alias`, or of `root` with the path behind it.
fn root_of(block: &Directive, pattern: Option<&str>) -> Option<String> {
    let named = |name: &str| block.children().iter().find(|line| line.name() == name)?.arg(0);
    let found = match pattern {
        Some(pattern) => {
            named("alias").map(str::to_owned).or_else(|| Some(format!("{}{pattern}", named("root")?)))
        }
        None => named("root").map(str::to_owned),
    };
    found.filter(|directory| !directory.contains('$'))
}

fn root_of_http(file: &Configuration) -> Option<String> {
    let root = http(file).iter().find(|line| line.name() == "root")?;
    root.arg(0).filter(|root| !root.contains('$')).map(str::to_owned)
}

/// A path as nginx completes it.
fn path_of(file: &Configuration, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}{path}", file.options.prefix) }
}

/// Some files of a directory, as paths below `prefix`.
fn of_files(directory: &str, prefix: &str, paths: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let is_plain =
        |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    paths.extend(names.into_iter().filter(is_plain).take(MOST_FILES).map(|name| format!("{prefix}{name}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_a_name_stands_for() {
        let cases = [
            ("example.com", "example.com"),
            (".example.com", "example.com"),
            ("*.example.com", "sample.example.com"),
            ("www.example.*", "www.example.sample"),
            ("_", "unnamed.example"),
            (r"~^www\d+\.example\.com$", "www1.example.com"),
            ("$hostname", "me"),
        ];
        for (name, expected) in cases {
            assert_eq!(host(name, "me"), expected, "{name}");
        }
    }

    #[test]
    fn signs_may_stand_before_the_path() {
        let cases = [("/a", ("", "/a")), ("=/a", ("=", "/a")), ("^~/a", ("^~", "/a")), ("~*a", ("~*", "a"))];
        for (text, expected) in cases {
            assert_eq!(split_sign(text), expected);
        }
    }
}
