//! The limit on open files, which is the limit on connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this a traffic spike meets the limit before it meets ours.
const LOW: u64 = 10_000;

/// Raises the soft limit to the hard one. Returns the limit now; `u64::MAX` where there is none. Logs one
/// that is low.
pub fn raise_nofile() -> u64 {
    let found = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => found.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on open files cannot be raised");
            found.current
        }
    };
    let limit = limit.unwrap_or(u64::MAX);
    if limit < LOW {
        tracing::warn!(
            limit,
            "few files can be open at once, so few connections too; raise it by `ulimit -n` or LimitNOFILE"
        );
    }
    limit
}

/// How many files may be open at once; `u64::MAX` where there is no limit.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files a process may let itself have open at once; `u64::MAX` where there is no limit.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_the_soft_limit_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: hard }).unwrap();
        assert_eq!(raise_nofile(), hard.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}
