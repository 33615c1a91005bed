//! TLS to an `https://` server.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::ServerTlsConfig;
use crate::error::ServerError;

/// How often handshakes look whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A pool's side of handshakes: what its files say, read again when they change.
#[derive(Debug)]
pub(crate) struct ServerTls {
    settings: ServerTlsConfig,
    read: Mutex<Option<ReadFiles>>,
}

#[derive(Debug)]
struct ReadFiles {
    client: Arc<ClientConfig>,
    stamps: Vec<Option<FileStamp>>,
    looked: Instant,
}

/// Which contents of a file were read: inode, length, and when they were changed.
type FileStamp = (u64, u64, i64, i64);

impl ServerTls {
    pub(crate) fn new(settings: Option<&ServerTlsConfig>) -> Self {
        Self { settings: settings.cloned().unwrap_or_default(), read: Mutex::default() }
    }

    /// Reads files that have not been read, or have changed. Where that fails, what was read before stays.
    pub(crate) fn renew(&self) -> Result<Arc<ClientConfig>, String> {
        let (now, stamps) = (Instant::now(), self.stamps());
        let mut read = self.read.lock();
        let before = match read.as_mut() {
            Some(read) if read.stamps == stamps => {
                read.looked = now;
                return Ok(read.client.clone());
            }
            before => before,
        };
        let client = match (self.settings.client(), before) {
            (Ok(client), _) => client,
            (Err((_, text)), None) => return Err(text),
            (Err((key, text)), Some(before)) => {
                tracing::warn!("`tls.{key}` of a pool has changed, what was there before stays: {text}");
                before.client.clone()
            }
        };
        *read = Some(ReadFiles { client: client.clone(), stamps, looked: now });
        Ok(client)
    }

    /// What handshakes begin with.
    fn client(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(read) = &*self.read.lock()
            && read.looked.elapsed() < LOOK_EVERY
        {
            return Ok(read.client.clone());
        }
        self.renew()
    }

    fn stamps(&self) -> Vec<Option<FileStamp>> {
        let ServerTlsConfig { certificate, key, .. } = &self.settings;
        let files = [self.settings.ca_file(), certificate.as_deref(), key.as_deref()];
        files.into_iter().map(|file| stamp(file?)).collect()
    }

    /// The handshake, until `until` at the latest. `host`: that of the server's address.
    pub(crate) async fn secure(
        &self,
        tcp: TcpStream,
        host: &str,
        until: Instant,
    ) -> Result<TlsStream<TcpStream>, ServerError> {
        let failed = |text: String| ServerError::Connect(io::Error::other(text));
        let client = self.client().map_err(failed)?;
        let name = self.settings.name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
        let shaken = timeout_at(until, TlsConnector::from(client).connect(name, tcp)).await;
        shaken.map_err(|_| ServerError::ConnectTimeout)?.map_err(ServerError::Connect)
    }
}

fn stamp(file: &Path) -> Option<FileStamp> {
    let found = fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.mtime_nsec(), found.mtime()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn files_are_read_again_when_they_change_and_a_mistake_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let config = ServerTlsConfig { ca: Some(ca.clone()), ..ServerTlsConfig::default() };
        let tls = ServerTls::new(Some(&config));
        let put = |text: &str| {
            let new = directory.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &ca).unwrap();
        };
        let authority = || {
            let key = KeyPair::generate().unwrap();
            CertificateParams::new(vec!["ca".into()]).unwrap().self_signed(&key).unwrap().pem()
        };
        assert!(tls.client().is_err(), "there is no file yet");
        put(&authority());
        let first = tls.client().unwrap();
        assert!(Arc::ptr_eq(&first, &tls.renew().unwrap()), "nothing has changed");
        put("half");
        assert!(Arc::ptr_eq(&first, &tls.renew().unwrap()), "it cannot be used");
        put(&authority());
        assert!(Arc::ptr_eq(&first, &tls.client().unwrap()), "nobody has looked yet");
        assert!(!Arc::ptr_eq(&first, &tls.renew().unwrap()));
    }
}
