//! The allocator of all programs: jemalloc, which gives memory back to the system whichever thread freed it.
//! docs/performance.md has what others keep after a storm.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What is not used for a second goes back, by a thread of jemalloc's own: workers that are idle would not
/// come to it. What a thread keeps for itself is looked through once in a MiB: in 64 KiB, as by default, a
/// request that is not cached would pay for it each time.
const OPTIONS: &[u8] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_gc_incr_bytes:1048576\0";

/// Where jemalloc looks for its options, as C has it: the address of a text that ends with a zero.
#[allow(
    unsafe_code,
    reason = "jemalloc finds this by its name, which nobody else uses; `crowd::` tests that it does"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static CONF: &u8 = &OPTIONS[0];
