//! One location's `cache` settings as plain, validated values. The edge builds them once, from its settings
//! file.

pub mod cookies;
pub mod fields;
pub mod heuristic;
pub mod jitter;
pub mod languages;
mod patterns;
pub mod query;
pub mod rules;
pub mod ttl;

use std::time::Duration;

use http::{HeaderName, Method};

pub use cookies::CookieRules;
pub use fields::FieldRules;
pub use heuristic::Heuristic;
pub use jitter::Jitter;
pub use languages::Languages;
pub use query::QueryRules;
pub use rules::RequestRules;
pub use ttl::TtlRules;

#[derive(Clone, Debug)]
pub struct Policy {
    /// Lifetime by status, for replies that carry none of their own.
    pub ttl: TtlRules,
    /// How long past its lifetime a page may be served while one request refreshes it, if the reply does not
    /// say.
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime a page may be served when the application fails, if the reply does not say.
    pub stale_if_error: Duration,
    /// How long requests for a key go straight through after a reply that could not be stored.
    ///
    /// 10 s: a page that is never stored costs one tried lease in ten seconds; a page that became storable (a
    /// deploy, a logged-out visitor) is unprotected for ten seconds at most. Varnish's 120 s would be too
    /// long a gap in a spike.
    pub hit_for_miss: Duration,
    /// How often a page must have been asked for, within what is remembered, before it is stored: 1 is at
    /// once.
    pub min_uses: u32,
    pub cookies: CookieRules,
    pub query: QueryRules,
    pub fields: FieldRules,
    pub client: ClientAddress,
    pub languages: Languages,
    /// Reduce Accept-Language to a language that earlier replies for the page showed.
    pub learn_languages: bool,
    pub heuristic: Heuristic,
    pub methods: Methods,
    /// The largest body that is stored, in bytes.
    pub max_object: u64,
    /// Reply fields that are not looked at: Set-Cookie, Cache-Control, Expires, Vary, X-Accel-Expires …
    pub ignore_fields: Vec<HeaderName>,
    /// Obey Cache-Control in requests. Off: a reload button must not lift the shield.
    pub honour_request: bool,
    /// Requests that go straight through: neither answered from the cache nor stored.
    pub bypass: RequestRules,
    /// Requests that may be answered from the cache, but whose reply is not stored.
    pub no_store: RequestRules,
    /// Shortens each lifetime by a part of it, so that pages stored together do not expire together.
    pub jitter: Jitter,
    /// Tells these pages from those of other settings with the same URL, such as those of another site with
    /// the same host on another port. Part of the key if it is not empty.
    pub apart: Box<[u8]>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: TtlRules::default(),
            stale_while_revalidate: Duration::from_secs(5),
            stale_if_error: Duration::from_secs(60),
            hit_for_miss: Duration::from_secs(10),
            min_uses: 1,
            cookies: CookieRules::default(),
            fields: FieldRules::default(),
            client: ClientAddress::Ignore,
            languages: Languages::default(),
            learn_languages: false,
            heuristic: Heuristic::default(),
            query: QueryRules::default(),
            methods: Methods::GetAndHead,
            max_object: 16 << 20,
            ignore_fields: Vec::new(),
            honour_request: false,
            bypass: RequestRules::default(),
            no_store: RequestRules::default(),
            jitter: Jitter::default(),
            apart: Box::default(),
        }
    }
}

/// What the client's address is to a page that is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// Not in the key; the application sees nobody's address.
    Ignore,
    /// One page per address, and the application sees it.
    Split,
}

/// The methods whose requests the cache answers. What it asks of the application is always GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    Get,
    GetAndHead,
}

impl Methods {
    /// From the setting's list. The error is for the settings checker.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let (mut get, mut head) = (false, false);
        for name in names {
            match name {
                "GET" => get = true,
                "HEAD" => head = true,
                other => {
                    return Err(format!(
                        "method {other:?} cannot be cached, only GET and HEAD: the key does not hold a request's body"
                    ));
                }
            }
        }
        match (get, head) {
            (true, true) => Ok(Self::GetAndHead),
            (true, false) => Ok(Self::Get),
            _ => Err("methods without \"GET\": the cache holds replies to GET".to_owned()),
        }
    }

    pub fn contains(self, method: &Method) -> bool {
        *method == Method::GET || (self == Self::GetAndHead && *method == Method::HEAD)
    }
}

/// Parses each name of `ignore_fields`. The error is for the settings checker.
pub fn field_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<HeaderName>, String> {
    let parse = |name: &str| HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a field name"));
    names.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods() {
        assert_eq!(Methods::new(["GET", "HEAD"]), Ok(Methods::GetAndHead));
        assert_eq!(Methods::new(["GET"]), Ok(Methods::Get));
        for names in [&["HEAD"][..], &[], &["GET", "POST"], &["get"]] {
            assert!(Methods::new(names.iter().copied()).is_err(), "{names:?}");
        }
        assert!(Methods::GetAndHead.contains(&Method::HEAD));
        assert!(!Methods::Get.contains(&Method::HEAD));
        assert!(!Methods::GetAndHead.contains(&Method::POST));
    }

    #[test]
    fn names_of_fields() {
        assert_eq!(field_names(["Set-Cookie", "expires"]).unwrap(), ["set-cookie", "expires"]);
        assert!(field_names(["Set Cookie"]).is_err());
    }
}
