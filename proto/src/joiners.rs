//! Who waits for a page that is being made for somebody else. Whoever makes it hears of each of them, so that
//! its request may have a place at the application which is theirs.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

/// More of them are not told of: so many clients have not all used up their part of an application.
pub const MOST: usize = 16;
/// No address is longer.
const LONGEST: usize = 64;

/// The clients that want one page, by their addresses, each once.
#[derive(Debug, Default)]
pub struct Joiners(watch::Sender<Vec<Arc<str>>>);

impl Joiners {
    /// `first`: whom the page is made for.
    pub fn new(first: &str) -> Self {
        let first = if first.len() <= LONGEST { first } else { "" };
        Self(watch::Sender::new(vec![first.into()]))
    }

    /// Whom the page is made for. Empty: nobody in particular.
    pub fn first(&self) -> String {
        self.0.borrow().first().map(|first| first.to_string()).unwrap_or_default()
    }

    pub fn is_first(&self, client: &str) -> bool {
        self.0.borrow().first().is_some_and(|first| **first == *client)
    }

    pub fn add(&self, client: &str) {
        // A crowd comes from a few addresses: most only look.
        if !is_new(client, &self.0.borrow()) {
            return;
        }
        self.0.send_if_modified(|known| {
            let is_added = is_new(client, known);
            if is_added {
                known.push(client.into());
            }
            is_added
        });
    }

    /// All who have joined the first, and who will.
    pub fn news(&self) -> JoinerNews {
        JoinerNews { known: self.0.subscribe(), told: 1 }
    }
}

fn is_new(client: &str, known: &[Arc<str>]) -> bool {
    let is_name = !client.is_empty() && client.len() <= LONGEST;
    is_name && known.len() <= MOST && !known.iter().any(|known| **known == *client)
}

/// Tells of one after another.
#[derive(Debug)]
pub struct JoinerNews {
    known: watch::Receiver<Vec<Arc<str>>>,
    told: usize,
}

impl JoinerNews {
    /// The next that has joined. None is lost if the wait is given up.
    pub async fn next(&mut self) -> Arc<str> {
        loop {
            let next = self.known.borrow_and_update().get(self.told).cloned();
            if let Some(next) = next {
                self.told += 1;
                return next;
            }
            if self.known.changed().await.is_err() {
                // Nobody joins any more.
                pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_client_is_told_of_once_and_the_first_never() {
        let joiners = Joiners::new("192.0.2.1");
        let mut news = joiners.news();
        joiners.add("192.0.2.1");
        assert!(news.next().now_or_never().is_none());
        for client in ["192.0.2.2", "", "192.0.2.3", &"x".repeat(100), "192.0.2.2"] {
            joiners.add(client);
        }
        assert!(joiners.is_first("192.0.2.1") && !joiners.is_first("192.0.2.2"));
        for mut news in [news, joiners.news()] {
            assert_eq!(&*news.next().await, "192.0.2.2");
            assert_eq!(&*news.next().await, "192.0.2.3");
            assert!(news.next().now_or_never().is_none());
        }
        (0..100).for_each(|n| joiners.add(&format!("198.51.100.{n}")));
        let mut news = joiners.news();
        let told = std::iter::from_fn(|| news.next().now_or_never()).count();
        assert_eq!(told, MOST);
        drop(joiners);
        assert!(news.next().now_or_never().is_none());
    }
}
