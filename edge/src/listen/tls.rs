//! TLS for clients: what a listener offers in the handshake, and which certificate it shows for which name.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::acme::challenge;
use crate::connection::client_check::ClientCheck;
use crate::connection::stream::H2;
use crate::connection::tls_stream::{MAX_HANDSHAKE, TlsStream, invalid};
use crate::edge::Edge;
use crate::route::SiteCertificate;
use crate::settings::ClientCertificateConfig;
use crate::tls::TlsUnavailable;
use crate::tls::certificate::Certificate;
use crate::tls::client_certificate;

const HTTP_1_1: &[u8] = b"http/1.1";

/// One listener's side of handshakes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Acceptor {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    check: Option<Arc<ClientCheck>>,
}

/// The keys that resume sessions. They are replaced every six hours, and the previous ones remain valid. All
/// listeners share them, so that a reload ends no session. A ticket is valid only for the name that it was
/// given for (rustls compares).
pub(crate) struct Tickets(Arc<dyn rustls::server::ProducesTickets>);

impl Tickets {
    pub(crate) fn new() -> Result<Self, TlsUnavailable> {
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
    pub(crate) http2: bool,
}

impl Acceptor {
    pub(crate) fn new(
        listener: ListenerAt<'_>,
        tickets: &Tickets,
        edge: &Arc<Edge>,
    ) -> Result<Self, TlsUnavailable> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let check = listener.client.map(client_certificate::check).transpose();
        let check = check.map_err(|(_, text)| rustls::Error::General(text))?.map(Arc::new);
        let builder = match &check {
            None => builder.with_no_client_auth(),
            Some(check) => builder.with_client_cert_verifier(client_certificate::asking(check)),
        };
        let resolver = Arc::new(Resolver {
            listener: listener.number,
            address: listener.address.into(),
            own: edge.routes.load().certificates.of_listener(listener.address),
            edge: edge.clone(),
        });
        let mut config = builder.with_cert_resolver(resolver.clone());
        let h2 = listener.http2.then_some(H2);
        // An authority offers nothing but its own protocol, and gets the answer to its challenge.
        config.alpn_protocols = h2.into_iter().chain([HTTP_1_1, challenge::ALPN]).map(Vec::from).collect();
        // A session that began where no certificate is asked for is not resumed where one is.
        config.ticketer = if listener.client.is_some() { Tickets::new()?.0 } else { tickets.0.clone() };
        // RFC 8446 section 8: early data can be replayed. Weir does not accept it.
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), resolver, check })
    }

    /// What is asked of the certificates that clients show.
    pub(crate) fn client(&self) -> Option<Arc<ClientCheck>> {
        self.check.clone()
    }

    /// Shakes hands. Tells, too, the name that the client asked for.
    pub(crate) async fn handshake(&self, mut tcp: TcpStream) -> io::Result<(TlsStream, Option<Box<str>>)> {
        let (begun, FirstWords { name, is_challenge }) = hello(&mut tcp).await?;
        if let Some(name) = &name
            && self.resolver.edge.acme.may_wait()
        {
            self.resolver.wait(name, is_challenge).await;
        }
        let mut stream = TlsStream::new(tcp, self.config.clone(), begun)?;
        stream.shake().await?;
        Ok((stream, name))
    }
}

/// What a ClientHello says that has to be known before it is answered, and for the requests after it.
struct FirstWords {
    name: Option<Box<str>>,
    is_challenge: bool,
}

/// Bytes that are asked for at once.
const HELLO: usize = 2 * 1024;

/// Reads until the ClientHello is whole. Gives all bytes that have come.
async fn hello(tcp: &mut TcpStream) -> io::Result<(Vec<u8>, FirstWords)> {
    let mut begun = Vec::new();
    let mut acceptor = rustls::server::Acceptor::default();
    loop {
        let known = begun.len();
        begun.reserve(HELLO);
        if tcp.read_buf(&mut begun).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if begun.len() > MAX_HANDSHAKE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut new = begun.get(known..).unwrap_or_default();
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let words = FirstWords {
                        name: hello.server_name().map(Box::from),
                        is_challenge: is_challenge(&hello),
                    };
                    return Ok((begun, words));
                }
                Err((error, mut alert)) => {
                    let mut words = Vec::new();
                    alert.write_all(&mut words)?;
                    let _ = tcp.try_write(&words);
                    return Err(invalid(error));
                }
            }
        }
    }
}

/// Shows the certificate of the site that the client names, or the listener's.
struct Resolver {
    listener: u16,
    address: Box<str>,
    /// The acceptor for as long as no reload brings another.
    own: Option<Certificate>,
    edge: Arc<Edge>,
}

impl Resolver {
    /// Returns when what the handshake is to show is there, or will not come.
    async fn wait(&self, name: &str, is_challenge: bool) {
        let acme = &self.edge.acme;
        if is_challenge {
            return acme.fetch_alpn_answer(name).await;
        }
        let is_auto = {
            let sites = self.edge.routes.load();
            matches!(
                sites.certificate(self.listener, sites.choose(self.listener, name)),
                Some(SiteCertificate::Auto)
            )
        };
        if is_auto {
            acme.demand(name).await;
        }
    }

    /// What is shown to a client that asks for this name.
    fn certificate(&self, name: Option<&str>) -> Option<Certificate> {
        let sites = self.edge.routes.load();
        let site = sites.choose(self.listener, name.unwrap_or_default());
        let of_site = sites.certificate(self.listener, site);
        if let Some(SiteCertificate::Rejected) = of_site {
            return None;
        }
        let own = sites.certificates.of_listener(&self.address).or_else(|| self.own.clone());
        match (name, own) {
            // As it may be where clients ask by address: the certificate of the first name.
            (None, None) => self.edge.acme.certificate(site.name.trim_start_matches('.')),
            (None, own) => own,
            (Some(name), own) => match of_site {
                Some(SiteCertificate::Files(certificate)) => Some(certificate.clone()),
                Some(SiteCertificate::Auto) => self.edge.acme.certificate(name),
                Some(SiteCertificate::Rejected) | None => own,
            },
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = match hello.server_name() {
            Some(name) if is_challenge(&hello) => self.edge.acme.alpn_answer(name),
            name => self.certificate(name),
        };
        Some(certificate?.pair_for(hello.signature_schemes()))
    }
}

/// RFC 8737 section 3: the handshake of an authority offers this protocol alone.
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut offered| offered.next() == Some(challenge::ALPN) && offered.next().is_none())
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "certificates of {}", self.address)
    }
}
