//! How many connections clients may have: what the settings say, as far as there are file descriptors. Some
//! are kept for the admin listener, the application, files and the rest of the process, so that a crowd of
//! idle connections cannot take them.

use process::nofile;

use crate::settings::Limits;

/// The most connections at once, by the settings' number and the limit on open files.
pub(crate) fn connections(wanted: usize) -> usize {
    within(wanted, nofile::clients())
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

fn within(wanted: usize, clients: u64) -> usize {
    wanted.min(usize::try_from(clients).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_descriptors_for_the_rest() {
        let cases = [(50_000, u64::MAX, 50_000), (50_000, 49_008, 49_008), (100, 624, 100), (50_000, 0, 1)];
        for (wanted, clients, expected) in cases {
            assert_eq!(within(wanted, clients), expected, "{wanted} of {clients}");
        }
    }
}
