//! Who is believed about the client at one place, and where they name it.

use ipnet::IpNet;

use crate::settings::{RealIpHeader, TrustedProxies};

/// `None`: as everywhere.
#[derive(Debug)]
pub(crate) struct RealIp {
    pub(crate) proxies: Option<Vec<IpNet>>,
    pub(crate) field: Option<RealIpHeader>,
    pub(crate) recursive: Option<bool>,
}

impl RealIp {
    pub(crate) fn trusted<'a>(&'a self, usual: TrustedProxies<'a>) -> TrustedProxies<'a> {
        TrustedProxies {
            proxies: self.proxies.as_deref().unwrap_or(usual.proxies),
            field: self.field.as_ref().unwrap_or(usual.field),
            recursive: self.recursive.unwrap_or(usual.recursive),
        }
    }
}
