//! The words for how a request was answered, the same in metrics, access log and status.

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// A fresh stored page.
    Hit,
    /// A stored page past its lifetime: a refresh is running, or the application failed.
    Stale,
    /// A stored page that the application has confirmed.
    Revalidated,
    /// The application generated the page for this request.
    Miss,
    /// The application generated the page for another request that came a little earlier.
    Collapsed,
    /// The location is cached, but this request or its page cannot be shared.
    Pass,
    /// The location is not cached.
    Bypass,
    /// A file from disk, or the answer that there is none.
    File,
    /// The edge's own answer: a redirect, a limit.
    Own,
    /// The application failed and nothing stored could stand in.
    Error,
}

impl CacheResult {
    pub const ALL: [Self; 10] = [
        Self::Hit,
        Self::Stale,
        Self::Revalidated,
        Self::Miss,
        Self::Collapsed,
        Self::Pass,
        Self::Bypass,
        Self::File,
        Self::Own,
        Self::Error,
    ];

    /// Those that cost the application no call of their own.
    pub(crate) const SAVING: [Self; 3] = [Self::Hit, Self::Stale, Self::Collapsed];

    /// Whether the page is given to others as well.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Hit | Self::Stale | Self::Revalidated | Self::Miss | Self::Collapsed)
    }

    /// Whether the application made the reply, now or earlier.
    pub fn is_of_application(self) -> bool {
        self.is_shared() || matches!(self, Self::Pass | Self::Bypass)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Pass => "pass",
            Self::Bypass => "bypass",
            Self::File => "file",
            Self::Own => "own",
            Self::Error => "error",
        }
    }
}
