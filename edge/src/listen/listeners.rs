//! The sockets that an edge serves on.

use process::listen::{self, ListenError};
use tokio::net::TcpListener;

use crate::listen::cores;
use crate::settings::{Config, Runtime};

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
        let admin = (settings.admin != "off").then(|| bind_admin(&settings.admin)).transpose()?;
        Ok(Self { http, admin })
    }

    /// Whether `bind` will find the ports free, so that what takes long need not be begun in vain. `names`
    /// are where the addresses were set: those of `listen`, and `admin`.
    pub fn check(settings: &Config, names: [&str; 2]) -> Result<(), ListenError> {
        let http = settings.listen.iter().map(|listen| (listen.address.as_str(), names[0]));
        let admin = (settings.admin.as_str(), names[1]);
        let is_port = |(address, _): &(&str, &str)| *address != "off" && !address.starts_with("unix:");
        http.chain([admin]).filter(is_port).try_for_each(|(address, name)| {
            listen::free(address, name)?;
            Ok(())
        })
    }
}

/// Binds `count` sockets at one address.
pub(crate) fn bind(address: &str, count: usize) -> Result<Vec<std::net::TcpListener>, ListenError> {
    const SETTING: &str = "edge.listen";
    if let Some(path) = address.strip_prefix("unix:") {
        let first = listen::unix(path, SETTING)?;
        let copies = (1..count).map(|_| first.try_clone()).collect::<Result<Vec<_>, _>>();
        let copies = copies.map_err(|error| ListenError::new(address, SETTING, error))?;
        return Ok(std::iter::once(first).chain(copies).collect());
    }
    if count == 1 {
        return Ok(vec![listen::tcp(address, SETTING, listen::BACKLOG, false)?]);
    }
    // Without this, a second process at the same address would go unnoticed.
    let local = listen::free(address, SETTING)?.to_string();
    (0..count).map(|_| listen::tcp(&local, SETTING, listen::BACKLOG, true)).collect()
}

/// Binds the admin listener. Must be called within a runtime.
pub(crate) fn bind_admin(address: &str) -> Result<TcpListener, ListenError> {
    const SETTING: &str = "edge.admin";
    let listener = listen::tcp(address, SETTING, listen::BACKLOG, false)?;
    TcpListener::from_std(listener).map_err(|error| ListenError::new(address, SETTING, error))
}
