//! The statuses that the edge makes itself, all in this file: which, why, and who is to blame.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode};
use weir_proto::origin::Kind;

use crate::application::Failure;
use crate::connection::client_check::ClientRefusal;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, ReplyParts};
use crate::request::body::BodyFault;
use http1::head::Refusal;

/// RFC 9209: which intermediary failed, and how.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The methods that this server supports.
pub(crate) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A short page with the status and one sentence for the visitor.
pub(crate) fn page(status: StatusCode, sentence: &str) -> Reply {
    let name = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code} {name}</title></head>\n\
         <body><h1>{code} {name}</h1><p>{sentence}</p></body></html>\n"
    );
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut reply = ReplyParts::new(status, headers, ReplyBody::Whole(Bytes::from(html)));
    reply.is_error = true;
    reply
}

/// The page of a status that a rule gives.
pub(crate) fn of_status(status: StatusCode) -> Reply {
    match status {
        StatusCode::FORBIDDEN => forbidden(),
        StatusCode::NOT_FOUND => not_found(),
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(),
        StatusCode::INTERNAL_SERVER_ERROR => internal(),
        StatusCode::GONE => page(status, "This page was removed."),
        StatusCode::TOO_MANY_REQUESTS => page(status, "There were too many requests."),
        StatusCode::SERVICE_UNAVAILABLE => page(status, "The site is not available. Try again later."),
        status if status.is_redirection() => page(status, "The page is elsewhere."),
        status if status.is_client_error() => page(status, "The server refuses this request."),
        status => page(status, "The server does not answer this request."),
    }
}

/// Ends the connection without an answer.
pub(crate) fn hang_up() -> Reply {
    let status = StatusCode::from_u16(444).unwrap_or(StatusCode::BAD_REQUEST);
    let mut reply = ReplyParts::new(status, HeaderMap::new(), ReplyBody::Empty).closing();
    reply.hangs_up = true;
    reply
}

/// Answers a head that can be read in more than one way, or not at all.
pub(crate) fn refused(refusal: Refusal) -> Reply {
    let mut reply = page(refusal.status(), &format!("The request is malformed: {refusal}."));
    if reply.status == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
        reply.headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    reply.closing()
}

pub(crate) fn bad_request(sentence: &str) -> Reply {
    page(StatusCode::BAD_REQUEST, sentence)
}

/// As in nginx, a client without the right certificate, or without TLS, is told so.
pub(crate) fn client(refusal: ClientRefusal) -> Reply {
    let sentence = match refusal {
        ClientRefusal::WrongCertificate => "The SSL certificate error.",
        ClientRefusal::NoCertificate => "No required SSL certificate was sent.",
        ClientRefusal::PlainHttp => "This port speaks HTTPS: use https:// in the address.",
    };
    bad_request(sentence).closing()
}

pub(crate) fn not_found() -> Reply {
    page(StatusCode::NOT_FOUND, "There is no such page.")
}

pub(crate) fn forbidden() -> Reply {
    page(StatusCode::FORBIDDEN, "You are not allowed to see this page.")
}

/// `challenge` says how to authenticate.
pub(crate) fn unauthorized(challenge: HeaderValue) -> Reply {
    let mut reply = page(StatusCode::UNAUTHORIZED, "You need a name and a password to see this page.");
    reply.headers.insert(WWW_AUTHENTICATE, challenge);
    reply
}

/// The client, or all clients together, ask for too much; `status` says which.
pub(crate) fn busy(status: StatusCode) -> Reply {
    page(status, "There are too many requests. Try again soon.")
}

pub(crate) fn may_not_purge() -> Reply {
    page(StatusCode::FORBIDDEN, "This address is not allowed to purge.")
}

pub(crate) fn method_not_allowed() -> Reply {
    let mut reply = page(StatusCode::METHOD_NOT_ALLOWED, "This resource accepts only GET and HEAD.");
    reply.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}

/// Something on this machine failed (a disk, a limit), not the client and not the application.
pub(crate) fn internal() -> Reply {
    page(StatusCode::INTERNAL_SERVER_ERROR, "The server failed to answer.")
}

pub(crate) fn body_too_large() -> Reply {
    page(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.").closing()
}

/// The client accepts only a stored page.
pub(crate) fn nothing_stored() -> Reply {
    page(StatusCode::GATEWAY_TIMEOUT, "No copy of this page is stored.")
}

/// The application gave no complete reply.
pub(crate) fn application(failure: &Failure) -> Reply {
    let (status, sentence, token) = match (failure.kind, failure.fault) {
        (Kind::BadBody, Some(BodyFault::TooLarge)) => return body_too_large(),
        (Kind::BadBody, Some(BodyFault::TooSlow)) => {
            let reply = page(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.");
            return reply.closing();
        }
        (Kind::BadBody, _) => return bad_request("The request's body is malformed.").closing(),
        (Kind::HeadTooLarge, _) => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return page(status, "The request's head is larger than the application accepts.");
        }
        (Kind::Timeout, _) => {
            (StatusCode::GATEWAY_TIMEOUT, "The application did not answer in time.", "http_response_timeout")
        }
        (Kind::Overloaded, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The application is busy. Try again soon.",
            "connection_limit_reached",
        ),
        (Kind::Unreachable, _) => {
            (StatusCode::BAD_GATEWAY, "The application cannot be reached.", "destination_unavailable")
        }
        (Kind::UnknownPool, _) => {
            (StatusCode::BAD_GATEWAY, "The application cannot be reached.", "proxy_configuration_error")
        }
        // RFC 9209 section 2.3.12.
        (Kind::Loop, _) => {
            (StatusCode::BAD_GATEWAY, "The application leads back to this server.", "proxy_loop_detected")
        }
        (Kind::BadReply | Kind::CutOff | Kind::Unspecified, _) => {
            (StatusCode::BAD_GATEWAY, "The application did not answer properly.", "http_protocol_error")
        }
    };
    let mut reply = page(status, sentence);
    if let Ok(value) = HeaderValue::from_str(&format!("weir; error={token}")) {
        reply.headers.insert(PROXY_STATUS, value);
    }
    if failure.kind == Kind::Overloaded {
        reply.headers.insert(RETRY_AFTER, HeaderValue::from(failure.retry_after.max(1)));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_who_is_to_blame() {
        let cases = [
            (Kind::UnknownPool, None, 502),
            (Kind::Unreachable, None, 502),
            (Kind::Timeout, None, 504),
            (Kind::BadReply, None, 502),
            (Kind::CutOff, None, 502),
            (Kind::Loop, None, 502),
            (Kind::HeadTooLarge, None, 431),
            (Kind::Overloaded, None, 503),
            (Kind::BadBody, Some(BodyFault::Malformed), 400),
            (Kind::BadBody, Some(BodyFault::CutOff), 400),
            (Kind::BadBody, Some(BodyFault::TooSlow), 408),
            (Kind::BadBody, Some(BodyFault::TooLarge), 413),
        ];
        for (kind, fault, status) in cases {
            let failure = Failure { fault, ..Failure::new(kind, "") };
            let reply = application(&failure);
            assert_eq!(reply.status.as_u16(), status, "{kind:?} {fault:?}");
            assert_eq!(reply.headers[CACHE_CONTROL], "no-store");
            assert_eq!(reply.headers.contains_key(RETRY_AFTER), kind == Kind::Overloaded);
        }
    }
}
