//! What hosts are called by when a workflow says where it may run: a pool, which a host has one of, and labels.
//!
//! On the wire and in the store both are words of one list: a pool is `pool:NAME`, which no label can be.

/// Most words of a host, and most that a workflow asks for.
pub const MAX_LABELS: usize = 32;
/// Longest word, in bytes, without `pool:`.
pub const MAX_LABEL_BYTES: usize = 64;
/// What a label and the name of a pool look like, for people.
pub const LABEL_RULE: &str =
    "1 to 64 of a-z, 0-9, `-`, `_` and `.`, beginning and ending with a letter or a digit";
/// Stands before the name of a pool.
const POOL: &str = "pool:";

/// Whether this is a label, or the name of a pool.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_' | b'.');
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= MAX_LABEL_BYTES
        && ends.into_iter().all(|end| end.is_some_and(plain))
        && text.bytes().all(inner)
}

/// The word for a pool.
#[must_use]
pub fn pool_word(name: &str) -> String {
    format!("{POOL}{name}")
}

/// Whether this is a label or the word for a pool.
#[must_use]
pub fn is_word(text: &str) -> bool {
    is_label(text.strip_prefix(POOL).unwrap_or(text))
}

/// The words of a pool and labels as they are kept: sorted, each once.
#[must_use]
pub fn words<'a>(pool: Option<&str>, labels: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let labels = labels.into_iter().map(str::to_owned);
    let mut words: Vec<String> = pool.map(pool_word).into_iter().chain(labels).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Words for people: `pool presses, gpu, eu`.
#[must_use]
pub fn shown(words: &[String]) -> String {
    let word = |word: &String| match word.strip_prefix(POOL) {
        Some(name) => format!("pool {name}"),
        None => word.clone(),
    };
    let (pools, labels): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with(POOL));
    let shown: Vec<String> = pools.into_iter().chain(labels).map(word).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_plain_word() {
        for good in ["a", "eu-west.1", "gpu_2", &"x".repeat(64)] {
            assert!(is_label(good) && is_word(good), "{good}");
        }
        for bad in ["", "-a", "a.", "A", "a b", "pool:a", "é", &"x".repeat(65)] {
            assert!(!is_label(bad), "{bad}");
        }
        assert!(is_word("pool:presses") && !is_word("pool:") && !is_word("pool:pool:a"));
    }

    #[test]
    fn words_are_sorted_and_a_pool_is_shown_as_one() {
        let words = words(Some("presses"), ["gpu", "eu", "gpu"]);
        assert_eq!(words, ["eu", "gpu", "pool:presses"]);
        assert_eq!(shown(&words), "pool presses, eu, gpu");
        assert_eq!(shown(&[]), "");
    }
}
