//! Nonces of a Content-Security-Policy: whoever knows one may put scripts into the page that has it, so no
//! two visitors are given the same.
//!
//! CSP 3 section 7.1: "If a server delivers a nonce-source expression as part of a policy, the server MUST
//! generate a unique value each time it transmits a policy."

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

use super::{HoleContent, Holes, Mark};

const POLICIES: [HeaderName; 2] = [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY];
/// CSP 3 section 2.3.1: in any case, as all such keywords.
const BEGIN: &[u8] = b"'nonce-";

pub(crate) fn is_policy(name: &HeaderName) -> bool {
    POLICIES.contains(name)
}

/// Whether the reply has a nonce that no hole stands for: whoever got the page too would get that nonce.
pub(crate) fn is_given_away(reply: &HeaderMap, holes: Option<&Holes>) -> bool {
    let is_mark = |nonce: &[u8]| {
        let mut of_nonces = holes.into_iter().flat_map(Holes::iter);
        of_nonces.any(|hole| hole.content == HoleContent::Nonce && hole.mark.as_bytes() == nonce)
    };
    policies(reply).any(|policy| nonces(policy.as_bytes()).any(|nonce| !is_mark(nonce)))
}

/// Puts a nonce in place of its mark, in the fields of a reply.
pub fn fill(reply: &mut HeaderMap, mark: &Mark, nonce: &[u8]) {
    for name in POLICIES {
        let http::header::Entry::Occupied(mut policies) = reply.entry(name) else { continue };
        for policy in policies.iter_mut() {
            if let Some(filled) = filled(policy.as_bytes(), mark.as_bytes(), nonce) {
                *policy = filled;
            }
        }
    }
}

fn filled(policy: &[u8], mark: &[u8], nonce: &[u8]) -> Option<HeaderValue> {
    let mut rest = policy;
    let mut out = Vec::with_capacity(policy.len());
    while let Some(at) = memmem::find(rest, mark) {
        out.extend_from_slice(rest.get(..at)?);
        out.extend_from_slice(nonce);
        rest = rest.get(at + mark.len()..)?;
    }
    out.extend_from_slice(rest);
    HeaderValue::from_bytes(&out).ok()
}

fn policies(reply: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    POLICIES.into_iter().flat_map(|name| reply.get_all(name))
}

fn nonces(policy: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = policy.split(|byte| byte.is_ascii_whitespace() || b";,".contains(byte));
    words.filter_map(|word| {
        let (begin, nonce) = word.split_at_checked(BEGIN.len())?;
        begin.eq_ignore_ascii_case(BEGIN).then(|| nonce.strip_suffix(b"'").unwrap_or(nonce))
    })
}

#[cfg(test)]
mod tests {
    use super::super::WEIR_HOLES;
    use super::*;

    const MARK: &str = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";
    const OTHER: &str = "9876543210abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";

    fn reply(policy: &str, holes: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_SECURITY_POLICY, policy), (WEIR_HOLES, holes)] {
            if !value.is_empty() {
                headers.append(name, value.parse().unwrap());
            }
        }
        headers
    }

    #[test]
    fn a_nonce_is_given_away_unless_a_hole_stands_for_it() {
        let hole = format!("nonce;mark=\"{MARK}\"");
        let token = format!("csrf;mark=\"{MARK}\";cookie=\"t\"");
        for (policy, holes, expected) in [
            ("", "", false),
            ("default-src 'self'", "", false),
            ("script-src 'self' 'nonce-abc'", "", true),
            ("script-src 'NONCE-abc';style-src 'self'", "", true),
            ("script-src https://nonce-abc.example", "", false),
            (&format!("script-src 'nonce-{MARK}'"), "", true),
            (&format!("script-src 'nonce-{MARK}'; style-src 'nonce-{MARK}'"), &hole, false),
            (&format!("script-src 'nonce-{MARK}' 'nonce-abc'"), &hole, true),
            (&format!("script-src 'nonce-{MARK}', script-src 'nonce-{OTHER}'"), &hole, true),
            (&format!("script-src 'nonce-{MARK}'"), &token, true),
        ] {
            let reply = reply(policy, holes);
            let holes = Holes::of(&reply).unwrap();
            assert_eq!(is_given_away(&reply, holes.as_ref()), expected, "{policy} {holes:?}");
        }
        let mut report_only = HeaderMap::new();
        report_only.insert(CONTENT_SECURITY_POLICY_REPORT_ONLY, "script-src 'nonce-abc'".parse().unwrap());
        assert!(is_given_away(&report_only, None));
    }

    #[test]
    fn the_policy_is_filled_too() {
        let mut reply = reply(&format!("script-src 'nonce-{MARK}' 'self'; style-src 'nonce-{MARK}'"), "");
        reply.append(CONTENT_SECURITY_POLICY, "img-src *".parse().unwrap());
        let holes = Holes::of(&self::reply("", &format!("nonce;mark=\"{MARK}\""))).unwrap().unwrap();
        fill(&mut reply, &holes.iter().next().unwrap().mark, b"new");
        let lines: Vec<_> = policies(&reply).map(|line| line.to_str().unwrap()).collect();
        assert_eq!(lines, ["script-src 'nonce-new' 'self'; style-src 'nonce-new'", "img-src *"]);
    }
}
