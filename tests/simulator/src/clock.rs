//! The clock of `kernel.c`, and what it tells of a thread that would sleep.

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// Until when the thread would sleep.
const SLEEP: ClockId = ClockId::from_raw(1001);
/// How many events there were since it was last read, and the epoll instance that was used last.
const EVENTS: ClockId = ClockId::from_raw(1002);
/// The address of the machine whose turn it is, as a number.
const HOST: ClockId = ClockId::from_raw(1003);
/// The sockets that services have made, and which of them is refused.
const SOCKETS: ClockId = ClockId::from_raw(1004);
/// Added to the number of an epoll instance: whether something is ready there.
const READY: i32 = 1_000_000;
/// What the kernel says for ever.
const FOR_EVER: Duration = Duration::from_nanos(i64::MAX as u64);

/// What a runtime does that has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    Until(Duration),
    ForEver,
}

/// Since the start of the world.
pub fn now() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Sets the clock that only goes forwards.
pub fn set(to: Duration) {
    write(ClockId::CLOCK_MONOTONIC, to);
}

/// Sets the time of day.
pub fn set_time_of_day(to: Duration) {
    write(ClockId::CLOCK_REALTIME, to);
}

/// `None`: it would not sleep.
pub fn sleep() -> Option<Sleep> {
    match read(SLEEP) {
        Duration::ZERO => None,
        FOR_EVER => Some(Sleep::ForEver),
        until => Some(Sleep::Until(until)),
    }
}

/// From now on the thread does not sleep.
pub fn wake() {
    write(SLEEP, Duration::ZERO);
}

/// The events since this was last asked, and the epoll instance that was used last.
pub fn events() -> (u64, i32) {
    let spec = clock_gettime(EVENTS).unwrap_or(TimeSpec::new(0, 0));
    (spec.tv_sec().unsigned_abs(), i32::try_from(spec.tv_nsec()).unwrap_or(-1))
}

/// From now on, connections come from this address.
pub fn set_host(address: Ipv4Addr) {
    let _ = clock_settime(HOST, TimeSpec::new(u32::from(address).into(), 0));
}

/// The n-th socket of a service from now on is refused; 0: none.
pub fn refuse_socket(number: u64) {
    write(SOCKETS, Duration::from_secs(number));
}

/// The sockets that services made while one was to be refused.
pub fn sockets() -> u64 {
    read(SOCKETS).as_secs()
}

/// Whether something is ready for this epoll instance.
pub fn is_ready(epoll: i32) -> bool {
    read(ClockId::from_raw(READY + epoll)) > Duration::ZERO
}

/// Whether this process runs with `kernel.c`: two readings of the true clock differ.
pub fn is_simulated() -> bool {
    let first = now();
    (0..1000).all(|_| now() == first)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

fn write(clock: ClockId, to: Duration) {
    // Fails without `kernel.c` only.
    let _ = clock_settime(clock, TimeSpec::from(to));
}
