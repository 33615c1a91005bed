//! CGI's view of a request, as uwsgi and FastCGI servers take it: variables ([`environ`]) and the path in
//! them ([`path`]). Pure: no socket, clock, lock or async.

pub mod environ;
pub mod path;
