//! The last that happens to a reply before it is sent: fields that the settings add, replace and remove.

use http::StatusCode;
use http::header::SET_COOKIE;

use crate::Edge;
use crate::handler::visit::Visit;
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, ReplyParts, facts, holes};
use crate::request::Request;
use crate::route::Location;

/// Changes the reply's fields as its location says.
pub(super) fn finish(edge: &Edge, mut reply: Reply, visit: &Visit) -> Reply {
    for cookie in visit.take_cookies() {
        reply.headers.append(SET_COOKIE, cookie);
    }
    if let Some(location) = reply.note.location.clone()
        && let Some(fields) = &location.reply_fields
    {
        match visit.kept.as_deref().filter(|_| fields.needs_request()) {
            None => fields.apply(reply.status, &mut reply.headers, None, visit.is_secure),
            Some(kept) => {
                // The reply's own fields, for variables; they are few.
                let headers = reply.headers.clone();
                let told =
                    facts::before_sending(reply.status, &reply.note, &headers, location.pool.as_deref());
                kept.with_facts(&location.site, |known| {
                    let known = known.with_reply(told);
                    fields.apply(reply.status, &mut reply.headers, Some(&known), visit.is_secure);
                });
            }
        }
    }
    if let Some(location) = reply.note.location.clone()
        && let (Some(trailers), Some(kept)) = (&location.changes.trailers, visit.kept.as_deref())
    {
        let headers = reply.headers.clone();
        let told = facts::before_sending(reply.status, &reply.note, &headers, location.pool.as_deref());
        reply.trailers = kept.with_facts(&location.site, |known| {
            trailers.of(reply.status, &location.defined(known.with_reply(told)))
        });
    }
    in_last_form(edge, reply)
}

/// What is left to do where the settings change no field.
pub(super) fn in_last_form(edge: &Edge, mut reply: Reply) -> Reply {
    holes::keep_private(&mut reply);
    if edge.settings.nginx_cache_status { reply.in_nginx_words() } else { reply }
}

/// The answer to a CORS preflight, at a location that says who may read its replies.
pub(super) fn preflight(location: &Location, request: &Request) -> Option<Reply> {
    let cors = location.reply_fields.as_ref()?.cors()?;
    let headers = cors.preflight(&request.method, &request.headers)?;
    Some(ReplyParts::new(StatusCode::NO_CONTENT, headers, ReplyBody::Empty).noting(CacheResult::Own))
}
