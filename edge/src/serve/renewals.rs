//! Certificates of the settings whose files change while the edge serves: whoever renews them need not tell
//! it.

use std::io;
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use super::EdgeServer;

/// How often to look at the files.
const EVERY: Duration = Duration::from_secs(10);

/// Looks at them as long as there is an edge. On a thread of its own, with the rights of the one that begins
/// it: those of the threads that serve may not be enough to read keys.
pub(super) fn begin(edge: Weak<EdgeServer>) -> io::Result<()> {
    let look = move || {
        loop {
            thread::sleep(EVERY);
            let Some(server) = edge.upgrade() else { return };
            server.edge().routes.load().certificates.renew();
        }
    };
    thread::Builder::new().name("certificates".into()).spawn(look).map(drop)
}
