//! `real_ip_header`: the field in which trusted proxies name the client.

use std::fmt;

use http::HeaderName;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Where a trusted proxy says who its client is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RealIpHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    /// "proxy_protocol": the PROXY protocol, and no field.
    ProxyProtocol,
    /// Another field, such as `CF-Connecting-IP`.
    Field(HeaderName),
}

impl RealIpHeader {
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        Some(match lower.as_str() {
            "x-forwarded-for" => Self::XForwardedFor,
            "forwarded" => Self::Forwarded,
            "proxy_protocol" => Self::ProxyProtocol,
            name => Self::Field(HeaderName::from_bytes(name.as_bytes()).ok()?),
        })
    }

    fn text(&self) -> &str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Field(name) => name.as_str(),
        }
    }
}

impl<'de> Deserialize<'de> for RealIpHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            let text =
                format!("`{text}` is not the name of a field, such as \"X-Real-IP\", or \"proxy_protocol\"");
            D::Error::custom(text)
        };
        Self::parse(&text).ok_or_else(wrong)
    }
}

impl fmt::Debug for RealIpHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}
