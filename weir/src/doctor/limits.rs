//! What the system allows a process.

use process::nofile;

use super::Patient;
use super::diagnosis::Diagnosis;

/// Descriptors that are kept for the application and the rest of the process: a quarter, and these.
const OWN: u64 = 192;

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    let wanted = u64::try_from(patient.settings.edge.limits.connections).unwrap_or(u64::MAX);
    let needed = wanted.saturating_add(wanted / 3).saturating_add(OWN);
    let most = nofile::most();
    if most < needed {
        findings.push(Diagnosis::warning(
            "edge.limits.connections",
            format!(
                "{most} files may be open at once, which is enough for {} connections and not for {wanted}",
                most.saturating_sub(OWN) / 4 * 3
            ),
            format!(
                "raise the limit to {needed}: LimitNOFILE= of the unit, or ulimit -n; or lower the setting"
            ),
        ));
    }
}
