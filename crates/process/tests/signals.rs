//! Signals as a process gets them: real ones, sent to this test's own process, which is why there is one test
//! here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use process::handover::Successor;
use process::reload::ReloadReport;
use process::shutdown::Shutdown;
use process::signals::{DrainEnd, ProgramHandle, Signals, run_until_stopped};
use rustix::process::{Signal, getpid, kill_process};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn drains_reloads_and_can_be_forced() {
    let successor = Successor::of_this_process();
    let mut signals = Signals::listen().unwrap();
    let send = |signal| kill_process(getpid(), signal).unwrap();
    for (first, second) in [(Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        // SIGHUP reloads, then the first signal drains, and the work under way is finished.
        let shutdown = Shutdown::new();
        let drained = shutdown.clone();
        shutdown.spawn(async move { drained.draining().await });
        let reloads = Arc::new((AtomicU32::new(0), tokio::sync::Notify::new()));
        let counted = reloads.clone();
        let running = left_running(LONG, move || {
            counted.0.fetch_add(1, Ordering::Relaxed);
            counted.1.notify_one();
        });
        // One that comes before anybody waits for it is not lost.
        send(Signal::HUP);
        let (stopped, ()) =
            tokio::join!(run_until_stopped(&mut signals, &shutdown, running, &successor), async {
                reloads.1.notified().await;
                send(first);
            });
        assert_eq!(stopped, DrainEnd::Drained);
        assert_eq!(reloads.0.load(Ordering::Relaxed), 1);
        assert!(shutdown.is_draining());

        // Work that never ends is cut off by a second signal.
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        let waiting = run_until_stopped(&mut signals, &shutdown, left_running(LONG, || ()), &successor);
        let (stopped, ()) = tokio::join!(waiting, async {
            send(first);
            shutdown.draining().await;
            send(second);
        });
        assert_eq!(stopped, DrainEnd::Forced);
    }

    // Without signals: somebody inside begins the drain, and the grace runs out.
    let shutdown = Shutdown::new();
    shutdown.spawn(std::future::pending::<()>());
    shutdown.begin();
    let running = left_running(Duration::from_millis(10), || ());
    assert_eq!(run_until_stopped(&mut signals, &shutdown, running, &successor).await, DrainEnd::Cut(1));
}

fn left_running(grace: Duration, mut reload: impl FnMut() + 'static) -> ProgramHandle {
    let reload = move || {
        reload();
        ReloadReport::default()
    };
    ProgramHandle { grace, reload: Box::new(reload), watched: None, orders: None, legacy: None }
}
