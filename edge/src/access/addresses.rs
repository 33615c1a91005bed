//! `access = ["allow 10.0.0.0/8", "deny all"]`: the first rule that names the client's address decides, as in
//! nginx.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::connection::unix_client::{UNIX, UNIX_NAME};

/// The rules in order.
#[derive(Debug)]
pub(crate) struct Addresses(Vec<AddressRule>);

#[derive(Debug)]
struct AddressRule {
    allow: bool,
    /// `None`: all.
    network: Option<IpNet>,
    text: Box<str>,
}

impl Addresses {
    /// Each mistake with the index of its rule.
    pub(crate) fn parse(rules: &[String]) -> Result<Self, Vec<(usize, String)>> {
        let (mut parsed, mut mistakes) = (Vec::new(), Vec::new());
        // The rule for all: nothing behind it is asked.
        let mut decided: Option<Box<str>> = None;
        for (index, text) in rules.iter().enumerate() {
            match AddressRule::parse(text) {
                Ok(_) if decided.is_some() => {
                    let decided = decided.as_deref().unwrap_or_default();
                    let mistake =
                        format!("comes after \"{decided}\", which decides for all; put it before that");
                    mistakes.push((index, mistake));
                }
                Ok(rule) => {
                    decided = rule.network.is_none().then(|| rule.text.clone());
                    parsed.push(rule);
                }
                Err(mistake) => mistakes.push((index, mistake)),
            }
        }
        if mistakes.is_empty() { Ok(Self(parsed)) } else { Err(mistakes) }
    }

    /// What the rules say of this client. `None`: nothing.
    pub(crate) fn allow(&self, client: IpAddr) -> Option<bool> {
        self.deciding(client).map(|(_, allow)| allow)
    }

    /// The rule that decides, and whether it allows.
    pub(super) fn deciding(&self, client: IpAddr) -> Option<(&str, bool)> {
        let client = client.to_canonical();
        let names = |rule: &&AddressRule| rule.network.is_none_or(|network| network.contains(&client));
        self.0.iter().find(names).map(|rule| (&*rule.text, rule.allow))
    }
}

impl AddressRule {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rule such as \"allow 10.0.0.0/8\" or \"deny all\"");
        let mut words = text.split_whitespace();
        let (Some(word), Some(who), None) = (words.next(), words.next(), words.next()) else {
            return Err(wrong());
        };
        let allow = match word {
            "allow" => true,
            "deny" => false,
            _ => return Err(wrong()),
        };
        let network = match who {
            "all" => None,
            network => Some(parse_network(network).ok_or_else(wrong)?),
        };
        Ok(Self { allow, network, text: text.into() })
    }
}

/// An address or a network; IPv4 written as IPv6 is IPv4.
fn parse_network(text: &str) -> Option<IpNet> {
    if text == UNIX_NAME {
        return Some(UNIX.into());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    text.parse::<IpNet>().ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_names_the_client_decides() {
        let parse = |rules: &[&str]| {
            Addresses::parse(&rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        let cases: &[(&[&str], &str, Option<bool>)] = &[
            (&[], "10.0.0.1", None),
            (&["allow unix:", "deny all"], "::", Some(true)),
            (&["allow unix:", "deny all"], "10.0.0.1", Some(false)),
            (&["allow 10.0.0.1"], "10.0.0.1", Some(true)),
            (&["allow 10.0.0.1"], "10.0.0.2", None),
            (&["deny 10.0.0.1", "allow 10.0.0.0/8", "deny all"], "10.0.0.1", Some(false)),
            (&["deny 10.0.0.1", "allow 10.0.0.0/8", "deny all"], "10.0.0.2", Some(true)),
            (&["deny 10.0.0.1", "allow 10.0.0.0/8", "deny all"], "11.0.0.2", Some(false)),
            // nginx takes a network by its bits, whatever stands behind them.
            (&["allow 10.1.2.3/8"], "10.9.9.9", Some(true)),
            (&["allow 2001:db8::/32"], "2001:db8::1", Some(true)),
            (&["allow 2001:db8::/32"], "10.0.0.1", None),
            (&["allow ::ffff:10.0.0.1"], "10.0.0.1", Some(true)),
            (&["allow 10.0.0.1"], "::ffff:10.0.0.1", Some(true)),
            (&["deny all"], "::1", Some(false)),
        ];
        for (rules, client, expected) in cases {
            assert_eq!(parse(rules).allow(client.parse().unwrap()), *expected, "{rules:?} {client}");
        }
    }

    #[test]
    fn mistakes() {
        for wrong in ["", "allow", "allow 10.0.0.0/33", "permit all", "allow 10.0.0.1 10.0.0.2", "deny host"]
        {
            let mistakes = Addresses::parse(&["deny all".to_owned(), wrong.to_owned()]).unwrap_err();
            assert_eq!(mistakes.len(), 1);
            assert!(mistakes[0].0 == 1 && mistakes[0].1.contains("deny all"), "{wrong}: {mistakes:?}");
        }
    }

    #[test]
    fn a_rule_behind_one_for_all_is_a_mistake() {
        let rules = ["allow 10.0.0.0/8", "deny all", "allow 10.0.0.1"].map(str::to_owned);
        let mistakes = Addresses::parse(&rules).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].0 == 2 && mistakes[0].1.contains("comes after \"deny all\""), "{mistakes:?}");
    }
}
