//! How many connections clients may have: what the settings say, as far as there are file descriptors. Some
//! are kept for the admin listener, the application, files and the rest of the process, so that a crowd of
//! idle connections cannot take them.

use process::nofile;

use crate::settings::Limits;

/// Descriptors for the admin listener's connections, listeners, logs, timers and links between services.
const OWN: u64 = 192;

/// The most connections at once, by the settings' number and the limit on open files.
pub(crate) fn connections(wanted: usize) -> usize {
    within(wanted, nofile::limit())
}

/// Says once that there cannot be as many as the settings ask for. The default asks for nothing.
pub(crate) fn warn(wanted: usize) {
    let most = connections(wanted);
    if most < wanted && wanted != Limits::default().connections {
        tracing::warn!(
            connections = most,
            "limits.connections is {wanted}, but there are file descriptors for fewer; raise the limit on open \
             files (`ulimit -n`, LimitNOFILE)"
        );
    }
}

/// A quarter of the descriptors is for what the requests need: connections to the application and files.
fn within(wanted: usize, files: u64) -> usize {
    let own = OWN.min(files / 4);
    let left = (files - own) / 4 * 3;
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_descriptors_for_the_rest() {
        let cases = [
            (50_000, u64::MAX, 50_000),
            (50_000, 1_048_576, 50_000),
            (50_000, 65_536, 49_008),
            (50_000, 1024, 624),
            (100, 1024, 100),
            (50_000, 64, 36),
            (50_000, 0, 1),
        ];
        for (wanted, files, expected) in cases {
            assert_eq!(within(wanted, files), expected, "{wanted} of {files}");
        }
    }
}
