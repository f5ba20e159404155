//! The bus: what a server says to the others on its store, and what it hears from them.
//!
//! A port with two ways behind it: a server that is alone on its store says nothing to anybody, and what it does costs
//! nothing more; several on one database speak through it (`LISTEN`, `NOTIFY`). Words are never the record: a full queue, a
//! connection that broke, a server that went away in the middle all mean "look again at everything".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use flowforge_store::{Listening, MAX_NOTICE_BYTES, Notices, Store, StoreError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::peers::{ALIVE_EVERY, Peers};
use super::words::{ServerTag, Word, read};

/// Words that wait to be said; with more, the others look again at everything.
const SAY_QUEUE: usize = 4_096;
/// Words that were heard and wait to be followed; with more, everything is looked at again.
const HEAR_QUEUE: usize = 4_096;
/// The pause before a connection that broke is made anew.
const RECONNECT: Duration = Duration::from_millis(500);

/// What is said. Saying never waits.
#[derive(Debug)]
pub(crate) struct Bus {
    tag: ServerTag,
    say: Option<mpsc::Sender<Word>>,
    /// Words were lost on their way to the others.
    lost: AtomicBool,
    /// Whether the others are heard now.
    hears: AtomicBool,
    /// Other servers that are there.
    others: AtomicUsize,
    /// Whether there ever was another one.
    had_others: AtomicBool,
}

/// The other end of a bus: a task that says and hears.
#[derive(Debug)]
pub(crate) struct Exchange {
    notices: Notices,
    said: mpsc::Receiver<Word>,
    hear: mpsc::Sender<Word>,
    /// Words that were heard were more than could be followed.
    overflowed: bool,
    peers: Peers,
}

/// Words that were heard.
pub(crate) type Heard = mpsc::Receiver<Word>;

impl Bus {
    /// For a server on this store. If there can be others, the exchange must run, and what is heard must be followed.
    pub(crate) fn of_store(store: &Store, tag: ServerTag) -> (Arc<Self>, Option<(Exchange, Heard)>) {
        match store.notices() {
            None => (Arc::new(Self::alone(tag)), None),
            Some(notices) => {
                let (bus, exchange, heard) = Self::shared(tag, notices);
                (Arc::new(bus), Some((exchange, heard)))
            }
        }
    }

    /// For a server that is alone on its store.
    pub(crate) fn alone(tag: ServerTag) -> Self {
        Self {
            tag,
            say: None,
            lost: AtomicBool::new(false),
            hears: AtomicBool::new(true),
            others: AtomicUsize::new(0),
            had_others: AtomicBool::new(false),
        }
    }

    fn shared(tag: ServerTag, notices: Notices) -> (Self, Exchange, Heard) {
        let (say, said) = mpsc::channel(SAY_QUEUE);
        let (hear, heard) = mpsc::channel(HEAR_QUEUE);
        let bus = Self {
            say: Some(say),
            hears: AtomicBool::new(false),
            ..Self::alone(tag)
        };
        let exchange = Exchange {
            notices,
            said,
            hear,
            overflowed: false,
            peers: Peers::default(),
        };
        (bus, exchange, heard)
    }

    /// The name of this server among those on its store.
    pub(crate) fn tag(&self) -> ServerTag {
        self.tag
    }

    /// Whether there can be other servers.
    pub(crate) fn is_shared(&self) -> bool {
        self.say.is_some()
    }

    /// Whether what others say is heard: without it every picture of the store may be an old one.
    pub(crate) fn hears(&self) -> bool {
        self.hears.load(Ordering::Acquire)
    }

    /// How many other servers are there.
    pub(crate) fn others(&self) -> usize {
        self.others.load(Ordering::Relaxed)
    }

    /// Whether another server was heard since this one started.
    pub(crate) fn had_others(&self) -> bool {
        self.had_others.load(Ordering::Relaxed)
    }

    /// Says a word to the other servers, if there can be any.
    pub(crate) fn say(&self, word: Word) {
        let Some(say) = &self.say else { return };
        if say.try_send(word).is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
    }
}

