//! The real edge, cache-node and wsgi-adapter in one thread, in a world of the simulator's own: `kernel.c`
//! gives them clock, chance and TCP, `hosts` runs them in turn, `network` carries and loses what they say.
//! `world` plays a `schedule` before them, and `invariants` judges what visitors got.

pub mod application;
pub mod clock;
pub mod code_faults;
pub mod figures;
pub mod history;
pub mod hosts;
pub mod invariants;
pub mod kernel;
pub mod network;
pub mod redis;
pub mod schedule;
pub mod script_faults;
pub mod services;
pub mod shrink;
pub mod strike;
pub mod visitor;
pub mod world;
