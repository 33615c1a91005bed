//! Pages stored together should not expire together: each lifetime is shortened by a part of it.

use std::time::Duration;

use crate::Lifetime;

/// The largest part of a lifetime that may be taken off: 0 (nothing) to 1.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Jitter(f64);

impl Jitter {
    /// The error is for the settings checker.
    pub fn new(fraction: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&fraction) {
            return Ok(Self(fraction));
        }
        Err(format!("jitter {fraction} is not between 0 and 1"))
    }

    /// Shortens what is left of the lifetime, never lengthens it: the reply's own limit still holds.
    /// The caller draws `seed` evenly from all of u64.
    pub fn apply(self, lifetime: &mut Lifetime, seed: u64) {
        let left = lifetime.ttl.saturating_sub(lifetime.age);
        let part = self.0 * (seed as f64 / u64::MAX as f64);
        lifetime.ttl -= Duration::try_from_secs_f64(left.as_secs_f64() * part).unwrap_or_default().min(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::tests::lifetime;

    #[test]
    fn takes_off_no_more_than_its_part_of_what_is_left() {
        let cases = [
            (0.0, u64::MAX, 100),
            (0.1, 0, 100),
            (0.1, u64::MAX, 92),
            (1.0, u64::MAX, 20),
            (0.5, 1 << 63, 80),
        ];
        for (fraction, seed, ttl) in cases {
            let mut lifetime = lifetime(100, 0, 0);
            lifetime.age = Duration::from_secs(20);
            Jitter::new(fraction).unwrap().apply(&mut lifetime, seed);
            assert_eq!(lifetime.ttl.as_secs_f64().round() as u64, ttl, "{fraction} {seed}");
        }
    }

    #[test]
    fn refuses_what_is_no_fraction() {
        for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Jitter::new(fraction).is_err(), "{fraction}");
        }
    }
}