impl Exchange {
    /// Says and hears until `closing`; a connection that broke is made anew.
    pub(crate) async fn run(mut self, bus: &Bus, closing: CancellationToken) {
        let mut said_so = false;
        loop {
            let served = tokio::select! {
                served = self.connected(bus) => served,
                () = closing.cancelled() => return,
            };
            bus.hears.store(false, Ordering::Release);
            if let Err(error) = served
                && !std::mem::replace(&mut said_so, true)
            {
                tracing::warn!(%error, "other servers cannot be spoken to now; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT) => {}
                () = closing.cancelled() => return,
            }
        }
    }

    /// One connection, until it breaks. Losing it in the middle loses words, and the next one begins with everything.
    async fn connected(&mut self, bus: &Bus) -> Result<(), StoreError> {
        let mut listening = self.notices.listen().await?;
        bus.hears.store(true, Ordering::Release);
        self.hear(Word::Everything);
        // What was said meanwhile was perhaps not heard.
        bus.lost.store(true, Ordering::Relaxed);
        let mut alive = tokio::time::interval(ALIVE_EVERY);
        let mut words = Vec::new();
        loop {
            // Each of these loses nothing when it is dropped.
            tokio::select! {
                notice = listening.next() => match notice {
                    Some(notice) => self.take(bus, &notice),
                    None => return Ok(()),
                },
                count = self.said.recv_many(&mut words, SAY_QUEUE) => {
                    if count == 0 {
                        return Ok(());
                    }
                    let lost = bus.lost.swap(false, Ordering::Relaxed);
                    for notice in notices(bus.tag, words.drain(..), lost) {
                        say(&listening, bus, &notice).await?;
                    }
                }
                _ = alive.tick() => {
                    let lost = bus.lost.swap(false, Ordering::Relaxed);
                    for notice in notices(bus.tag, std::iter::empty(), lost) {
                        say(&listening, bus, &notice).await?;
                    }
                    if self.peers.have_gone(Instant::now()) {
                        tracing::warn!("another server has gone");
                        self.hear(Word::Everything);
                    }
                    bus.others.store(self.peers.count(), Ordering::Relaxed);
                    if self.overflowed {
                        self.hear(Word::Everything);
                    }
                }
            }
        }
    }

    fn take(&mut self, bus: &Bus, notice: &str) {
        let Some((tag, words)) = read(notice) else { return };
        if tag == bus.tag {
            return;
        }
        bus.had_others.store(true, Ordering::Relaxed);
        self.peers.heard(tag, Instant::now());
        for word in words {
            self.hear(word);
        }
    }

    fn hear(&mut self, word: Word) {
        self.overflowed = self.hear.try_send(word).is_err();
    }
}

async fn say(listening: &Listening, bus: &Bus, notice: &str) -> Result<(), StoreError> {
    let said = listening.say(notice).await;
    if said.is_err() {
        bus.lost.store(true, Ordering::Relaxed);
    }
    said
}

/// The words as notices, each within its bound; without any, the one that says that this server is there.
fn notices(tag: ServerTag, words: impl Iterator<Item = Word>, lost: bool) -> Vec<String> {
    let begin = tag.to_string();
    if lost {
        return vec![format!("{begin} {}", Word::Everything.text())];
    }
    let mut all = vec![begin.clone()];
    let mut before = None;
    for word in words {
        // A run that moves often is said once.
        if before.as_ref() == Some(&word) {
            continue;
        }
        let text = word.text();
        let is_full = |notice: &String| notice.len() + 1 + text.len() > MAX_NOTICE_BYTES;
        if all.last().is_none_or(is_full) {
            all.push(begin.clone());
        }
        if let Some(last) = all.last_mut() {
            last.push(' ');
            last.push_str(&text);
        }
        before = Some(word);
    }
    all
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;

    const TAG: ServerTag = ServerTag(7);

    #[test]
    fn many_words_make_several_notices_and_lost_ones_mean_everything() {
        let words = (0..1_000_u64).map(|n| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            Word::Moved(RunId::from_entropy(bytes))
        });
        let all = notices(TAG, words.clone(), false);
        assert!(all.len() > 1 && all.iter().all(|notice| notice.len() <= MAX_NOTICE_BYTES));
        let heard: Vec<Word> = all.iter().flat_map(|notice| read(notice).unwrap().1).collect();
        assert_eq!(heard, words.clone().collect::<Vec<_>>());
        let all = notices(TAG, words, true);
        assert_eq!(read(&all[0]).unwrap().1, [Word::Everything]);
        let same = std::iter::repeat_n(Word::Waiting, 3);
        assert_eq!(read(&notices(TAG, same, false)[0]).unwrap().1, [Word::Waiting]);
    }

    #[test]
    fn a_server_that_is_alone_says_nothing_and_one_of_several_loses_nothing_silently() {
        let bus = Bus::alone(TAG);
        bus.say(Word::Waiting);
        assert!(!bus.lost.load(Ordering::Relaxed) && bus.hears());
        let (say, _said) = mpsc::channel(1);
        let bus = Bus {
            say: Some(say),
            ..Bus::alone(TAG)
        };
        bus.say(Word::Waiting);
        assert!(!bus.lost.load(Ordering::Relaxed));
        bus.say(Word::Waiting);
        assert!(bus.lost.load(Ordering::Relaxed));
    }
}
