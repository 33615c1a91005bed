//! What is known of the connection that a request came by: TLS, its client's certificate, and what a proxy
//! has said of it.

use std::borrow::Cow;

use crate::connection::client_variables;
use crate::connection::unix_client::named;
use crate::variables::facts::{RequestFacts, filled, host_and_port, number, text};
use crate::variables::names::KnownVariable;
use crate::variables::stamp;

/// The value of a variable; `None`: there is none, or it is not of the connection.
pub(super) fn of_connection<'a>(
    request: &RequestFacts<'a>,
    variable: KnownVariable,
) -> Option<Cow<'a, [u8]>> {
    Some(match variable {
        KnownVariable::SslProtocol => return request.tls.and_then(|tls| filled(tls.protocol)),
        KnownVariable::RequestPort => return filled(host_and_port(request.authority).1),
        KnownVariable::IsRequestPort => {
            text(if host_and_port(request.authority).1.is_empty() { "" } else { ":" })
        }
        KnownVariable::ConnectionTime => Cow::Owned(stamp::seconds(request.connected.elapsed()).into_bytes()),
        KnownVariable::LimitReqStatus => return filled(request.limited.requests),
        KnownVariable::LimitConnStatus => return filled(request.limited.connections),
        KnownVariable::SslCurve => return request.tls.and_then(|tls| filled(tls.curve)),
        KnownVariable::SslCipher => return request.tls.and_then(|tls| filled(tls.cipher)),
        // No data comes before the handshake is over, and nobody speaks HTTP/3.
        KnownVariable::SslEarlyData | KnownVariable::Http3 => return None,
        KnownVariable::SslSessionReused => text(if request.tls?.resumed { "r" } else { "." }),
        KnownVariable::SslServerName => return request.tls?.server_name.as_deref().map(text),
        KnownVariable::SslClientVerify => match (&request.tls?.client, request.tls?.client_fault) {
            (None, _) => text("NONE"),
            (Some(_), None) => text("SUCCESS"),
            (Some(_), Some(fault)) => Cow::Owned(format!("FAILED:{fault}").into_bytes()),
        },
        KnownVariable::SslAlpnProtocol => match (request.protocol, request.tls) {
            ("HTTP/2.0", Some(_)) => text("h2"),
            _ => return None,
        },
        KnownVariable::Http2 => text(match (request.protocol, request.tls) {
            ("HTTP/2.0", Some(_)) => "h2",
            ("HTTP/2.0", None) => "h2c",
            _ => "",
        }),
        KnownVariable::ProxyProtocolAddr => number(request.proxied?.source.ip().to_canonical()),
        KnownVariable::ProxyProtocolPort => number(request.proxied?.source.port()),
        KnownVariable::ProxyProtocolServerAddr => number(request.proxied?.destination.ip().to_canonical()),
        KnownVariable::ProxyProtocolServerPort => number(request.proxied?.destination.port()),
        KnownVariable::RealipRemoteAddr => Cow::Owned(named(request.peer?.ip().to_canonical()).into_bytes()),
        KnownVariable::RealipRemotePort => number(request.peer?.port()),
        _ => return of_certificate(request, variable),
    })
}

/// What the client's certificate says.
fn of_certificate<'a>(request: &RequestFacts<'a>, variable: KnownVariable) -> Option<Cow<'a, [u8]>> {
    let own = || request.tls?.client.as_deref();
    let told = match variable {
        KnownVariable::SslClientSubject => client_variables::subject(own()?)?,
        KnownVariable::SslClientIssuer => client_variables::issuer(own()?)?,
        KnownVariable::SslClientCert => client_variables::folded_pem(own()?),
        KnownVariable::SslClientRawCert => client_variables::pem(own()?),
        KnownVariable::SslClientEscapedCert => client_variables::escaped_pem(own()?),
        KnownVariable::SslClientFingerprint => client_variables::fingerprint(own()?),
        KnownVariable::SslClientSerial => client_variables::serial(own()?)?,
        KnownVariable::SslClientStart => client_variables::period(own()?)?.0,
        KnownVariable::SslClientEnd => client_variables::period(own()?)?.1,
        KnownVariable::SslClientRemain => client_variables::days_left(own()?)?.to_string(),
        _ => return None,
    };
    Some(Cow::Owned(told.into_bytes()))
}
