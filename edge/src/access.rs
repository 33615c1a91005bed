//! Who may have what a location answers with: by address (`access`), by password (`auth_basic`), by one of
//! both or by both (`satisfy`).
//!
//! `addresses` holds the rules for addresses, `basic` asks for a password, `htpasswd` reads the file with the
//! hashes and `remembered` spares the slow ones.

pub(crate) mod addresses;
pub(crate) mod basic;
pub(crate) mod htpasswd;
mod password_memory;
pub(crate) mod secure_link;

use std::net::IpAddr;

use http::HeaderValue;

use crate::access::addresses::Addresses;
use crate::access::basic::{Basic, PasswordCheck};
use crate::variables::Facts;

/// The rules of one location.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) addresses: Option<Addresses>,
    pub(crate) basic: Option<Basic>,
    /// `satisfy = "any"`: one of them is enough.
    pub(crate) any: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `by_password`: and not by address alone.
    Allowed { by_password: bool },
    /// 403
    Forbidden,
    /// 401 with this WWW-Authenticate.
    Unauthorized(HeaderValue),
    /// The passwords cannot be checked now.
    Unavailable,
}

impl Access {
    /// Whether this client may have the answer whatever it sends.
    pub(crate) fn allows_address(&self, client: IpAddr) -> bool {
        let by_address = self.addresses.as_ref().and_then(|addresses| addresses.allow(client));
        match (by_address, &self.basic) {
            (Some(true), basic) => self.any || basic.is_none(),
            (Some(false), _) => false,
            (None, basic) => basic.is_none(),
        }
    }

    /// Whether a rule allows this client by its address.
    pub(crate) fn names(&self, client: IpAddr) -> bool {
        self.addresses.as_ref().and_then(|addresses| addresses.allow(client)) == Some(true)
    }

    pub(crate) async fn check(
        &self,
        client: IpAddr,
        authorization: Option<&HeaderValue>,
        facts: &Facts<'_>,
    ) -> Verdict {
        let by_address = self.addresses.as_ref().and_then(|addresses| addresses.allow(client));
        match (by_address, self.any) {
            (Some(true), true) => return Verdict::Allowed { by_password: false },
            (Some(false), false) => return Verdict::Forbidden,
            _ => {}
        }
        let Some(basic) = &self.basic else {
            return match by_address {
                Some(false) => Verdict::Forbidden,
                _ => Verdict::Allowed { by_password: false },
            };
        };
        match basic.check(authorization, facts).await {
            PasswordCheck::Right => Verdict::Allowed { by_password: true },
            // As in nginx, nobody is asked and so nobody is let in who would need a password.
            PasswordCheck::NotAsked if by_address == Some(false) => Verdict::Forbidden,
            PasswordCheck::NotAsked => Verdict::Allowed { by_password: false },
            PasswordCheck::Wrong(challenge) => Verdict::Unauthorized(challenge),
            PasswordCheck::NoFile => Verdict::Forbidden,
            PasswordCheck::Busy => Verdict::Unavailable,
        }
    }

    /// The phrases of `weir explain`.
    pub(crate) fn describe(&self, client: IpAddr) -> String {
        let mut parts = Vec::new();
        if let Some(addresses) = &self.addresses {
            parts.push(match addresses.deciding(client) {
                Some((rule, _)) => format!("`{rule}` decides for {client}"),
                None => format!("no rule names {client}"),
            });
        }
        if self.basic.is_some() {
            parts.push("a password is needed (auth_basic)".to_owned());
        }
        parts.join(if self.any { ", or: " } else { "; " })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Template;
    use crate::variables::facts::tests::facts_of;

    fn addresses() -> Option<Addresses> {
        let rules = ["allow 10.0.0.0/8", "deny 192.168.0.0/16"];
        Some(Addresses::parse(&rules.map(str::to_owned)).unwrap())
    }

    #[tokio::test]
    async fn any_and_all() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("htpasswd");
        // "secret"
        std::fs::write(&file, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
        let [allowed, denied, unnamed] =
            ["10.1.1.1", "192.168.1.1", "8.8.8.8"].map(|address| address.parse::<IpAddr>().unwrap());
        let path = Template::literal(file.to_str().unwrap());
        let headers = http::HeaderMap::new();
        let facts = facts_of("/", &headers);
        let right = HeaderValue::from_static("Basic YW5uOnNlY3JldA==");
        for (any, with_addresses, with_basic, client, sent, expected) in [
            (false, true, false, allowed, None, "Allowed"),
            (false, true, false, denied, None, "Forbidden"),
            (false, true, false, unnamed, None, "Allowed"),
            (false, true, true, allowed, None, "Unauthorized"),
            (false, true, true, allowed, Some(&right), "Allowed"),
            (false, true, true, denied, Some(&right), "Forbidden"),
            (false, true, true, unnamed, Some(&right), "Allowed"),
            (true, true, true, allowed, None, "Allowed"),
            (true, true, true, denied, None, "Unauthorized"),
            (true, true, true, denied, Some(&right), "Allowed"),
            (true, true, true, unnamed, None, "Unauthorized"),
            (true, true, false, denied, None, "Forbidden"),
            (false, false, true, denied, None, "Unauthorized"),
        ] {
            let access = Access {
                addresses: addresses().filter(|_| with_addresses),
                basic: with_basic.then(|| Basic::new(Template::literal("x"), path.clone(), false).unwrap()),
                any,
            };
            let verdict = access.check(client, sent, &facts).await;
            let case = format!("any {any}, {with_addresses} {with_basic}, {client} {sent:?}");
            assert!(format!("{verdict:?}").starts_with(expected), "{case}: {verdict:?}");
            if access.allows_address(client) {
                assert_eq!(
                    access.check(client, None, &facts).await,
                    Verdict::Allowed { by_password: false },
                    "{case}"
                );
            }
        }
    }
}
