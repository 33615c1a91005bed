//! Django's CSRF secrets and tokens: a token is the secret under a mask that is another one each time, so
//! that no two pages hold the same bytes (BREACH).

/// As `CSRF_SECRET_LENGTH` and `CSRF_TOKEN_LENGTH` in Django.
const SECRET: usize = 32;
pub const LENGTH: usize = 2 * SECRET;

/// `CSRF_ALLOWED_CHARS`.
const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Places in the alphabet, drawn at random by the caller.
pub type Draw = [u8; SECRET];
/// The number of letters that a draw is from.
pub const LETTERS: u8 = 62;

/// What a visitor's cookie and token have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; SECRET]);

impl Secret {
    pub fn new(draw: Draw) -> Self {
        Self(draw.map(|place| place % LETTERS))
    }

    /// The secret in a cookie. Before Django 4.1 cookies held a token, and they live for a year. `None`: it
    /// makes no sense.
    pub fn of_cookie(value: &[u8]) -> Option<Self> {
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        match value.len() {
            SECRET => Some(Self(places(value)?)),
            LENGTH => {
                let (mask, cipher) = value.split_at(SECRET);
                let (mask, cipher) = (places(mask)?, places(cipher)?);
                Some(Self(combine(cipher, mask, |cipher, mask| cipher + LETTERS - mask)))
            }
            _ => None,
        }
    }

    pub fn cookie_value(&self) -> [u8; SECRET] {
        self.0.map(letter)
    }

    /// The token under this mask.
    pub fn masked(&self, mask: Draw) -> [u8; LENGTH] {
        let mask = mask.map(|place| place % LETTERS);
        let cipher = combine(self.0, mask, |secret, mask| secret + mask);
        let mut token = [0; LENGTH];
        for (byte, place) in token.iter_mut().zip(mask.into_iter().chain(cipher)) {
            *byte = letter(place);
        }
        token
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

fn combine(one: Draw, other: Draw, by: impl Fn(u8, u8) -> u8) -> Draw {
    let mut both = one;
    for (place, other) in both.iter_mut().zip(other) {
        *place = by(*place, other) % LETTERS;
    }
    both
}

fn letter(place: u8) -> u8 {
    ALPHABET.get(usize::from(place)).copied().unwrap_or(b'a')
}

fn places(letters: &[u8]) -> Option<Draw> {
    let mut places = [0; SECRET];
    for (place, letter) in places.iter_mut().zip(letters) {
        *place = u8::try_from(memchr::memchr(*letter, ALPHABET)?).ok()?;
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Django 5.2 makes of them: `_mask_cipher_secret` with this mask, and `_unmask_cipher_token` back.
    const SAMPLES: &[(&str, &str, &str)] = &[
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        (
            "99999999999999999999999999999999",
            "99999999999999999999999999999999",
            "9999999999999999999999999999999988888888888888888888888888888888",
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "99999999999999999999999999999999",
            "9999999999999999999999999999999999999999999999999999999999999999",
        ),
        (
            "abcdefghijklmnopqrstuvwxyzABCDEF",
            "EFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "EFGHIJKLMNOPQRSTUVWXYZ0123456789EGIKMOQSUWY02468acegikmoqsuwyACE",
        ),
        (
            "ujOeHwdFcAefAZhnM6Jy8c1rihtYlKNx",
            "HddmQAtKCsXRpJG2Tr8hzUjEcPVJ2tRK",
            "HddmQAtKCsXRpJG2Tr8hzUjEcPVJ2tRK1mRqnWwfES1WPyNfvnHFxWaVkWexd3u7",
        ),
        (
            "JC06DPdRO9YrxPbCkhdVipy2eBI2Y1rz",
            "w27jkooEKqazwJ7QFMPd3W2XyygNdemk",
            "w27jkooEKqazwJ7QFMPd3W2XyygNdemk5uXfN3rlopYQTo8iPTSYbbqPCZOF15DJ",
        ),
        (
            "vdajgwb2Mjpvwh09CDfgvqZkb6GjHbG8",
            "1RqwkVHWunY90XYToGwbbrqQ7B697wno",
            "1RqwkVHWunY90XYToGwbbrqQ7B697wnomUqFqhIO6wdum4OSQ9BhwHf08xCiExTm",
        ),
    ];

    #[test]
    fn tokens_are_those_of_django() {
        for (secret, mask, token) in SAMPLES {
            let known = Secret::of_cookie(secret.as_bytes()).unwrap();
            assert_eq!(known.cookie_value(), secret.as_bytes());
            let masked = known.masked(places(mask.as_bytes()).unwrap());
            assert_eq!(std::str::from_utf8(&masked).unwrap(), *token);
            assert_eq!(Secret::of_cookie(token.as_bytes()), Some(known), "an old cookie holds a token");
        }
    }

    #[test]
    fn what_is_no_secret_is_none() {
        for value in ["", "a", &"a".repeat(31), &"a".repeat(33), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(Secret::of_cookie(value.as_bytes()), None, "{value}");
        }
        for odd in ["-", "_", "\"", " ", "é", "%"] {
            for length in [32, 64] {
                let value = format!("{odd}{}", "a".repeat(length - odd.len()));
                assert_eq!(Secret::of_cookie(value.as_bytes()), None, "{value}");
            }
        }
    }

    #[test]
    fn any_mask_leads_back_to_the_secret() {
        for step in 0..=u8::MAX {
            let draw: Draw = std::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(step));
            let secret = Secret::new(draw.map(|place| place.wrapping_mul(91)));
            assert_eq!(Secret::of_cookie(&secret.masked(draw)), Some(secret));
            assert_eq!(Secret::of_cookie(&secret.cookie_value()), Some(secret));
        }
    }
}
