//! A bound on how much there is of something at once, which can change while some of it is in use.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places that are taken and given back.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    number: Mutex<usize>,
}

impl Room {
    pub fn new(number: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(number)), number: Mutex::new(number) }
    }

    /// One place, given back when dropped. `None`: all are taken.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Several places at once.
    pub fn take_many(&self, number: u32) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_many_owned(number).ok()
    }

    /// Places that nobody has.
    pub fn left(&self) -> usize {
        self.places.available_permits()
    }

    /// All places.
    pub fn number(&self) -> usize {
        *self.number.lock()
    }

    /// Another number, from now on. If more are taken already, none is given until enough have come back.
    /// Must be called within a runtime.
    pub fn resize(&self, wanted: usize) {
        let mut number = self.number.lock();
        if wanted > *number {
            self.places.add_permits(wanted - *number);
        } else if let Ok(fewer @ 1..) = u32::try_from(*number - wanted) {
            let places = self.places.clone();
            tokio::spawn(async move {
                if let Ok(permits) = places.acquire_many_owned(fewer).await {
                    permits.forget();
                }
            });
        }
        *number = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_number_changes_while_places_are_taken() {
        let room = Room::new(3);
        let held = [room.take(), room.take()];
        room.resize(1);
        tokio::task::yield_now().await;
        assert!(room.take().is_none());
        drop(held);
        tokio::task::yield_now().await;
        let one = room.take();
        assert!(one.is_some() && room.take().is_none());
        room.resize(3);
        assert!(room.take_many(3).is_none() && room.take_many(2).is_some());
    }
}
