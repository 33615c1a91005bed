//! The line about a request that a limit refuses, as nginx writes it.

use crate::limit::refusals::{LineVerdict, RefusalCause, RefusalLevel, next_line};
use crate::limit::zone::Zone;
use crate::request::Request;
use crate::request::client::protocol;
use crate::route::Location;

/// Logs a refusal, if this second has room for it.
pub(super) fn write(
    (cause, zone): (RefusalCause, &Zone),
    level: RefusalLevel,
    request: &Request,
    location: &Location,
) {
    let LineVerdict::Write { left_out } = next_line() else { return };
    let zone = &zone.name;
    // A log of the location's own adds this to each line.
    let about = if location.error_logs.is_some() { String::new() } else { about(request, location) };
    match level {
        RefusalLevel::Error => tracing::error!("{cause} by zone \"{zone}\"{about}"),
        RefusalLevel::Warn => tracing::warn!("{cause} by zone \"{zone}\"{about}"),
        RefusalLevel::Notice | RefusalLevel::Info => tracing::info!("{cause} by zone \"{zone}\"{about}"),
    }
    if left_out > 0 {
        tracing::warn!("{left_out} lines about refused requests were left out");
    }
}

/// A request with control characters in its head does not get this far.
fn about(request: &Request, location: &Location) -> String {
    let target = request.sent_target.as_deref().unwrap_or(&request.target);
    format!(
        ", client: {}, server: {}, request: \"{} {target} {}\", host: \"{}\"",
        request.client.address,
        location.site,
        request.method,
        protocol(request.version),
        request.authority
    )
}
