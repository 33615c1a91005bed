//! Against rustls's own client, over sockets.

use std::io::ErrorKind;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

/// A server's settings, and those of a client that trusts it and speaks this version alone.
fn settings(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, TlsConnector) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = params.self_signed(&key).unwrap().der().clone();
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = server.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]);
    let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server.unwrap()), TlsConnector::from(Arc::new(client)))
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Sends back what comes until the client has ended, and tells how that was.
async fn echo(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let mut stream = TlsStream::new(tcp, config, Vec::new())?;
    stream.shake().await?;
    let mut buffer = vec![0; 5000];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return stream.shutdown().await;
        }
        // In two pieces, so that they have to be put together.
        let (first, second) = buffer[..read].split_at(read / 2);
        let written = stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]).await?;
        stream.write_all(&buffer[written..read]).await?;
        stream.flush().await?;
    }
}

#[tokio::test]
async fn what_is_sent_comes_back_and_the_end_is_told_by_both() {
    for version in [&TLS12, &TLS13] {
        let (config, connector) = settings(version);
        let (client, server) = sockets().await;
        let server = tokio::spawn(echo(server, config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, client).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let (mut reading, mut writing) = tokio::io::split(stream);
        for length in [1, 4999, 16_384, 16_385, 700_000] {
            let sent: Vec<u8> = (0..length).map(|at: u32| at as u8).collect();
            let mut received = vec![0; sent.len()];
            let (written, read) = tokio::join!(
                async {
                    writing.write_all(&sent).await?;
                    writing.flush().await
                },
                reading.read_exact(&mut received)
            );
            written.unwrap();
            read.unwrap();
            assert!(received == sent, "{length} bytes");
        }
        writing.shutdown().await.unwrap();
        assert_eq!(reading.read(&mut [0]).await.unwrap(), 0, "the end was told");
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_silent_connection_holds_no_bytes() {
    let (config, connector) = settings(&TLS13);
    let (client, server) = sockets().await;
    let client = tokio::spawn(async move {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, client).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream
    });
    let mut stream = TlsStream::new(server, config, Vec::new()).unwrap();
    stream.shake().await.unwrap();
    stream.read_exact(&mut [0; 5]).await.unwrap();
    stream.write_all(b"world").await.unwrap();
    let (tcp, state) = stream.into_parts();
    assert_eq!(state.incoming.capacity() + state.plain.capacity() + state.outgoing.capacity(), 0);
    // It goes on after it was taken apart. Its client leaves without a word, which may have cut it off.
    let mut stream = TlsStream::of_parts(tcp, state);
    assert!(stream.is_silent());
    drop(client.await.unwrap().into_inner());
    assert_eq!(stream.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_never_becomes_whole_is_bounded() {
    let (config, _) = settings(&TLS13);
    let (mut client, server) = sockets().await;
    // A ClientHello of 16 MiB in small records.
    let sending = tokio::spawn(async move {
        let mut record = vec![0x16, 3, 1, 0x10, 0];
        record.extend([1, 0xff, 0xff, 0xff]);
        record.resize(5 + 4096, 0);
        while client.write_all(&record).await.is_ok() {
            record[5..9].fill(0);
        }
    });
    let failed = tokio::time::timeout(std::time::Duration::from_secs(30), echo(server, config)).await;
    assert!(failed.unwrap().is_err());
    sending.await.unwrap();
}
