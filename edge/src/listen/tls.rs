//! TLS for clients: what a listener offers in the handshake, and which certificate it shows for which name.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::stream::H2;
use crate::route::Sites;
use crate::settings::ClientCertificateConfig;
use crate::tls::Unavailable;
use crate::tls::certificate::Certificate;
use crate::tls::client_certificate;

const HTTP_1_1: &[u8] = b"http/1.1";

/// One listener's side of handshakes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

/// The keys that resume sessions. They are replaced every six hours, and the previous ones remain valid. All
/// listeners share them, so that a reload ends no session. A ticket is valid only for the name that it was
/// given for (rustls compares).
pub(crate) struct Tickets(Arc<dyn rustls::server::ProducesTickets>);

impl Tickets {
    pub(crate) fn new() -> Result<Self, Unavailable> {
        Ok(Self(rustls::crypto::ring::Ticketer::new()?))
    }
}

/// A listener as the settings name it.
#[derive(Clone, Copy)]
pub(crate) struct ListenerAt<'a> {
    pub(crate) number: u16,
    /// It finds the listener's certificate in the sites, also after a reload.
    pub(crate) address: &'a str,
    /// The certificates that it asks clients for.
    pub(crate) client: Option<&'a ClientCertificateConfig>,
}

impl Acceptor {
    pub(crate) fn new(
        listener: ListenerAt<'_>,
        own: Certificate,
        http2: bool,
        tickets: &Tickets,
        sites: Arc<ArcSwap<Sites>>,
    ) -> Result<Self, Unavailable> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = match listener.client.map(client_certificate::verifier) {
            None => builder.with_no_client_auth(),
            Some(Ok(verifier)) => builder.with_client_cert_verifier(verifier),
            Some(Err((_, text))) => return Err(rustls::Error::General(text).into()),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver {
            listener: listener.number,
            address: listener.address.into(),
            own,
            sites,
        }));
        config.alpn_protocols = if http2 { vec![H2.into(), HTTP_1_1.into()] } else { vec![HTTP_1_1.into()] };
        // A session that began where no certificate is asked for is not resumed where one is.
        config.ticketer = if listener.client.is_some() { Tickets::new()?.0 } else { tickets.0.clone() };
        // RFC 8446 section 8: early data can be replayed. Weir does not accept it.
        config.max_early_data_size = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

/// Shows the certificate of the site that the client names, or the listener's.
struct Resolver {
    listener: u16,
    address: Box<str>,
    /// The acceptor for as long as no reload brings another.
    own: Certificate,
    sites: Arc<ArcSwap<Sites>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let sites = self.sites.load();
        let of_site =
            hello.server_name().and_then(|name| sites.choose(self.listener, name).certificate.clone());
        let certificate = of_site.or_else(|| sites.certificates.of_listener(&self.address));
        Some(certificate.unwrap_or_else(|| self.own.clone()).0)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "certificates of {}", self.address)
    }
}
