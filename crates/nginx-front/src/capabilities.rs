//! What Weir's settings can say. A directive that needs more is not done.

/// Parts of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Sites bound to listeners, `return`, `rewrite`, `rule`, `try_files`, `error_page`, locations within
    /// locations, `autoindex`, `types`, paths with variables.
    pub routes: bool,
    /// `reply_fields`, `request_fields`, `expires` with variables.
    pub fields: bool,
    /// `map`, `geo`, `split`.
    pub maps: bool,
    /// `compress`.
    pub compress: bool,
    /// `access`, `auth_basic`, `satisfy`, `limit_req`, `limit_conn`, `limit_rate`.
    pub access: bool,
    /// `real_ip_header`, `proxy_protocol` of a listener.
    pub real_ip: bool,
}

impl Capabilities {
    /// What the settings of this version can say.
    pub const NOW: Self =
        Self { routes: false, fields: false, maps: false, compress: false, access: false, real_ip: false };
}
