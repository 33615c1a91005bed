//! nginx's `geo`: a variable chosen by an address, from networks and ranges.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::IpNet;
use process::settings::Mistakes;
use serde::Deserialize;

use crate::connection::unix_client::UNIX_NAME;
use crate::variables::definitions::listing;
use crate::variables::facts::Facts;
use crate::variables::names::Variable;
use crate::variables::template::Template;

/// One `[[edge.geo]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoConfig {
    /// The variable that it defines.
    pub variable: String,
    /// The address; left out: the client's.
    #[serde(default = "client")]
    pub from: Template,
    /// Pairs of a network, an address or a range ("10.0.0.1-10.0.0.9") and a value. The smallest of them
    /// that holds the address counts.
    #[serde(default)]
    pub networks: Vec<(String, String)>,
    /// More of them, in nginx's form: `10.0.0.0/8 internal;`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The value of an address in none of them.
    #[serde(default)]
    pub default: String,
    /// Proxies whose X-Forwarded-For names the address.
    #[serde(default)]
    pub proxies: Vec<IpNet>,
    /// Looks behind all of these proxies, not only the last.
    #[serde(default)]
    pub proxy_recursive: bool,
}

fn client() -> Template {
    Template::parse("$remote_addr").unwrap_or_else(|_| Template::literal(""))
}

#[derive(Debug)]
pub(super) struct Geo {
    path: String,
    from: Template,
    /// Where each range begins, and the place of its value; ranges cover everything without a gap.
    v4: Vec<(u128, Option<usize>)>,
    v6: Vec<(u128, Option<usize>)>,
    values: Vec<Box<str>>,
    default: Box<str>,
    proxies: Vec<IpNet>,
    proxy_recursive: bool,
}

/// First and last address of a range; both IPv4 or both IPv6.
#[derive(Clone, Copy, Debug)]
struct AddressRange {
    is_v4: bool,
    first: u128,
    last: u128,
}

impl Geo {
    pub(super) fn build(path: &str, config: &GeoConfig, mistakes: &mut Mistakes) -> Option<Self> {
        let mut entries: Vec<(AddressRange, String)> = Vec::new();
        let mut default = config.default.clone();
        let mut whole = true;
        for (at, (network, value)) in config.networks.iter().enumerate() {
            match ranges(network) {
                Some(found) => entries.extend(found.into_iter().map(|range| (range, value.clone()))),
                None => {
                    let text = format!("`{network}` is no address, network or range of addresses");
                    mistakes.push(format!("{path}.networks[{at}]"), text);
                    whole = false;
                }
            }
        }
        if let Some(file) = &config.file {
            match from_file(file) {
                Ok((found, new_default)) => {
                    entries.extend(found);
                    default = new_default.unwrap_or(default);
                }
                Err(text) => {
                    mistakes.push(format!("{path}.file"), text);
                    whole = false;
                }
            }
        }
        let (v4, v6, values) = paint(entries);
        let geo = Self {
            path: path.to_owned(),
            from: config.from.clone(),
            v4,
            v6,
            values,
            default: default.into(),
            proxies: config.proxies.clone(),
            proxy_recursive: config.proxy_recursive,
        };
        whole.then_some(geo)
    }

    pub(super) fn uses(&self) -> Vec<(String, &Variable)> {
        self.from.variables().map(|variable| (format!("{}.from", self.path), variable)).collect()
    }

    pub(super) fn value<'a>(&'a self, facts: &Facts<'a>) -> &'a [u8] {
        let from = self.from.value(facts);
        let address = match std::str::from_utf8(&from).ok() {
            // As in nginx, clients of a unix socket are at the last address of all.
            Some(UNIX_NAME) => Some(IpAddr::V4(Ipv4Addr::BROADCAST)),
            text => text.and_then(|text| text.parse::<IpAddr>().ok()),
        };
        let Some(address) = address.map(|address| self.behind_proxies(address.to_canonical(), facts)) else {
            return self.default.as_bytes();
        };
        let (ranges, number) = match address {
            IpAddr::V4(address) => (&self.v4, u128::from(address.to_bits())),
            IpAddr::V6(address) => (&self.v6, address.to_bits()),
        };
        let after = ranges.partition_point(|(first, _)| *first <= number);
        let place = after.checked_sub(1).and_then(|at| ranges.get(at)).and_then(|(_, place)| *place);
        place.and_then(|place| self.values.get(place)).unwrap_or(&self.default).as_bytes()
    }

