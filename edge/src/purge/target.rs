//! What a purge names, as people write it, converted to the form of cache keys.

pub(crate) mod fuzzed;

use bytes::Bytes;
use http_cache::{Policy, TargetUri, key};
use purge::Target;

use crate::request::path;
use crate::request::path::split;
use crate::route::{RouteMatch, Sites};

const SCHEMES: [&str; 2] = ["http", "https"];

/// A text that names no page; its author is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a URL such as \"https://example.com/news/\"")]
pub(crate) struct InvalidUrl(String);

/// A text that no reply can carry as a tag: the purge would match nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can be no page's tag: use 1 to 256 bytes, no control characters, no space at either end")]
pub(crate) struct InvalidTag(String);

/// All variants of one page. The URL is treated as a visitor's would be: parameters that its location ignores
/// do not count.
pub(crate) fn url(sites: &Sites, text: &str) -> Result<Vec<Target>, InvalidUrl> {
    let (scheme, authority, target) = parts(text)?;
    let targets = of_target(sites, scheme, authority, target);
    if targets.is_empty() { Err(InvalidUrl(text.to_owned())) } else { Ok(targets) }
}

/// A page by Host and target, as a PURGE request names it. It may be stored under both schemes.
pub(crate) fn page(sites: &Sites, authority: &str, target: &str) -> Vec<Target> {
    SCHEMES.iter().flat_map(|scheme| of_target(sites, scheme, authority, target)).collect()
}

/// All pages whose URL begins with this. Without a path: all pages of the host.
pub(crate) fn prefix(text: &str) -> Result<Target, InvalidUrl> {
    let bad = || InvalidUrl(text.to_owned());
    let (scheme, authority, target) = parts(text)?;
    let (target, cut) = cut_escape(target).ok_or_else(bad)?;
    let (path, query) = split(target);
    path::normalise(path.as_bytes()).map_err(|_| bad())?;
    let url = key_url(&Policy::default(), scheme, authority, path, query).ok_or_else(bad)?;
    Ok(Target::Prefix([&url[..], cut.as_bytes()].concat().into()))
}

/// What is before an escape that the end cuts in two, and the beginning of that escape as keys have it.
/// `None`: it may be that of a character that keys hold without an escape, or of one that they hold with it.
fn cut_escape(target: &str) -> Option<(&str, String)> {
    let whole = || Some((target, String::new()));
    let Some(at) = target.len().checked_sub(2).and_then(|from| Some(from + target.get(from..)?.find('%')?))
    else {
        return if target.ends_with('%') { None } else { whole() };
    };
    let (before, cut) = target.split_at_checked(at)?;
    match cut.as_bytes() {
        [b'%', b'0' | b'1' | b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F'] => {
            Some((before, cut.to_ascii_uppercase()))
        }
        // No digit: it is no escape.
        [b'%', digit] if !digit.is_ascii_digit() => whole(),
        _ => None,
    }
}

pub(crate) fn tag(text: &str) -> Result<Target, InvalidTag> {
    match http_cache::tags::is_possible(text) {
        true => Ok(Target::Tag(Bytes::copy_from_slice(text.as_bytes()))),
        false => Err(InvalidTag(text.to_owned())),
    }
}

/// One for each site that may have the page: the listener is not known, and locations differ in what they
/// ignore.
fn of_target(sites: &Sites, scheme: &str, authority: &str, target: &str) -> Vec<Target> {
    let normal = path::without_dots(target);
    let (raw_path, query) = split(normal.as_deref().unwrap_or(target));
    let Ok(path) = path::normalise(raw_path.as_bytes()) else { return Vec::new() };
    let by_default = Policy::default();
    let urls = sites.all_of(authority).flat_map(|site| {
        let location = match site.choose(&path) {
            RouteMatch::Location(_, location) | RouteMatch::AddSlash(location) => location,
        };
        let own = location.cache.as_deref().unwrap_or(&by_default);
        // A rule may have let another location answer, which ignores other parameters.
        let policies = [own].into_iter().chain(site.caches_by_rule().map(|policy| &**policy));
        policies.filter_map(|policy| key_url(policy, scheme, authority, raw_path, query)).collect::<Vec<_>>()
    });
    let mut urls: Vec<_> = urls.collect();
    urls.sort_unstable();
    urls.dedup();
    urls.into_iter().map(Target::Url).collect()
}

fn key_url(policy: &Policy, scheme: &str, authority: &str, path: &str, query: Option<&str>) -> Option<Bytes> {
    let mut made = Vec::new();
    let target = TargetUri { scheme, authority, path: path.as_bytes(), query: query.map(str::as_bytes) };
    policy.key(target, [], &mut made).ok()?;
    Some(Bytes::copy_from_slice(key::url(&made)))
}

/// Scheme, authority, and path with query.
fn parts(text: &str) -> Result<(&str, &str, &str), InvalidUrl> {
    let bad = || InvalidUrl(text.to_owned());
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    let scheme = SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)).ok_or_else(bad)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    // No request has such a port.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() && port.parse::<u16>().is_err() {
        return Err(bad());
    }
    match target {
        _ if authority.is_empty() => Err(bad()),
        "" => Ok((scheme, authority, "/")),
        _ if !target.starts_with('/') => Err(bad()),
        _ => Ok((scheme, authority, target)),
    }
}

