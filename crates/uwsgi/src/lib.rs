//! The uwsgi wire format, sans-io: bytes in, values out. No socket, clock, lock or async; "need more bytes"
//! is a value.
//!
//! A request is one packet of variables ([`packet`]) and then the body as it is. The reply is HTTP's or
//! CGI's.

pub mod packet;
