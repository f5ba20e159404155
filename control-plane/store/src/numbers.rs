//! Where the numbers of jobs go on after those that were used before.

/// Numbers for each second of time, so that those of a process that started later are higher.
pub(crate) const NUMBERS_PER_SECOND: u64 = 1 << 20;

/// The first number above those that are known to be used, and above all that can have been used before this time.
pub(crate) fn first(used: u64, now_ms: u64) -> u64 {
    let by_time = (now_ms / 1_000).saturating_mul(NUMBERS_PER_SECOND);
    by_time.max(used.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_above_those_that_were_used_and_above_the_time() {
        assert_eq!(first(7, 0), 8);
        assert_eq!(first(7, 2_500), 2 * NUMBERS_PER_SECOND);
        assert_eq!(first(u64::MAX, 2_500), u64::MAX);
    }
}
