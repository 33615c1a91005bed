//! Signals as a process gets them: real ones, sent to this test's own process, which is why there is one test
//! here.

use std::cell::Cell;
use std::time::Duration;

use process::handover::Successor;
use process::shutdown::Shutdown;
use process::signals::{Requests, Stopped, run_until_stopped};
use process::watch::Watch;
use rustix::process::{Signal, getpid, kill_process};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn drains_reloads_and_can_be_forced() {
    let successor = Successor::of_this_process();
    let send = |signal| kill_process(getpid(), signal).unwrap();
    for (first, second) in [(Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        // SIGHUP reloads, then the first signal drains, and the work under way is finished.
        let shutdown = Shutdown::new();
        let drained = shutdown.clone();
        shutdown.spawn(async move { drained.draining().await });
        let reloads = Cell::new(0);
        let reloaded = tokio::sync::Notify::new();
        let on_reload = || {
            reloads.set(reloads.get() + 1);
            reloaded.notify_one();
        };
        // The handlers are in place once the first branch has been polled.
        let (stopped, ()) = tokio::join!(biased; run_until_stopped(&shutdown, LONG, on_reload, Watch::new(None), (Requests::listen().unwrap(), &successor)), async {
            send(Signal::HUP);
            reloaded.notified().await;
            send(first);
        });
        assert_eq!(stopped.unwrap(), Stopped::Drained);
        assert_eq!(reloads.get(), 1);
        assert!(shutdown.is_draining());

        // Work that never ends is cut off by a second signal.
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        let (stopped, ()) = tokio::join!(biased; run_until_stopped(&shutdown, LONG, || (), Watch::new(None), (Requests::listen().unwrap(), &successor)), async {
            send(first);
            shutdown.draining().await;
            send(second);
        });
        assert_eq!(stopped.unwrap(), Stopped::Forced);
    }

    // Without signals: somebody inside begins the drain, and the grace runs out.
    let shutdown = Shutdown::new();
    shutdown.spawn(std::future::pending::<()>());
    shutdown.begin();
    let stopped = run_until_stopped(
        &shutdown,
        Duration::from_millis(10),
        || (),
        Watch::new(None),
        (Requests::listen().unwrap(), &successor),
    )
    .await;
    assert_eq!(stopped.unwrap(), Stopped::Cut(1));
}