    /// The address that a known proxy names in X-Forwarded-For.
    fn behind_proxies(&self, mut address: IpAddr, facts: &Facts<'_>) -> IpAddr {
        let is_proxy = |address: &IpAddr| self.proxies.iter().any(|net| net.contains(address));
        if !is_proxy(&address) {
            return address;
        }
        let chain = facts.forwarded_for_field().unwrap_or(Cow::Borrowed(b""));
        for hop in chain.rsplit(|byte| *byte == b',') {
            let hop = std::str::from_utf8(hop.trim_ascii()).ok().and_then(|hop| hop.parse::<IpAddr>().ok());
            let Some(hop) = hop else { return address };
            address = hop.to_canonical();
            if !self.proxy_recursive || !is_proxy(&address) {
                return address;
            }
        }
        address
    }
}

type RangeTables = (Vec<(u128, Option<usize>)>, Vec<(u128, Option<usize>)>, Vec<Box<str>>);

/// Lays the ranges over one another, the largest first; of equal ones the last stays on top.
fn paint(mut entries: Vec<(AddressRange, String)>) -> RangeTables {
    entries.sort_by_key(|(range, _)| std::cmp::Reverse(range.last - range.first));
    let mut known: BTreeMap<Box<str>, usize> = BTreeMap::new();
    let mut layers = [BTreeMap::from([(0, None)]), BTreeMap::from([(0, None)])];
    for (range, value) in entries {
        let places = known.len();
        let place = *known.entry(value.into()).or_insert(places);
        let [v4, v6] = &mut layers;
        lay(if range.is_v4 { v4 } else { v6 }, range, place);
    }
    let mut values = vec![Box::default(); known.len()];
    for (value, place) in known {
        if let Some(slot) = values.get_mut(place) {
            *slot = value;
        }
    }
    let [v4, v6] = layers.map(|layer| layer.into_iter().collect());
    (v4, v6, values)
}

fn lay(layer: &mut BTreeMap<u128, Option<usize>>, range: AddressRange, place: usize) {
    let AddressRange { first, last, .. } = range;
    let below = |at: u128| layer.range(..=at).next_back().and_then(|(_, place)| *place);
    let after = last.checked_add(1).map(|next| (next, below(next)));
    let covered: Vec<u128> = layer.range(first..=last).map(|(at, _)| *at).collect();
    for at in covered {
        layer.remove(&at);
    }
    layer.insert(first, Some(place));
    if let Some((next, before)) = after {
        layer.entry(next).or_insert(before);
    }
}

/// What a text names: a network, an address, or "first-last".
fn ranges(text: &str) -> Option<Vec<AddressRange>> {
    let between = |first: IpAddr, last: IpAddr| match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(AddressRange { is_v4: true, first: first.to_bits().into(), last: last.to_bits().into() })
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(AddressRange { is_v4: false, first: first.to_bits(), last: last.to_bits() })
        }
        _ => None,
    };
    if let Some((first, last)) = text.split_once('-') {
        let range = between(first.trim().parse().ok()?, last.trim().parse().ok()?)?;
        return Some(vec![range]);
    }
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    Some(vec![between(net.network(), net.broadcast())?])
}

type FileEntries = (Vec<(AddressRange, String)>, Option<String>);

fn from_file(file: &std::path::Path) -> Result<FileEntries, String> {
    let (mut entries, mut default) = (Vec::new(), None);
    for listing::ListingEntry { line, key, value } in listing::read(file)? {
        let wrong = |text: String| format!("{}:{line}: {text}", file.display());
        match (key.as_str(), value) {
            ("ranges", None) => {}
            ("default", Some(value)) => default = Some(value),
            (network, Some(value)) => {
                let text = format!("`{network}` is no address, network or range of addresses");
                let found = ranges(network).ok_or_else(|| wrong(text))?;
                entries.extend(found.into_iter().map(|range| (range, value.clone())));
            }
            (key, None) => return Err(wrong(format!("`{key}` has no value"))),
        }
    }
    Ok((entries, default))
}
