//! What variables tell of the certificate that a client has shown: nginx's `$ssl_client_*`.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use ring::digest;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::connection::distinguished_name;

/// What nginx leaves as it is in `$ssl_client_escaped_cert`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Letters in a line of PEM.
const LINE: usize = 64;

/// `$ssl_client_raw_cert`: the certificate in PEM.
pub(crate) fn pem(certificate: &[u8]) -> String {
    let letters = BASE64_STANDARD.encode(certificate);
    let lines = letters.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// `$ssl_client_cert`: the same, in a form that a field can have: lines but the first begin with a tab.
pub(crate) fn folded_pem(certificate: &[u8]) -> String {
    pem(certificate).trim_end().replace('\n', "\n\t")
}

/// `$ssl_client_escaped_cert`
pub(crate) fn escaped_pem(certificate: &[u8]) -> String {
    percent_encode(pem(certificate).as_bytes(), ESCAPED).to_string()
}

/// `$ssl_client_fingerprint`: by SHA-1.
pub(crate) fn fingerprint(certificate: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `$ssl_client_serial`
pub(crate) fn serial(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(
        parsed.raw_serial().iter().skip_while(|byte| **byte == 0).map(|byte| format!("{byte:02X}")).collect(),
    )
}

/// `$ssl_client_i_dn`
pub(crate) fn issuer(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    distinguished_name::of_der(parsed.issuer().as_raw())
}

/// `$ssl_client_s_dn`
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    distinguished_name::of_der(parsed.subject().as_raw())
}

/// `$ssl_client_v_start` and `$ssl_client_v_end`: "Nov 29 13:58:57 2026 GMT".
pub(crate) fn period(certificate: &[u8]) -> Option<(String, String)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some((stamp(&parsed.validity().not_before), stamp(&parsed.validity().not_after)))
}

/// `$ssl_client_v_remain`: the days until the certificate ends.
pub(crate) fn days_left(certificate: &[u8]) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp() - ASN1Time::now().timestamp();
    Some((seconds / 86_400).max(0))
}

fn stamp(time: &ASN1Time) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = time.to_datetime();
    let month = MONTHS.get(usize::from(u8::from(at.month())).saturating_sub(1)).copied().unwrap_or_default();
    let (hour, minute, second) = at.time().as_hms();
    format!("{month} {:>2} {hour:02}:{minute:02}:{second:02} {} GMT", at.day(), at.year())
}
