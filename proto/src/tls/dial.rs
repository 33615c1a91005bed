//! The client's end: a channel whose connections show a certificate and ask for one.

use std::sync::Arc;

use http::Uri;

use super::{Tls, TlsError, bad_name, server_name};
use crate::link::{Channel, ChannelSettings};

/// A channel that connects at the first call. With `tls`, it connects only to a server whose certificate is
/// for `host` (or for `peer_name` of the settings), whatever the address in `url` is.
pub fn lazily(
    url: &Uri,
    settings: ChannelSettings,
    tls: Option<&Arc<Tls>>,
    host: &str,
) -> Result<Channel, TlsError> {
    let Some(tls) = tls else { return Ok(Channel::new(url, settings)) };
    let name = match &tls.peer_name {
        Some(name) => name.clone(),
        None => server_name(host).ok_or_else(|| bad_name(host))?,
    };
    Ok(Channel::secured(url, settings, Some((tls.clone(), name))))
}