#[cfg(test)]
mod tests {
    use process::settings::Mistakes;

    use super::*;
    use crate::metrics::Metrics;
    use crate::route;
    use crate::settings::{CacheConfig, Config, LocationConfig, SiteConfig};

    fn sites() -> Sites {
        let mut cached = LocationConfig::new("/cached/");
        cached.pool = Some("app".into());
        cached.cache = Some(CacheConfig { ignore_query: vec!["utm_*".into()], ..CacheConfig::default() });
        let site = SiteConfig { location: vec![cached], ..SiteConfig::default() };
        let config = Config { site: vec![site], ..Config::default() };
        route::build(&config, &config.listen, &Metrics::new(Default::default), &mut Mistakes::default())
            .unwrap()
    }

    fn text(target: Target) -> Option<String> {
        match target {
            Target::Url(bytes) | Target::Prefix(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        }
    }

    fn only(targets: Vec<Target>) -> Option<String> {
        assert_eq!(targets.len(), 1);
        targets.into_iter().find_map(text)
    }

    #[test]
    fn urls_as_they_stand_in_keys() {
        let sites = sites();
        let cases: &[(&str, Option<&str>)] = &[
            ("https://example.com/a", Some("https://example.com/a")),
            ("HTTPS://Example.COM:443/a?b=1", Some("https://example.com/a?b=1")),
            ("http://example.com", Some("http://example.com/")),
            ("http://example.com:8080/a", Some("http://example.com:8080/a")),
            ("http://h/cached/?x=1&utm_source=mail", Some("http://h/cached/?x=1")),
            ("http://h/other/?x=1&utm_source=mail", Some("http://h/other/?x=1&utm_source=mail")),
            ("example.com/a", None),
            ("/a", None),
            ("ftp://h/a", None),
            ("https:///a", None),
            ("https://h?x", None),
            ("https://h/a#b", None),
            ("https://h h/a", None),
            ("https://h:65535/a", Some("https://h:65535/a")),
            ("https://h:65536/a", None),
            ("https://h:99999", None),
            ("https://[::1]/a", Some("https://[::1]/a")),
            ("https://h/a b", None),
            ("https://h/a/../b", Some("https://h/b")),
            ("https://h/%2e/b", Some("https://h/b")),
            ("https://h/caf%c3%a9?%7e", Some("https://h/caf%C3%A9?~")),
            ("https://h/café", Some("https://h/caf%C3%A9")),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(url(&sites, given).ok().and_then(only).as_deref(), *expected, "{given}");
        }
    }

    #[test]
    fn a_location_that_only_rules_lead_to_ignores_its_own_parameters() {
        let mut named = LocationConfig::new("@app");
        named.pool = Some("app".into());
        named.cache = Some(CacheConfig { ignore_query: vec!["utm_*".into()], ..CacheConfig::default() });
        let tried = ["$uri", "@app"].map(|text| crate::variables::Template::parse(text).unwrap());
        let mut first = LocationConfig::new("/");
        first.root = Some(crate::variables::Template::literal("/srv"));
        first.try_files = Some(tried.into());
        let site = SiteConfig { location: vec![first, named], ..SiteConfig::default() };
        let config = Config { site: vec![site], ..Config::default() };
        let metrics = Metrics::new(Default::default);
        let sites = route::build(&config, &config.listen, &metrics, &mut Mistakes::default()).unwrap();
        let urls: Vec<_> =
            url(&sites, "http://h/a?x=1&utm_x=2").unwrap().into_iter().filter_map(text).collect();
        assert_eq!(urls, ["http://h/a?x=1", "http://h/a?x=1&utm_x=2"]);
        assert_eq!(url(&sites, "http://h/a?x=1").unwrap().len(), 1);
    }

    #[test]
    fn a_purge_request_names_the_page_under_both_schemes() {
        let named = page(&sites(), "h", "/cached/a?utm_x=1&y=2");
        let named: Vec<_> = named.into_iter().filter_map(text).collect();
        assert_eq!(named, ["http://h/cached/a?y=2", "https://h/cached/a?y=2"]);
    }

    #[test]
    fn a_prefix_ends_where_it_was_cut_and_never_within_the_host() {
        for (given, expected) in [
            ("https://H/ne", Some("https://h/ne")),
            ("https://h/a?b", Some("https://h/a?b")),
            ("https://h", Some("https://h/")),
            ("h/", None),
            ("https://h:99999/", None),
            ("https://h/%zz", None),
            // Within an escape.
            ("https://h/caf%c3%a", Some("https://h/caf%C3%A")),
            ("https://h/caf%C3%A", Some("https://h/caf%C3%A")),
            ("https://h/a?b=%c3%A", Some("https://h/a?b=%C3%A")),
            ("https://h/caf%C", Some("https://h/caf%C")),
            ("https://h/caf%c3%a9", Some("https://h/caf%C3%A9")),
            // `p%6` may be that of `p%61ge`, which is `page`, or of none.
            ("https://h/p%6", None),
            ("https://h/p%", None),
            ("https://h/a?b=%", None),
            ("https://h/a?b=%2", None),
            ("https://h/é", Some("https://h/%C3%A9")),
        ] {
            assert_eq!(prefix(given).ok().and_then(text).as_deref(), expected, "{given}");
        }
    }
}
