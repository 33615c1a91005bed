//! May a reply that is not stored be given to all who asked for it while it was made?

use std::time::SystemTime;

use http::StatusCode;

use super::{ReplyParts, UNDERSTOOD, is_streamed};
use crate::age::initial_age;
use crate::cache_control::{Delta, Scope};
use crate::freshness::{GoverningField, Source};
use crate::{Lifetime, Policy, csrf};

impl Policy {
    /// What of the reply's lifetime concerns those who wait for it: the fields that select it, its age, and
    /// whether it says that it may be shared. `None`: it is not known to be the same for all, and only its
    /// requester gets it.
    ///
    /// Nothing in it may forbid other uses ("MUST NOT use the response to satisfy any other request", RFC
    /// 9111 sections 5.2.2.4, 5.2.2.5), and its status must not be about the one request that provoked it.
    pub fn collapses(&self, reply: &ReplyParts<'_>, now: SystemTime) -> Option<Lifetime> {
        let headers = reply.headers;
        let status = reply.status;
        let same_for_all = UNDERSTOOD.contains(&status.as_u16()) || status.is_server_error();
        if !same_for_all || status == StatusCode::NOT_IMPLEMENTED {
            return None;
        }
        if headers.contains_key("x-accel-redirect") || is_streamed(headers) {
            return None;
        }
        let governing = GoverningField::of(self, headers, now);
        let directives = governing.directives();
        let forbidden = directives.malformed
            || directives.no_store
            || directives.private == Scope::All
            || directives.no_cache == Scope::All
            || directives.must_revalidate
            || directives.proxy_revalidate;
        if forbidden || self.check_set_cookie(headers, &directives).is_err() {
            return None;
        }
        let (vary, by_cookie) = self.vary(headers).ok()?;
        let shared = (directives.public || matches!(directives.s_maxage, Delta::Valid(_))) && !by_cookie;
        if (reply.authorization || reply.personal) && !shared {
            return None;
        }
        if !shared && csrf::applies(headers) && !csrf::readable(headers) {
            return None;
        }
        let age = initial_age(headers, reply.request_time, now);
        Some(Lifetime { vary, shared, age, ..Lifetime::none(Source::Setting) })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::*;

    #[test]
    fn only_what_is_known_to_be_the_same_for_all() {
        let collapses = |status: u16, fields: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            let parts = ReplyParts {
                status: StatusCode::from_u16(status).unwrap(),
                headers: &headers,
                authorization: false,
                personal: false,
                request_time: SystemTime::UNIX_EPOCH,
            };
            Policy::default().collapses(&parts, SystemTime::UNIX_EPOCH)
        };
        for status in [200, 301, 404, 410, 500, 502, 503] {
            assert!(collapses(status, &[]).is_some(), "{status}");
        }
        for status in [206, 304, 400, 401, 403, 405, 406, 408, 413, 414, 429, 431, 501] {
            assert!(collapses(status, &[]).is_none(), "{status}");
        }
        for field in [
            ("set-cookie", "a=b"),
            ("cache-control", "private"),
            ("cache-control", "no-store"),
            ("surrogate-control", "no-store"),
            ("cache-control", "no-cache"),
            ("cache-control", "max-age=0, must-revalidate"),
            ("vary", "*"),
            ("x-accel-redirect", "/private/"),
            ("content-type", "text/event-stream"),
        ] {
            assert!(collapses(404, &[field]).is_none(), "{field:?}");
        }
        assert!(collapses(404, &[("vary", "accept-language"), ("content-type", "text/html")]).is_some());
        // What is too old to be stored is as old for those who are given it.
        let expired = [("cache-control", "max-age=60"), ("age", "7200")];
        assert_eq!(collapses(200, &expired).unwrap().age.as_secs(), 7200);
    }
}
