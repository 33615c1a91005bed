//! What the flags of `weir serve` take: each is checked by the flag's own name.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use process::units::{Size, Time};
use wsgi_adapter::address::Address;

pub(crate) fn time(text: &str) -> Result<String, String> {
    Time::parse(text).map(|_| text.to_owned()).ok_or_else(|| "not a time; write one such as 1s or 1d".into())
}

pub(crate) fn duration(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "not a time; write one such as 10s or 5m".into())
}

pub(crate) fn size(text: &str) -> Result<String, String> {
    Size::parse(text).map(|_| text.to_owned()).ok_or_else(|| "not a size; write one such as 32KiB".into())
}

pub(crate) fn address(text: &str) -> Result<String, String> {
    text.parse::<Address>().map(|_| text.to_owned()).map_err(|mistake| mistake.to_string())
}

/// An address stands for the network of itself.
pub(crate) fn network(text: &str) -> Result<String, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let mistake = || String::from("not a network; write one such as 10.0.0.0/8 or 192.0.2.7");
    let address: IpAddr = address.parse().map_err(|_| mistake())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), str::parse).map_err(|_| mistake())?;
    if length > most { Err(mistake()) } else { Ok(format!("{address}/{length}")) }
}

pub(crate) fn tls(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let Some((certificate, key)) = text.split_once(',') else {
        return Err("write CERTIFICATE,KEY, such as site.pem,site.key".into());
    };
    for file in [certificate, key] {
        if !Path::new(file).is_file() {
            return Err(format!("the file {file} does not exist"));
        }
    }
    Ok((certificate.into(), key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses() {
        for (text, network) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("::1", Some("::1/128")),
            ("10.0.0.0/33", None),
            ("10.0.0.0/", None),
            ("proxy.example", None),
        ] {
            assert_eq!(self::network(text).ok().as_deref(), network, "{text}");
        }
    }
}
