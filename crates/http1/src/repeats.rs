//! Whether a head may hold two lines of one name: told at once for most heads, in which none is looked for.

/// Whether two of the names may be the same, in any case of their letters.
pub fn may_repeat<'a>(mut names: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut seen = [0_u64; 4];
    names.any(|name| {
        // Letters differ by 32 in their cases.
        let at = |at: usize| name.get(at).map_or(0, |byte| usize::from(byte | 0x20));
        let length = name.len();
        // The fourth from the end tells apart what begins and ends alike: `sec-fetch-mode`, `sec-fetch-site`.
        let (last, fourth) = (at(length.wrapping_sub(1)), at(length.wrapping_sub(4)));
        let place = at(0) + 3 * last + 5 * at(length / 2) + 11 * fourth + 27 * length;
        let (word, bit) = (&mut seen[place / 64 % 4], 1 << (place % 64));
        let is_known = *word & bit != 0;
        *word |= bit;
        is_known
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a browser sends them to a page.
    const OF_FIREFOX: [&str; 14] = [
        "host",
        "user-agent",
        "accept",
        "accept-language",
        "accept-encoding",
        "connection",
        "referer",
        "cookie",
        "upgrade-insecure-requests",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
        "priority",
    ];
    const OF_CHROMIUM: [&str; 15] = [
        "host",
        "connection",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "upgrade-insecure-requests",
        "user-agent",
        "accept",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-user",
        "sec-fetch-dest",
        "referer",
        "accept-encoding",
        "accept-language",
    ];

    fn may(names: &[&str]) -> bool {
        may_repeat(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn what_repeats_is_always_told_and_browsers_repeat_nothing() {
        for names in [&OF_FIREFOX[..], &OF_CHROMIUM[..]] {
            assert!(!may(names), "{names:?}");
            for name in names {
                let again = name.to_ascii_uppercase();
                assert!(may(&[names, &[&again]].concat()), "{name}");
            }
        }
        assert!(may(&["", ""]) && may(&["a", "A"]) && !may(&["a"]));
    }
}
