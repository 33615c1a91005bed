//! `security = "strict"`: the fields that stand for it. What the application says itself stays.

use crate::settings::reply_fields::Security;

/// Name, value, and whether it is for HTTPS only.
pub(super) type SecurityField = (&'static str, &'static str, bool);

const BASIC: &[SecurityField] = &[
    ("x-content-type-options", "nosniff", false),
    ("x-frame-options", "SAMEORIGIN", false),
    ("referrer-policy", "strict-origin-when-cross-origin", false),
];

const STRICT: &[SecurityField] = &[
    ("x-content-type-options", "nosniff", false),
    ("x-frame-options", "DENY", false),
    ("referrer-policy", "strict-origin-when-cross-origin", false),
    ("content-security-policy", "frame-ancestors 'none'; base-uri 'self'; object-src 'none'", false),
    ("cross-origin-opener-policy", "same-origin", false),
    // RFC 6797 section 7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed
    // over non-secure transport."
    ("strict-transport-security", "max-age=31536000", true),
];

pub(super) fn fields(security: Security) -> &'static [SecurityField] {
    match security {
        Security::Off => &[],
        Security::Basic => BASIC,
        Security::Strict => STRICT,
    }
}
