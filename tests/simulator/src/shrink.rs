//! Makes a schedule that shows a fault as short as it gets: parts are left out for as long as it still does.

/// The fewest numbers below `count` for which `fails` is true, as far as leaving out parts finds them.
/// `fails` is called at most `budget` times.
pub fn shrink(count: usize, mut budget: usize, mut fails: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < kept.len() && budget > 0 {
            let end = (at + size).min(kept.len());
            let fewer = [&kept[..at], &kept[end..]].concat();
            budget -= 1;
            if fails(&fewer) {
                kept = fewer;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let needs = [3, 50, 97];
        let kept = shrink(100, 1000, |kept| needs.iter().all(|needed| kept.contains(needed)));
        assert_eq!(kept, needs);
        assert_eq!(shrink(100, 0, |_| true).len(), 100);
        assert!(shrink(0, 10, |_| true).is_empty());
    }
}
