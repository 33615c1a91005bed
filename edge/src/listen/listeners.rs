//! The sockets that an edge serves on, and what each offers in TLS handshakes.

use std::sync::Arc;

use process::listen::{self, ListenError};
use tokio::net::TcpListener;

use crate::edge::Edge;
use crate::listen::{cores, tls};
use crate::settings::{Config, Listen, Runtime};
use crate::tls::TlsUnavailable;

/// The sockets an edge serves on; whoever starts it binds them.
pub struct Listeners {
    /// One socket for each address of `listen`, or one for each core.
    pub(crate) http: Vec<Vec<std::net::TcpListener>>,
    pub(crate) admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds every address of the settings. Must be called within a runtime.
    pub fn bind(settings: &Config) -> Result<Self, ListenError> {
        let sockets = match settings.runtime {
            Runtime::Shared => 1,
            Runtime::PerCore => cores::number(),
        };
        let http = settings.listen.iter().map(|listen| bind(&listen.address, sockets));
        let http = http.collect::<Result<_, _>>()?;
        let admin = |address: &str| {
            let listener = listen::tcp(address, "edge.admin", listen::BACKLOG, false)?;
            TcpListener::from_std(listener).map_err(|error| ListenError::new(address, "edge.admin", error))
        };
        let admin = (settings.admin != "off").then(|| admin(&settings.admin)).transpose()?;
        Ok(Self { http, admin })
    }
}

/// Binds `count` sockets at one address.
fn bind(address: &str, sockets: usize) -> Result<Vec<std::net::TcpListener>, ListenError> {
    const SETTING: &str = "edge.listen";
    if sockets == 1 {
        return Ok(vec![listen::tcp(address, SETTING, listen::BACKLOG, false)?]);
    }
    // Without this, a second process at the same address would go unnoticed.
    let local = listen::free(address, SETTING)?.to_string();
    (0..sockets).map(|_| listen::tcp(&local, SETTING, listen::BACKLOG, true)).collect()
}

/// Sockets by address, as sockets by core.
pub(crate) fn by_core(by_address: Vec<Vec<std::net::TcpListener>>) -> Vec<Vec<std::net::TcpListener>> {
    let mut by_core: Vec<_> = (0..cores::number()).map(|_| Vec::new()).collect();
    for sockets in by_address {
        by_core.iter_mut().zip(sockets).for_each(|(core, socket)| core.push(socket));
    }
    by_core
}

/// What each listener offers in TLS handshakes.
pub(crate) fn acceptors(edge: &Arc<Edge>) -> Result<Vec<Option<tls::Acceptor>>, TlsUnavailable> {
    let tickets = tls::Tickets::new()?;
    let acceptor = |(number, listen): (u16, &Listen)| {
        let Some(tls) = &listen.tls else { return Ok(None) };
        let at = tls::ListenerAt {
            number,
            address: &listen.address,
            client: tls.files().and_then(|files| files.client.as_ref()),
            http2: listen.speaks_http2(),
        };
        tls::Acceptor::new(at, &tickets, edge).map(Some)
    };
    (0..).zip(&edge.settings.listen).map(acceptor).collect()
}
