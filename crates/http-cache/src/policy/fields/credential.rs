//! Field names that look like those of credentials and identities.

/// Whether a name in lower case looks like that of a key, a token or somebody's name. No wildcard takes such
/// a field for anything but personal: whoever wrote it did not think of this name.
pub(super) fn looks_like_one(name: &[u8]) -> bool {
    let is_end = |byte: Option<&u8>| matches!(byte, None | Some(b'-' | b'_'));
    (0..name.len()).any(|at| {
        let rest = name.get(at..).unwrap_or_default();
        let (parts, words) = of_first(rest.first().copied().unwrap_or_default());
        let begins = is_end(at.checked_sub(1).and_then(|before| name.get(before)));
        parts.iter().any(|part| rest.starts_with(part))
            || (begins && words.iter().any(|word| rest.starts_with(word) && is_end(rest.get(word.len()))))
    })
}

type Texts = &'static [&'static [u8]];

/// What begins with this byte and stands anywhere in such names, and what stands there as a word.
fn of_first(byte: u8) -> (Texts, Texts) {
    match byte {
        b'a' => (&[b"account", b"apikey", b"assertion", b"auth"], &[b"acl"]),
        b'b' => (&[b"bearer"], &[]),
        b'c' => (&[b"cert", b"claim", b"consumer", b"cookie", b"credential", b"csrf", b"customer"], &[]),
        b'd' => (&[], &[b"dn", b"dpop"]),
        b'e' => (&[b"email", b"employee"], &[b"eppn"]),
        b'g' => (&[], &[b"group", b"groups"]),
        b'i' => (&[b"identity", b"impersonat"], &[]),
        b'j' => (&[b"jwt"], &[]),
        b'k' => (&[], &[b"key", b"keys"]),
        b'l' => (&[b"login"], &[]),
        b'm' => (&[b"member"], &[b"mail"]),
        b'n' => (&[b"nonce"], &[]),
        b'o' => (&[b"oidc"], &[b"otp"]),
        b'p' => (&[b"passw", b"principal"], &[b"pass", b"pin", b"pwd"]),
        b'r' => (&[], &[b"role", b"roles"]),
        b's' => (&[b"saml", b"secret", b"session", b"shib", b"signature"], &[b"sid", b"sso", b"sub"]),
        b't' => (&[b"tenant", b"token"], &[b"ticket"]),
        b'u' => (&[b"user"], &[b"uid", b"upn"]),
        b'x' => (&[b"xsrf"], &[]),
        _ => (&[], &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::looks_like_one;

    #[test]
    fn tells_credentials_from_the_rest() {
        let credentials = "x-authorization x-auth x-user-token x-access-key x-token x-authenticated-user x-user x-jwt \
            x-jwt-assertion x-secret x-session x-sid x-vault-token x-authenticated-userid x-consumer-username \
            x-credential-identifier x-userinfo ticket token secret-key ocp-apim-subscription-key x-goog-api-key \
            x-amzn-vpc-lattice-identity x-amzn-lattice-identity x-vercel-oidc-token fastly-key x-akamai-user \
            impersonate-user oidc_claim_sub x-oidc-sub x-remote-email x-client-dn x-client-cert x-mellon-uid uid eppn \
            shib-session-id cf-cert-subject-dn x-apikey x-tenant-id sub x-roles";
        for name in credentials.split(' ').filter(|name| !name.is_empty()) {
            assert!(looks_like_one(name.as_bytes()), "{name}");
        }
        let others = "cf-ray cf-visitor cf-connecting-ip cloudfront-viewer-country x-amzn-trace-id fastly-ff x-country \
            x-device x-keyboard x-subject-line monkey x-sidebar x-passenger x-grouping x-azure-ref x-b3-spanid \
            x-envoy-attempt-count x-edgeconnect-midmile-rtt";
        for name in others.split(' ').filter(|name| !name.is_empty()) {
            assert!(!looks_like_one(name.as_bytes()), "{name}");
        }
        assert!(!looks_like_one(b""));
    }
}
