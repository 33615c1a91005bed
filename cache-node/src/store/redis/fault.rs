//! What went wrong with a call to Redis: how it is counted, and what is to be done about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

pub(crate) use crate::metrics::Fault;

/// The error of an answer that did not come in time.
pub(super) fn late() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

impl Fault {
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            _ if error.is_timeout() => Self::Timeout,
            ErrorKind::Io | ErrorKind::Parse => Self::ConnectionLost,
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Denied,
            ErrorKind::ClusterConnectionNotFound => Self::NoNode,
            ErrorKind::UnexpectedReturnType => Self::Foreign,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => Self::Loading,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(ServerErrorKind::ClusterDown) => Self::ClusterDown,
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::Moved | ServerErrorKind::Ask) => {
                Self::SlotMoving
            }
            // A client that has not shown its password may send short commands only.
            _ if error.detail().is_some_and(|detail| detail.contains("unauthenticated")) => Self::Denied,
            _ => match error.code() {
                Some("OOM") => Self::OutOfMemory,
                Some("WRONGTYPE") => Self::Foreign,
                Some("NOAUTH" | "WRONGPASS") => Self::Denied,
                // Too few replicas, or a disk that is full: writes are off.
                Some("NOREPLICAS" | "MISCONF") => Self::ReadOnly,
                _ => Self::Other,
            },
        }
    }

    /// Whether another connection may do better: to a server that is there, or that is the master now.
    pub(crate) fn spoils_connection(self) -> bool {
        match self {
            Self::Timeout | Self::ConnectionLost | Self::ReadOnly | Self::Denied | Self::NoNode => true,
            Self::Connect
            | Self::Loading
            | Self::OutOfMemory
            | Self::ClusterDown
            | Self::SlotMoving
            | Self::Foreign
            | Self::Other => false,
        }
    }

    /// Whether Redis as a whole is of no use. A slot on its way to another node concerns its own keys only.
    pub(crate) fn is_outage(self) -> bool {
        !matches!(self, Self::SlotMoving | Self::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use redis::{RedisResult, Value, parse_redis_value};

    use super::*;

    fn error(reply: &str) -> RedisError {
        let result: RedisResult<Value> = parse_redis_value(reply.as_bytes()).and_then(Value::extract_error);
        result.unwrap_err()
    }

    #[test]
    fn replies_of_servers_have_their_kinds() {
        let cases = [
            ("-LOADING Redis is loading the dataset in memory", Fault::Loading),
            ("-MASTERDOWN Link with MASTER is down", Fault::Loading),
            ("-READONLY You can't write against a read only replica. script: x", Fault::ReadOnly),
            ("-MISCONF Redis is configured to save RDB snapshots", Fault::ReadOnly),
            ("-NOREPLICAS Not enough good replicas to write.", Fault::ReadOnly),
            ("-OOM command not allowed when used memory > 'maxmemory'.", Fault::OutOfMemory),
            ("-NOAUTH Authentication required.", Fault::Denied),
            ("-WRONGPASS invalid username-password pair", Fault::Denied),
            ("-NOPERM this user has no permissions to run the 'evalsha' command", Fault::Denied),
            ("-CLUSTERDOWN The cluster is down", Fault::ClusterDown),
            ("-MOVED 3999 127.0.0.1:6381", Fault::SlotMoving),
            ("-ASK 3999 127.0.0.1:6381", Fault::SlotMoving),
            ("-TRYAGAIN Multiple keys request during rehashing of slot", Fault::SlotMoving),
            ("-WRONGTYPE Operation against a key holding the wrong kind of value", Fault::Foreign),
            ("-ERR unknown command", Fault::Other),
        ];
        for (reply, fault) in cases {
            assert_eq!(Fault::of(&error(&format!("{reply}\r\n"))), fault, "{reply}");
        }
    }

    #[test]
    fn a_lost_server_and_a_lost_connection_differ_from_a_late_one() {
        let io = |kind: std::io::ErrorKind| Fault::of(&std::io::Error::from(kind).into());
        assert_eq!(io(std::io::ErrorKind::TimedOut), Fault::Timeout);
        assert_eq!(io(std::io::ErrorKind::BrokenPipe), Fault::ConnectionLost);
        assert_eq!(io(std::io::ErrorKind::UnexpectedEof), Fault::ConnectionLost);
    }
}
