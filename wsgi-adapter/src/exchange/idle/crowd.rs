//! Counts the requests that have heard nothing on their new connections to a server: it may have all the
//! connections that it takes, and the others stand in its listen queue.

/// The requests that are unheard, and the connections that were closed for them.
#[derive(Debug, Default)]
pub(super) struct CrowdCount {
    unheard: usize,
    given_up: usize,
}

impl CrowdCount {
    pub(super) fn is_over(&self) -> bool {
        self.unheard == 0
    }

    pub(super) fn one_unheard(&mut self) {
        self.unheard += 1;
    }

    /// What was closed for a request has helped another one.
    pub(super) fn still_unheard(&mut self) {
        self.given_up = self.given_up.saturating_sub(1);
    }

    /// An idle connection was closed for one of the requests.
    pub(super) fn one_given_up(&mut self) {
        self.given_up += 1;
    }

    pub(super) fn one_heard(&mut self) {
        self.unheard = self.unheard.saturating_sub(1);
        self.given_up = self.given_up.saturating_sub(1);
    }

    /// Tells whether a connection is closed instead of being kept: one for each request that is unheard.
    pub(super) fn gives_up_one(&mut self) -> bool {
        let gives = self.unheard > self.given_up;
        self.given_up += usize::from(gives);
        gives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_is_given_up_for_each_request() {
        let mut crowd = CrowdCount::default();
        assert!(!crowd.gives_up_one());
        for _ in 0..3 {
            crowd.one_unheard();
        }
        crowd.one_given_up();
        assert_eq!([(); 4].map(|()| crowd.gives_up_one()), [true, true, false, false]);
        crowd.one_heard();
        assert!(!crowd.gives_up_one());
        crowd.still_unheard();
        assert_eq!([(); 2].map(|()| crowd.gives_up_one()), [true, false]);
        crowd.one_heard();
        crowd.one_heard();
        assert!(crowd.is_over() && !crowd.gives_up_one());
    }
}
