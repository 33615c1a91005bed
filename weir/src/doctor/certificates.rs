//! Certificates of the settings that end soon.

use std::time::{Duration, SystemTime};

use super::Patient;
use super::diagnosis::Diagnosis;

/// Certificates that live for 90 days are renewed 30 days before their end: this is late.
const SOON: Duration = Duration::from_secs(14 * 86_400);

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    let now = SystemTime::now();
    for certificate in edge::certificate_ends(&patient.settings.edge) {
        let left = certificate.ends.duration_since(now).unwrap_or_default();
        if left < SOON {
            findings.push(Diagnosis::warning(
                certificate.setting,
                format!(
                    "the certificate in `{}` ends in {} days",
                    certificate.file.display(),
                    left.as_secs() / 86_400
                ),
                "renew it; Weir takes it over by itself. Or let it come by itself: tls = \"auto\"",
            ));
        }
    }
}
