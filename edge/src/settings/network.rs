//! Lists of networks: "10.0.0.0/8", or a single address such as "127.0.0.1".

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::connection::unix_client::{UNIX, UNIX_NAME};

/// One network of a list.
struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == UNIX_NAME {
            return Ok(Self(UNIX.into()));
        }
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| single()).map(Self).map_err(|_| {
            let text = format!("`{text}` is neither a network such as \"10.0.0.0/8\" nor an address");
            serde::de::Error::custom(text)
        })
    }
}

/// A list of networks, where a setting may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Networks(#[serde(deserialize_with = "list")] pub(crate) Vec<IpNet>);

/// Reads such a list: a function for `#[serde(deserialize_with)]`.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let networks = Vec::<Network>::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|Network(network)| network).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Table {
        #[serde(deserialize_with = "list")]
        allowed: Vec<IpNet>,
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        let text = r#"{"allowed": ["10.0.0.0/8", "127.0.0.1", "::1", "2001:db8::/32"]}"#;
        let table: Table = serde_json::from_str(text).unwrap();
        let texts: Vec<_> = table.allowed.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "2001:db8::/32"]);
        for wrong in ["localhost", "127.0.0.1/33", "", "10.0.0"] {
            let error =
                serde_json::from_str::<Table>(&format!("{{\"allowed\": [{wrong:?}]}}")).err().unwrap();
            assert!(error.to_string().contains("nor an address"), "{error}");
        }
    }
}
