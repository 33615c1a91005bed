//! What new connections meet: the edge of the settings in force, and what is spoken at each address.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::edge::Edge;
use crate::listen::tls::{Acceptor, ListenerAt, Tickets};
use crate::settings::{Config, Listen};
use crate::tls::{TlsUnavailable, client_certificate};

/// What is spoken at an address of `listen`.
#[derive(Clone)]
pub(crate) struct Door {
    /// Its index there.
    pub(crate) listener: u16,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) http2: bool,
    /// Connections begin with a header of the PROXY protocol.
    pub(crate) proxy_protocol: bool,
}

/// Replaced as a whole by a reload.
pub(crate) struct Generation {
    pub(crate) edge: Arc<Edge>,
    doors: Vec<(Arc<str>, Door)>,
}

/// The one in force.
pub(crate) type CurrentGeneration = Arc<ArcSwap<Generation>>;

impl Generation {
    pub(crate) fn new(edge: Arc<Edge>, tickets: &Tickets) -> Result<Self, TlsUnavailable> {
        let doors = (0..).zip(&edge.settings.listen).map(|(number, listen)| {
            let tls = acceptor(number, listen, tickets, &edge)?;
            let http2 = listen.speaks_http2();
            let door = Door { listener: number, tls, http2, proxy_protocol: listen.proxy_protocol };
            Ok((Arc::from(listen.address.as_str()), door))
        });
        let doors = doors.collect::<Result<_, TlsUnavailable>>()?;
        Ok(Self { edge, doors })
    }

    /// What is spoken at this address of `listen`.
    pub(crate) fn door(&self, address: &str) -> Option<&Door> {
        self.doors.iter().find(|(known, _)| **known == *address).map(|(_, door)| door)
    }
}

/// Whether the certificates that listeners ask for can be judged. What else doors need is there.
pub(crate) fn check(settings: &Config) -> Result<(), TlsUnavailable> {
    let tls = settings.listen.iter().filter_map(|listen| listen.tls.as_ref()?.files()?.client.as_ref());
    for client in tls {
        client_certificate::check(client).map_err(|(_, text)| rustls::Error::General(text))?;
    }
    Ok(())
}

fn acceptor(
    number: u16,
    listen: &Listen,
    tickets: &Tickets,
    edge: &Arc<Edge>,
) -> Result<Option<Acceptor>, TlsUnavailable> {
    let Some(tls) = &listen.tls else { return Ok(None) };
    let at = ListenerAt {
        number,
        address: &listen.address,
        client: tls.files().and_then(|files| files.client.as_ref()),
        http2: listen.speaks_http2(),
    };
    Acceptor::new(at, tickets, edge).map(Some)
}
