//! Names that a person may take for each other.

/// Shortest name that is compared letter by letter: among shorter ones a letter is the whole difference.
const LETTERS_MIN: usize = 4;

/// Whether two different names are easily taken for each other: they look alike, or one is the other with one letter
/// more, less, changed, or two letters swapped.
///
/// ```
/// assert!(flowforge_gates::is_confusable("acme", "acrne"));
/// assert!(!flowforge_gates::is_confusable("acme", "zeta"));
/// ```
#[must_use]
pub fn is_confusable(a: &str, b: &str) -> bool {
    if a == b {
        return false;
    }
    if skeleton(a) == skeleton(b) {
        return true;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    a.len().min(b.len()) >= LETTERS_MIN && is_one_slip(&a, &b)
}

/// The name as an eye in a hurry sees it. Names are lower-case letters, digits and `-`.
fn skeleton(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| *c != '-')
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '8' => 'b',
            other => other,
        })
        .collect();
    plain.replace("rn", "m").replace("vv", "w").replace("cl", "d")
}

fn is_one_slip(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (
        short.get(same..).unwrap_or_default(),
        long.get(same..).unwrap_or_default(),
    );
    let rest = |letters: &[char], skip: usize| letters.get(skip..).unwrap_or_default().to_vec();
    if short.len() < long.len() {
        return rest(long, 1) == short;
    }
    let changed = rest(short, 1) == rest(long, 1);
    let swapped =
        short.first() == long.get(1) && short.get(1) == long.first() && rest(short, 2) == rest(long, 2);
    changed || swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_or_is_one_slip_away_is_confusable() {
        for (a, b) in [
            ("acme", "acne"),
            ("acme", "acmee"),
            ("acme", "amce"),
            ("acme", "ac-me"),
            ("flowforge", "fl0wforge"),
            ("flowforge", "f1owforge"),
            ("modern", "modem"),
            ("flow-forge", "flowforge"),
        ] {
            assert!(is_confusable(a, b) && is_confusable(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("acme", "acme"),
            ("acme", "zeta"),
            ("abc", "abd"),
            ("acme", "acmeco"),
            ("demo", "dmeoo"),
        ] {
            assert!(!is_confusable(a, b) && !is_confusable(b, a), "{a} {b}");
        }
    }
}
