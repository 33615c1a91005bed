//! What systemd wants to know of a service of `Type=notify`: that it serves, reloads, drains, and is alive.
//! Without systemd nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

pub(crate) fn serves() {
    tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
}

/// Around a reload: `systemctl reload` returns when it is over.
pub(crate) fn reloads(reload: impl FnOnce()) {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    tell(&states);
    reload();
    tell(&[NotifyState::Ready]);
}

pub(crate) fn drains() {
    tell(&[NotifyState::Stopping]);
}

/// Says regularly that the runtime still runs, if systemd asks for it (`WatchdogSec=`). Runs until the
/// process ends.
pub(crate) async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut due = tokio::time::interval((limit / 3).max(Duration::from_millis(10)));
    loop {
        due.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told the state of the service");
    }
}
