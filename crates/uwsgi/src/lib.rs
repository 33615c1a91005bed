//! The uwsgi wire format and the application's reply, sans-io: bytes in, values out. No socket, clock, lock
//! or async; "need more bytes" is a value.
//!
//! A request is one packet of variables ([`packet`], filled by [`environ`]) and then the body as it is. The
//! reply is an HTTP/1 head or a CGI one ([`reply`]) and a body whose end the head tells ([`body`]).

pub mod body;
pub mod environ;
pub mod packet;
pub mod path;
pub mod reply;
