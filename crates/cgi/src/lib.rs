//! CGI's view of a request, as uwsgi and FastCGI servers take it: variables ([`environ`]).
//! Pure: no socket, clock, lock or async.

pub mod environ;
