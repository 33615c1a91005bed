//! A request that the head reader takes, on its way to an application server: over HTTP, uwsgi and FastCGI it
//! is the same request, of the same length, and no field is taken for what Weir says itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for underscores in [false, true] {
        wsgi_adapter::pass_on(bytes, underscores);
    }
});
