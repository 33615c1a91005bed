//! What a reply's head and body mean for the cache, each with the rule that decided it.

use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http_cache::holes::Holes;
use http_cache::{Lifetime, Policy, Reason, ReplyParts, Source, Verdict, csrf};

use crate::application::OriginReply;
use crate::explain::{MAX_BODY, Steps};

/// Reply fields that influence the verdict.
const TELLING: &[&str] = &[
    "x-accel-expires",
    "weir-cache-control",
    "cdn-cache-control",
    "cache-control",
    "expires",
    "age",
    "vary",
    "set-cookie",
    "etag",
    "last-modified",
];

/// The verdict on the head.
pub(super) fn of(policy: &Policy, parts: &ReplyParts<'_>, steps: &mut Steps) -> Result<Lifetime, Reason> {
    for name in TELLING {
        for value in parts.headers.get_all(*name) {
            let value = match *name {
                // The value of a session cookie is private: it is not shown.
                "set-cookie" => {
                    value.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default().escape_ascii()
                }
                _ => value.as_bytes().escape_ascii(),
            };
            steps.push("reply says", format!("{name}: {value}"), "");
        }
    }
    match policy.reply(parts, SystemTime::now()) {
        Verdict::Store(lifetime) => {
            describe(&lifetime, steps);
            Ok(lifetime)
        }
        Verdict::DoNotStore(reason) => {
            steps.reason("store", reason);
            Err(reason)
        }
    }
}

fn describe(lifetime: &Lifetime, steps: &mut Steps) {
    let (source, rule) = (lifetime.source.as_str(), lifetime.source.rule());
    if lifetime.validate {
        steps.push("lifetime", "none: to be asked after each time", "RFC 9111 section 5.2.2.4");
    } else {
        // These count from the time of receipt, all others from the reply's age 0.
        let ttl = match lifetime.source {
            Source::Setting | Source::XAccelExpires => lifetime.ttl.saturating_sub(lifetime.age),
            _ => lifetime.ttl,
        };
        steps.push("lifetime", format!("{} from {source}", seconds(ttl)), rule);
        let window = |time: Duration| if time.is_zero() { "never".to_owned() } else { seconds(time) };
        let while_revalidate = window(lifetime.stale_while_revalidate);
        steps.push(
            "stale while it is made anew",
            while_revalidate,
            "RFC 5861 section 3, setting stale_while_revalidate",
        );
        let if_error = window(lifetime.stale_if_error);
        steps.push("stale if the application fails", if_error, "RFC 5861 section 4, setting stale_if_error");
    }
    if !lifetime.age.is_zero() {
        steps.push("age", format!("{} when it came", seconds(lifetime.age)), "RFC 9111 section 4.2.3");
    }
    if !lifetime.vary.is_empty() {
        let names: Vec<_> = lifetime.vary.iter().map(|name| name.as_str()).collect();
        steps.push("variants", format!("one for each {}", names.join(", ")), "RFC 9111 section 4.1");
    }
    let visitors = match lifetime.shared {
        true => "all, those with a session of their own too",
        false => "all without a personal cookie or Authorization",
    };
    steps.push("for whom", visitors, "RFC 9111 section 3.5, setting cookies");
}

/// Reads the body as a fill would.
pub(super) async fn body(
    policy: &Policy,
    lifetime: &Lifetime,
    mut reply: OriginReply,
    steps: &mut Steps,
) -> Result<(), Reason> {
    let searched = !lifetime.shared && csrf::applies(&reply.headers);
    let holes = Holes::of(&reply.headers).ok().flatten();
    let mut scanner = csrf::Scanner::beside(holes.as_ref());
    let mut length = 0u64;
    let mut refused = None;
    while let Some(chunk) = reply.body.next().await {
        let Ok(chunk) = chunk else {
            refused = Some(Reason::CutOff);
            break;
        };
        length += chunk.len() as u64;
        if length > policy.max_object.min(MAX_BODY) {
            refused = Some(Reason::TooLarge);
            break;
        }
        if searched && scanner.feed(&chunk) {
            refused = scanner.reason();
            break;
        }
    }
    if let Some(reason) = refused {
        steps.reason("body", reason);
        return Err(reason);
    }
    let of_type = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no type");
    let token = match (searched, &holes) {
        (_, Some(_)) => ", with holes for what is each visitor's own",
        (true, None) => ", no CSRF token in it",
        (false, None) => "",
    };
    steps.push(
        "body",
        format!("{length} bytes of {of_type}{token}"),
        "settings max_object; private unless sure",
    );
    Ok(())
}

pub(super) fn stored(lifetime: &Lifetime) -> String {
    if lifetime.validate {
        return "The page is stored, and the application is asked each time whether it still holds.".into();
    }
    let left = lifetime.ttl.saturating_sub(lifetime.age);
    let whom = if lifetime.shared { "All visitors" } else { "All visitors without a personal cookie" };
    format!("The page is stored. {whom} get it for {}, then one request makes it anew.", seconds(left))
}

pub(super) fn not_stored(policy: &Policy, reason: Reason) -> String {
    let pass = seconds(policy.hit_for_miss);
    format!(
        "The reply is not stored: {} Requests for it go straight to the application for {pass}.",
        reason.sentence()
    )
}

fn seconds(time: Duration) -> String {
    // Rounds to the millisecond, the precision of everything that is stored.
    format!("{} s", time.as_millis() as f64 / 1e3)
}
