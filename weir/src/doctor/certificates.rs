//! Certificates of the settings that end soon.

use std::time::{Duration, SystemTime};

use super::Patient;
use super::diagnosis::Diagnosis;

/// Certificates that live for 90 days are renewed 30 days before their end: this is late.
const SOON: Duration = Duration::from_secs(14 * 86_400);

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    let now = SystemTime::now();
    for certificate in edge::certificate_ends(&patient.settings.edge) {
        const REMEDY: &str =
            "renew it; Weir takes it over by itself. Or let it come by itself: tls = \"auto\"";
        let (file, setting) = (certificate.file.display(), certificate.setting);
        match certificate.ends.duration_since(now) {
            Err(_) => {
                findings.push(Diagnosis::error(
                    setting,
                    format!("the certificate in `{file}` has expired"),
                    REMEDY,
                ));
            }
            Ok(left) if left < SOON => {
                let days = left.as_secs() / 86_400;
                let text = format!("the certificate in `{file}` ends in {days} days");
                findings.push(Diagnosis::warning(setting, text, REMEDY));
            }
            Ok(_) => {}
        }
    }
}
