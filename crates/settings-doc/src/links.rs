//! Which key of which table holds another table of the document.

use crate::tables::TableId;

/// How a key holds a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One table.
    One,
    /// A list of tables.
    Many,
    /// A table of tables, by names that the owner chooses.
    Named,
}

/// A key that holds a table of the document.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    holder: (&'static str, usize),
    key: &'static str,
    pub form: Form,
    pub heading: &'static str,
    pub nth: usize,
}

const fn one(holder: &'static str, key: &'static str, heading: &'static str) -> Link {
    Link { holder: (holder, 0), key, form: Form::One, heading, nth: 0 }
}

const fn many(holder: &'static str, key: &'static str, heading: &'static str) -> Link {
    Link { form: Form::Many, ..one(holder, key, heading) }
}

const EDGE: &str = "[edge]";
const SITE: &str = "[[edge.site]]";
const LOCATION: &str = "[[edge.site.location]]";
const POOL: &str = "[[wsgi_adapter.pool]]";

#[rustfmt::skip]
const LINKS: &[Link] = &[
    one("", "edge", EDGE), one("", "cache_node", "[cache_node]"), one("", "wsgi_adapter", "[wsgi_adapter]"),
    one(EDGE, "acme", "[edge.acme]"), one(EDGE, "l1", "[edge.l1]"), one(EDGE, "peers", "[edge.peers]"),
    one(EDGE, "timeouts", "[edge.timeouts]"), one(EDGE, "limits", "[edge.limits]"),
    one(EDGE, "files", "[edge.files]"), one(EDGE, "compress", "compress"), many(EDGE, "site", SITE),
    many(EDGE, "logs", "logs"), many(EDGE, "reply_fields", "reply_fields"),
    many(EDGE, "request_fields", "request_fields"), many(EDGE, "map", "[[edge.map]]"),
    many(EDGE, "geo", "[[edge.geo]]"), many(EDGE, "split", "[[edge.split]]"),
    Link { form: Form::Named, ..one(EDGE, "limit_zones", "[edge.limit_zones.NAME]") },
    Link { nth: 1, ..one("[edge.peers]", "tls", "[edge.peers]") },
    many(SITE, "location", LOCATION), many(LOCATION, "location", LOCATION),
    one("[cache_node]", "redis", "[cache_node.redis]"),
    Link { nth: 1, ..one("[cache_node]", "tls", "[edge.peers]") },
    Link { nth: 1, ..one("[wsgi_adapter]", "tls", "[edge.peers]") },
    many("[wsgi_adapter]", "pool", POOL), many(POOL, "servers", "servers"),
    one(POOL, "tls", "[wsgi_adapter.pool.tls]"), one(POOL, "sticky", "[wsgi_adapter.pool.sticky]"),
    one(POOL, "check", "[wsgi_adapter.pool.check]"), one(POOL, "eject", "[wsgi_adapter.pool.eject]"),
];

/// What sites and locations hold alike.
#[rustfmt::skip]
const PLACE: &[Link] = &[
    one("", "cors", "cors"), one("", "cache", "[edge.site.location.cache]"), one("", "compress", "compress"),
    one("", "reply_rewrite", "reply_rewrite"), one("", "pool_choice", "pool_choice"),
    one("", "pool_request", "pool_request"), one("", "secure_link", "secure_link"),
    one("", "auth_request", "auth_request"), many("", "logs", "logs"), one("", "replace", "replace"),
    one("", "recode", "recode"), many("", "trailers", "trailers"),
    many("", "error_log", "error_log"),
    many("", "reply_fields", "reply_fields"), many("", "request_fields", "request_fields"),
    many("", "limit_req", "limit_req"), many("", "limit_conn", "limit_conn"),
];

pub(crate) fn find(holder: &TableId, key: &str) -> Option<&'static Link> {
    let mut links = LINKS.iter().filter(|link| holder.is(link.holder.0, link.holder.1));
    let place = PLACE.iter().filter(|_| holder.is(SITE, 0) || holder.is(LOCATION, 0));
    links.find(|link| link.key == key).or_else(|| place.into_iter().find(|link| link.key == key))
}

/// The sections at the top of the file.
pub(crate) fn sections() -> impl Iterator<Item = (&'static str, &'static Link)> {
    LINKS.iter().filter(|link| link.holder.0.is_empty()).map(|link| (link.key, link))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each link is from a row to a table that exist, and each table but two is reached: what clients show,
    /// and what bounds them, stand in a list of addresses.
    #[test]
    fn each_link_holds_and_each_table_is_reached() {
        let tables = crate::tables();
        let exists = |heading: &str, nth| tables.iter().any(|table| table.id.is(heading, nth));
        for link in LINKS.iter().chain(PLACE) {
            assert!(exists(link.heading, link.nth), "{link:?}");
            let holder = tables.iter().find(|table| table.id.is(link.holder.0, link.holder.1));
            assert!(link.holder.0.is_empty() || holder.is_some_and(|table| table.row(link.key).is_some()));
        }
        for table in &tables {
            let is_linked = LINKS.iter().chain(PLACE).any(|link| table.id.is(link.heading, link.nth));
            let is_of_listener = table.id.is("Client certificates", 0) || table.id.is("bounds", 0);
            assert_eq!(is_linked, !is_of_listener, "{:?}", table.id);
        }
    }
}
