//! One thing of many that fails in a scene: for every n the n-th piece that one service sends another, or the
//! n-th descriptor; or a limit that refuses the n-th.

use crate::services::Service;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The n-th piece of bytes on its way between two services.
    Message(MessageLoss, u64),
    /// The n-th socket that a service would make or accept: there are no descriptors left.
    Descriptor(u64),
    /// There is no room for the n-th, all the time.
    Limit(Limit, u64),
}

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLoss {
    /// It is lost with its connection.
    Lost,
    /// Half of it arrives, and the connection is lost.
    Torn,
    /// It comes seconds later, and so does what follows.
    Late,
}

/// A resource that has a limit: whose, and its setting for n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub name: &'static str,
    /// A service of the kind that has it.
    pub of: Service,
    setting: &'static str,
    /// The room if the first is refused, and how much more there is for each further one.
    room: (u64, u64),
}

/// The first of each kind stands for all.
const EDGE: Service = Service::Edge(0);
const NODE: Service = Service::Node(0);
const ADAPTER: Service = Service::Adapter(0);

pub const LIMITS: &[Limit] = &[
    limit("stream", NODE, "max_streams = {n}", (0, 1)),
    limit("waiter", NODE, "max_waiting = {n}", (0, 1)),
    limit("waiter-of-page", NODE, "max_waiting_per_page = {n}", (0, 1)),
    limit("receiving", NODE, "max_receiving = {n}", (0, 150)),
    limit("object", NODE, "max_object = {n}", (0, 400)),
    limit("node-memory", NODE, "memory = {n}", (0, 400)),
    limit("body", EDGE, "limits = { bodies = {n} }", (0, 300)),
    limit("l1", EDGE, "l1 = { memory = {n} }", (0, 400)),
    limit("fill", EDGE, "limits = { fills = {n} }", (0, 1)),
    limit("waiter-at-edge", EDGE, "limits = { waiters = {n} }", (0, 1)),
    limit("connection", EDGE, "limits = { connections = {n} }", (1, 1)),
    limit("http2-stream", EDGE, "limits = { http2_streams = {n} }", (1, 1)),
    limit("upload", ADAPTER, "max_uploads = {n}", (1, 1)),
    limit("reply", ADAPTER, "reply_buffer = { memory = {n}, file = 0 }", (1024, 1024)),
    limit("in-flight", ADAPTER, "max_in_flight = {n}", (1, 1)),
    limit("queue", ADAPTER, "max_in_flight = 1\nqueue = { length = {n} }", (0, 1)),
];
/// Limits are tried up to this n.
pub const MOST: u64 = 4;

const fn limit(name: &'static str, of: Service, setting: &'static str, room: (u64, u64)) -> Limit {
    Limit { name, of, setting, room }
}

impl Strike {
    /// `lost:17`, `descriptor:3`, `waiter:1`; `nothing:0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once(':')?;
        let number = number.parse().ok()?;
        let loss = match name {
            "lost" => MessageLoss::Lost,
            "nothing" => return Some(Self::Message(MessageLoss::Lost, u64::MAX)),
            "torn" => MessageLoss::Torn,
            "late" => MessageLoss::Late,
            "descriptor" => return Some(Self::Descriptor(number)),
            name => {
                let limit = LIMITS.iter().find(|limit| limit.name == name)?;
                return Some(Self::Limit(*limit, number));
            }
        };
        Some(Self::Message(loss, number))
    }

    /// Whether connections are closed at once.
    pub fn closes_connections(&self) -> bool {
        matches!(self, Self::Limit(limit, _) if limit.name == "connection")
    }

    /// The line of a service's settings that makes it so; an adapter's is its pool's.
    pub fn setting(&self, service: Service) -> Option<String> {
        let Self::Limit(limit, number) = self else { return None };
        let is_of_kind = std::mem::discriminant(&limit.of) == std::mem::discriminant(&service);
        let (least, unit) = limit.room;
        let room = least + unit * number.saturating_sub(1);
        is_of_kind.then(|| limit.setting.replace("{n}", &room.to_string()))
    }
}
