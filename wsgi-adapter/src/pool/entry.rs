//! A server on the list of its pool.

use serde::{Deserialize, Serialize};

use super::member::ServerId;
use crate::config::ServerConfig;

/// A server as it is listed: in the settings, by the API, in the state file. One with `resolve` stands for as
/// many as its name has addresses, one of SRV records for those that they name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: ServerId,
    pub(crate) server: ServerConfig,
}
