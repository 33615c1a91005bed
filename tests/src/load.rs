//! Visitors who keep asking while a test breaks things.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ClientConfig;

use crate::{Client, Http2, Response, until};

/// A visitor reads before asking again. Visitors without a pause would prove nothing more, and take the
/// processor from the programs under test.
const READING: Duration = Duration::from_millis(5);

pub struct Load {
    ended: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    troubles: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many visitors, each asking for `target(visitor, n)` again and again on a connection of its own.
    pub fn start(
        address: SocketAddr,
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::checking(address, visitors, target, |_, _| None)
    }

    /// Starts the load, and asks of each whole 200 to a target what is wrong with it.
    pub fn checking(
        address: SocketAddr,
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
        wrong: impl Fn(&str, &Response) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::connecting(move || Client::connect(address), visitors, target, wrong)
    }

    /// Starts the load over TLS.
    pub fn over_tls(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let connect = move || Client::over_tls(address, "localhost", &config).unwrap();
        Self::connecting(connect, visitors, target, |_, _| None)
    }

    fn connecting(
        connect: impl Fn() -> Client + Send + Sync + 'static,
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
        wrong: impl Fn(&str, &Response) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let (connect, wrong) = (Arc::new(connect), Arc::new(wrong));
        Self::visiting(visitors, target, move || {
            let (connect, wrong) = (connect.clone(), wrong.clone());
            let mut client = connect();
            move |target: &str| {
                client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
                let response = client.try_response("GET");
                // A connection has its number of requests.
                let last = response.as_ref().is_some_and(|it| it.field("connection") == Some("close"));
                let trouble = match response {
                    Some(response) if response.status == 200 && response.whole => {
                        wrong(target, &response).map(|wrong| format!("{target}: {wrong}"))
                    }
                    Some(response) if !response.whole => Some(format!("{target}: broke off")),
                    Some(response) => Some(format!("{target}: {} {}", response.status, response.text())),
                    None => Some(format!("{target}: the connection ended")),
                };
                if trouble.is_some() || last {
                    client = connect();
                }
                trouble
            }
        })
    }

    /// Starts the load over HTTP/2 without TLS. A request that a connection did not begin with is asked again
    /// on another one.
    pub fn over_http2(
        address: SocketAddr,
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::visiting(visitors, target, move || {
            let mut client = Http2::connect(address);
            move |target: &str| {
                let url = format!("http://localhost:{}{target}", address.port());
                for _ in 0..3 {
                    match client.try_get(&url) {
                        Some(Ok(response)) if response.status == 200 => return None,
                        Some(Ok(response)) => return Some(format!("{target}: {}", response.status)),
                        Some(Err(error)) => {
                            client = Http2::connect(address);
                            return Some(format!("{target}: {error}"));
                        }
                        None => client = Http2::connect(address),
                    }
                }
                Some(format!("{target}: no connection takes it"))
            }
        })
    }

    /// Each visitor asks by its own `visit()`, which says what was wrong.
    fn visiting<V: FnMut(&str) -> Option<String> + 'static>(
        visitors: usize,
        target: impl Fn(usize, usize) -> String + Send + Sync + 'static,
        visit: impl Fn() -> V + Send + Sync + 'static,
    ) -> Self {
        let (target, visit) = (Arc::new(target), Arc::new(visit));
        let mut load = Self {
            ended: Arc::default(),
            answered: Arc::default(),
            troubles: Arc::default(),
            threads: Vec::new(),
        };
        for visitor in 0..visitors {
            let (ended, answered) = (load.ended.clone(), load.answered.clone());
            let (troubles, target, visit) = (load.troubles.clone(), target.clone(), visit.clone());
            load.threads.push(thread::spawn(move || {
                let mut ask = visit();
                for n in 0.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let trouble = ask(&target(visitor, n));
                    answered.fetch_add(1, Ordering::Relaxed);
                    troubles.lock().unwrap().extend(trouble);
                    thread::sleep(READING);
                }
            }));
        }
        load
    }

    /// How many requests have been answered.
    pub fn answers(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests have been answered.
    pub fn wait_for(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        until("requests are answered", || (self.answered.load(Ordering::Relaxed) >= wanted).then_some(()));
    }

    /// Ends it. Every request that was not answered with a whole 200, or wrongly.
    pub fn end(mut self) -> Vec<String> {
        self.stop();
        std::mem::take(&mut self.troubles.lock().unwrap())
    }

    fn stop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}
