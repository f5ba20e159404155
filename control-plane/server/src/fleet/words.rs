//! What servers on one store say to each other, as short text.
//!
//! A notice is the tag of its sender and any number of words, each a letter and what it is about, divided by spaces. A word
//! that is not known, because a newer server says it, means: look again at everything.

use flowforge_protocol::{HostId, RunId};

/// Tells the servers on one store apart: random, another one at each start, 20 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ServerTag(pub(crate) u32);

impl ServerTag {
    /// From fresh entropy.
    pub(crate) fn from_entropy(bytes: [u8; 4]) -> Self {
        // Never 0, which means no delivery.
        Self((u32::from_be_bytes(bytes) & 0xf_ffff).max(1))
    }
}

impl std::fmt::Display for ServerTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:05x}", self.0)
    }
}

/// Something that another server has made so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A run moved.
    Moved(RunId),
    /// A run ended.
    Ended(RunId),
    /// Orders for a host are stored, or replaced.
    Orders(HostId),
    /// A run waits for a host.
    Waiting,
    /// A host did not renew its leases.
    Still(HostId),
    /// A host registered.
    Host(HostId),
    /// A workflow has a new newest release.
    Published(String),
    /// A secret changed.
    Secrets,
    /// A connector was published.
    Connectors,
    /// There is something to do for runs because of others.
    Errands,
    /// Anything of it may be so.
    Everything,
}

impl Word {
    /// Its text; names that would not be one word are said as everything.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Moved(run) => format!("m{run}"),
            Self::Ended(run) => format!("e{run}"),
            Self::Orders(host) => format!("o{host}"),
            Self::Waiting => "w".to_owned(),
            Self::Still(host) => format!("l{host}"),
            Self::Host(host) => format!("h{host}"),
            Self::Published(workflow) if workflow.contains(char::is_whitespace) => "*".to_owned(),
            Self::Published(workflow) => format!("p{workflow}"),
            Self::Secrets => "s".to_owned(),
            Self::Connectors => "c".to_owned(),
            Self::Errands => "d".to_owned(),
            Self::Everything => "*".to_owned(),
        }
    }

    fn read(text: &str) -> Self {
        let mut letters = text.chars();
        let (kind, about) = (letters.next(), letters.as_str());
        let word = match kind {
            Some('m') => about.parse().ok().map(Self::Moved),
            Some('e') => about.parse().ok().map(Self::Ended),
            Some('o') => about.parse().ok().map(Self::Orders),
            Some('l') => about.parse().ok().map(Self::Still),
            Some('h') => about.parse().ok().map(Self::Host),
            Some('p') => Some(Self::Published(about.to_owned())),
            Some('w') => Some(Self::Waiting),
            Some('s') => Some(Self::Secrets),
            Some('c') => Some(Self::Connectors),
            Some('d') => Some(Self::Errands),
            _ => None,
        };
        word.unwrap_or(Self::Everything)
    }
}

/// A notice: who says it, and the words. None if it is no notice.
pub(crate) fn read(text: &str) -> Option<(ServerTag, Vec<Word>)> {
    let mut parts = text.split(' ');
    let tag = u32::from_str_radix(parts.next()?, 16).ok()?;
    Some((ServerTag(tag), parts.map(Word::read).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_said() {
        let (run, host) = (RunId::from_entropy([1; 16]), HostId::from_entropy([2; 16]));
        let words = [
            Word::Moved(run.clone()),
            Word::Ended(run),
            Word::Orders(host.clone()),
            Word::Waiting,
            Word::Still(host.clone()),
            Word::Host(host),
            Word::Published("daily-report".to_owned()),
            Word::Secrets,
            Word::Connectors,
            Word::Errands,
            Word::Everything,
        ];
        let tag = ServerTag::from_entropy([0xff; 4]);
        let said: Vec<String> = words.iter().map(Word::text).collect();
        let notice = format!("{tag} {}", said.join(" "));
        assert_eq!(read(&notice), Some((tag, words.to_vec())));
        assert_eq!(
            read(&tag.to_string()),
            Some((tag, Vec::new())),
            "it is there, no more"
        );
    }

    #[test]
    fn what_is_not_understood_means_everything() {
        let all = |text: &str| read(text).map(|(_, words)| words);
        assert_eq!(all("00001 z"), Some(vec![Word::Everything]));
        assert_eq!(all("00001 mnonsense"), Some(vec![Word::Everything]));
        assert_eq!(all("xyz"), None);
        assert_eq!(Word::Published("a b".to_owned()).text(), "*");
    }
}
