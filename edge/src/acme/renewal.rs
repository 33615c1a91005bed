//! When a certificate is replaced, and when an attempt that failed is repeated. Pure: `now` and chance are
//! arguments.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a certificate is kept at least when its authority wants it to be replaced at once: an authority
/// that says so of each must not be asked without end. A short one is kept for half of its life.
const SOONEST: Duration = Duration::from_secs(3_600);
/// Whatever the authority says, it is replaced when this share of its life is over.
const LATEST: f64 = 0.9;
/// Authorities recommend two thirds of a certificate's life.
const RENEWED_AT: f64 = 2.0 / 3.0;
/// Chance adds up to this share of its life, so that names ordered together are not renewed together.
const SPREAD: f64 = 1.0 / 30.0;

/// Let's Encrypt allows five failed checks of a name in an hour: these are at 0 s, 10 s, 70 s, 7 min and 43
/// min.
const REFUSED: RetryPace =
    RetryPace { first: Duration::from_secs(10), factor: 6, longest: Duration::from_secs(6 * 3600) };
/// Nothing is counted against a name while an authority is away.
const AWAY: RetryPace =
    RetryPace { first: Duration::from_secs(5), factor: 2, longest: Duration::from_secs(15 * 60) };
/// An authority that says so may ask for this at most.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) begins: SystemTime,
    pub(super) ends: SystemTime,
}

struct RetryPace {
    first: Duration,
    factor: u32,
    longest: Duration,
}

/// Who is to blame for an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The authority could not be reached, or is at fault.
    Authority,
    /// The name, the settings, or a limit.
    Refused,
}

impl Life {
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let [begins, ends] = [parsed.validity().not_before, parsed.validity().not_after].map(|time| {
            UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or_default())
        });
        Some(Self { begins, ends })
    }

    /// When it is to be replaced, if its authority does not say. `chance` is from 0 to 1.
    pub(super) fn renewal(&self, chance: f64) -> SystemTime {
        let length = self.ends.duration_since(self.begins).unwrap_or_default();
        self.begins + length.mul_f64(RENEWED_AT + SPREAD * chance)
    }

    /// RFC 9773 section 4.2: a random time within the window that the authority suggests. `taken`: since when
    /// the certificate is in force.
    pub(super) fn within(&self, window: &Range<SystemTime>, taken: SystemTime, chance: f64) -> SystemTime {
        let chosen =
            window.start + window.end.duration_since(window.start).unwrap_or_default().mul_f64(chance);
        let length = self.ends.duration_since(self.begins).unwrap_or_default();
        let (soonest, latest) = (taken + SOONEST.min(length / 2), self.begins + length.mul_f64(LATEST));
        chosen.max(soonest).min(latest)
    }
}

/// How long to wait after this many failures in a row. `told`: what the authority has said in Retry-After.
pub(super) fn wait(blame: Blame, failures: u32, told: Option<Duration>, chance: f64) -> Duration {
    let pace = match blame {
        Blame::Authority => AWAY,
        Blame::Refused => REFUSED,
    };
    let steps = failures.saturating_sub(1).min(16);
    let wait = (0..steps).fold(pace.first, |wait, _| (wait * pace.factor).min(pace.longest));
    let told = told.unwrap_or_default().min(LONGEST_WAIT);
    wait.mul_f64(1.0 + 0.2 * chance).max(told)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn renewed_at_two_thirds_and_not_all_at_once() {
        let life = Life { begins: at(1_000), ends: at(1_000 + 90 * 86_400) };
        assert_eq!(life.renewal(0.0), at(1_000 + 60 * 86_400));
        assert_eq!(life.renewal(1.0), at(1_000 + 63 * 86_400));
        let odd = Life { begins: at(2_000), ends: at(1_000) };
        assert_eq!(odd.renewal(1.0), at(2_000), "a life of nothing is over");
    }

    #[test]
    fn an_authority_chooses_within_bounds() {
        let life = Life { begins: at(0), ends: at(100_000) };
        let chosen = |from, to, chance| life.within(&(at(from)..at(to)), at(1_000), chance);
        assert_eq!(
            [0.0, 0.5, 1.0].map(|chance| chosen(10_000, 20_000, chance)),
            [at(10_000), at(15_000), at(20_000)]
        );
        assert_eq!(chosen(20_000, 10_000, 1.0), at(20_000), "a window of nothing");
        assert_eq!(chosen(1, 2, 0.0), at(4_600), "not at once again and again");
        assert_eq!(chosen(200_000, 300_000, 0.0), at(90_000), "not after its end");
        let short = Life { begins: at(0), ends: at(60) };
        assert_eq!(short.within(&(at(1)..at(2)), at(5), 0.0), at(35));
        let over = Life { begins: at(0), ends: at(60) };
        assert_eq!(over.within(&(at(1)..at(2)), at(100), 0.0), at(54), "it has expired");
    }

    #[test]
    fn the_life_is_read_from_the_certificate() {
        let mut params = CertificateParams::new(vec!["a.example".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1));
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let life = Life::of(made.der()).unwrap();
        assert_eq!(life, Life { begins: at(1_577_836_800), ends: at(1_585_699_200) });
        assert_eq!(Life::of(b"no certificate"), None);
    }

    #[test]
    fn waits_grow_to_a_bound_and_obey_the_authority() {
        let waits = |blame| (1..=9).map(|count| wait(blame, count, None, 0.0).as_secs()).collect::<Vec<_>>();
        assert_eq!(waits(Blame::Authority), [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert_eq!(waits(Blame::Refused), [10, 60, 360, 2160, 12_960, 21_600, 21_600, 21_600, 21_600]);
        // Five checks in the first hour, with any chance.
        let first_hour = (1..=4).map(|count| wait(Blame::Refused, count, None, 0.0).as_secs()).sum::<u64>();
        assert!(first_hour + waits(Blame::Refused)[4] > 3_600);
        assert_eq!(wait(Blame::Refused, u32::MAX, None, 1.0), Duration::from_secs(25_920));
        let told = Duration::from_secs(3_600);
        assert_eq!(wait(Blame::Authority, 1, Some(told), 0.0), told);
        assert_eq!(wait(Blame::Authority, 1, Some(Duration::MAX), 0.0), LONGEST_WAIT);
    }
}
