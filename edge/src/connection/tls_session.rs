//! What a TLS handshake agreed on, in nginx's words, for variables.

use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};

use crate::connection::client_check::{ClientCheck, ClientRefusal, ClientVerdict};

/// One connection's handshake. Made once, and shared by its requests.
#[derive(Debug, Default)]
pub(crate) struct TlsSession {
    /// `$ssl_protocol`: "TLSv1.3".
    pub(crate) protocol: &'static str,
    /// `$ssl_cipher`, as OpenSSL calls it.
    pub(crate) cipher: &'static str,
    /// `$ssl_curve`: the group of the key exchange, as OpenSSL calls it; empty: an earlier one was used.
    pub(crate) curve: &'static str,
    /// The certificate that the client has shown; `None`: it has shown none.
    pub(crate) client: Option<Box<[u8]>>,
    /// What is wrong with that certificate, in OpenSSL's words.
    pub(crate) client_fault: Option<&'static str>,
    /// Why no request on this connection is answered.
    pub(crate) refusal: Option<ClientRefusal>,
    /// `$ssl_session_reused`: an earlier connection's handshake was continued.
    pub(crate) resumed: bool,
    /// `$ssl_server_name`: the name that the client asked for.
    pub(crate) server_name: Option<Box<str>>,
}

impl TlsSession {
    /// `name`: what the client asked for. `check`: what the listener asks of certificates.
    pub(crate) fn of(connection: &CommonState, name: Option<Box<str>>, check: Option<&ClientCheck>) -> Self {
        let chain = connection.peer_certificates();
        let ClientVerdict { fault, refusal } = check.map(|check| check.judge(chain)).unwrap_or_default();
        Self {
            protocol: connection.protocol_version().map_or("", protocol),
            cipher: connection.negotiated_cipher_suite().map_or("", |suite| cipher(suite.suite())),
            curve: connection.negotiated_key_exchange_group().map_or("", |group| curve(group.name())),
            client: chain.and_then(<[_]>::first).map(|own| Box::from(own.as_ref())),
            client_fault: fault,
            refusal,
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: name,
        }
    }
}

fn protocol(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "",
    }
}

/// The groups that rustls offers.
fn curve(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "prime256v1",
        NamedGroup::secp384r1 => "secp384r1",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768",
        _ => "",
    }
}

/// The nine suites that rustls offers.
fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "",
    }
}
