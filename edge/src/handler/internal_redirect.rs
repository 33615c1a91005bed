//! X-Accel-Redirect: the application has checked the visitor and lets another location answer, usually with a
//! file. nginx's rules.

use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, EXPIRES, HeaderName, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::handler::redirect::{InterceptedError, InternalRedirect};
use crate::handler::{AtLocation, error_pages};
use crate::reply::body::ReplyBody;
use crate::reply::facts::earlier;
use crate::reply::{Reply, error};
use crate::request::Entry;

/// Fields of the application's reply that are kept, in place of the location's own.
const KEPT: [HeaderName; 6] =
    [CONTENT_TYPE, SET_COOKIE, CONTENT_DISPOSITION, CACHE_CONTROL, EXPIRES, ACCEPT_RANGES];

/// How many locations one request may be redirected to, as in nginx.
pub(super) const MOST: usize = 10;

/// Characters that a path may not contain unescaped; the percent sign is the application's own encoding.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'#');

/// What earlier answers pass on to the last one.
#[derive(Default)]
pub(super) struct EarlierAnswers {
    first: Option<Reply>,
    instead: Option<InterceptedError>,
}

/// Turns a reply that names another location into a request for it.
pub(super) async fn obey(mut reply: Reply) -> AtLocation {
    let Some(elsewhere) = reply.elsewhere.take() else { return AtLocation::Reply(reply) };
    let Some(mut request) = elsewhere.request else { return AtLocation::Reply(reply) };
    let name = named(&elsewhere.target);
    let Some(target) = target(&elsewhere.target).or_else(|| name.as_ref().map(|_| request.target.clone()))
    else {
        tracing::warn!(target = request.target, to = ?elsewhere.target, "X-Accel-Redirect is not a path");
        let mut missing = error::not_found();
        missing.note = reply.note;
        return AtLocation::Reply(missing);
    };
    // Reads to its end, so that the application does not see an aborted request. The body is empty, or nobody
    // wants it.
    if let ReplyBody::Origin(body) = &mut reply.body {
        let _ = body.next().await;
        // What is left of it ends while another location answers.
        body.go_on();
    }
    if request.method != Method::HEAD {
        request.method = Method::GET;
    }
    // Variables of the place that answers tell of it.
    let mut told = earlier(&reply, None);
    told.fields.insert("x-accel-redirect", elsewhere.target);
    told.names_place = true;
    request.upstream = Some(Arc::new(told));
    request.redirect_to(target);
    request.asked = None;
    request.named_by_application = name.is_none();
    request.entry = name.map_or(Entry::Site, Entry::Named);
    request.internal = true;
    request.upgrade = None;
    AtLocation::Again(Box::new(InternalRedirect { request, first: Some(reply), instead: None }))
}

impl EarlierAnswers {
    pub(super) fn take(&mut self, first: Option<Reply>, instead: Option<InterceptedError>) {
        if let Some(first) = first {
            let first = self.over(first);
            self.first = Some(first);
        }
        if instead.is_some() {
            // The page of an error takes none of its fields.
            self.first.iter_mut().for_each(|first| first.headers.clear());
            self.instead = instead;
        }
    }

    pub(super) fn finish(mut self, reply: Reply) -> Reply {
        let reply = self.over(reply);
        match self.instead {
            Some(instead) => instead.finish(reply),
            None => reply,
        }
    }

    /// The redirects lead from location to location without an end.
    pub(super) fn endless(mut self, again: InternalRedirect) -> Reply {
        tracing::warn!(
            target = again.request.target,
            "rules or internal redirects lead from location to location without an end"
        );
        self.over(error::internal())
    }

    fn over(&mut self, mut next: Reply) -> Reply {
        let Some(first) = self.first.take() else { return next };
        next.note.upstream = next.note.upstream.or(first.note.upstream);
        // nginx keeps the rate of the request, whoever answers it.
        next.told_rate = next.told_rate.or(first.told_rate);
        keep(&first.headers, &mut next);
        next
    }
}

/// `@name`, a location of the site.
fn named(field: &HeaderValue) -> Option<Arc<str>> {
    field.to_str().ok().filter(|name| name.len() > 1 && name.starts_with('@')).map(Arc::from)
}

/// Path and query, encoded as a client would encode them.
fn target(field: &HeaderValue) -> Option<String> {
    let encoded = percent_encode(field.as_bytes(), ESCAPED).to_string();
    (encoded.starts_with('/') && !climbs(&encoded)).then_some(encoded)
}

/// Whether the path leads upwards: as in nginx, such a name is none.
fn climbs(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    decoded.split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn keep(first: &HeaderMap, reply: &mut Reply) {
    let has_body = reply.status.is_success();
    // As in nginx, an application that answers knows best what its answer is.
    let has_type = error_pages::is_relayed(reply) && reply.headers.contains_key(CONTENT_TYPE);
    for name in &KEPT {
        let about_body = matches!(*name, CONTENT_TYPE | CONTENT_DISPOSITION | ACCEPT_RANGES);
        if !first.contains_key(name) || about_body && !has_body || *name == CONTENT_TYPE && has_type {
            continue;
        }
        if *name != SET_COOKIE {
            reply.headers.remove(name);
        }
        for value in first.get_all(name) {
            reply.headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_leads_elsewhere() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"/private/a%20b.pdf", Some("/private/a%20b.pdf")),
            (b"/private/a b.pdf?x=1", Some("/private/a%20b.pdf?x=1")),
            (b"/caf\xc3\xa9#x", Some("/caf%C3%A9%23x")),
            (b"private/a", None),
            (b"/private/../a", None),
            (b"/private/.%2e/a", None),
            (b"/private/a..b?/../", Some("/private/a..b?/../")),
            (b"@named", None),
            (b"http://example.com/", None),
            (b"", None),
        ];
        for (field, expected) in cases {
            let field = HeaderValue::from_bytes(field).unwrap();
            assert_eq!(target(&field).as_deref(), *expected, "{field:?}");
        }
    }
}
