//! Pages stored together should not expire together: each lifetime is shortened by a part of it.

use std::time::Duration;

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

    /// The part of this time that is taken off. The caller draws `seed` evenly from all of u64.
    pub(crate) fn part(self, left: Duration, seed: u64) -> Duration {
        let part = self.0 * (seed as f64 / u64::MAX as f64);
        Duration::try_from_secs_f64(left.as_secs_f64() * part).unwrap_or_default().min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_no_more_than_its_part_of_what_is_left() {
        let cases =
            [(0.0, u64::MAX, 0), (0.1, 0, 0), (0.1, u64::MAX, 8), (1.0, u64::MAX, 80), (0.5, 1 << 63, 20)];
        for (fraction, seed, part) in cases {
            let taken = Jitter::new(fraction).unwrap().part(Duration::from_secs(80), seed);
            assert_eq!(taken.as_secs_f64().round() as u64, part, "{fraction} {seed}");
        }
    }

    #[test]
    fn refuses_what_is_no_fraction() {
        for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Jitter::new(fraction).is_err(), "{fraction}");
        }
    }
}
