//! The one loop over the lines of a run: frames, the hash chain, and records with their values.
//!
//! A run's lines are *record lines*, each preceded by the *value lines* it refers to. `chain(n) = SHA-256(chain(n-1) ‖
//! record line n)`, beginning with [`chain_start`]; value lines are covered through the salted digests that record lines
//! hold, so they can be missing without breaking the chain. Whoever holds the record lines can check the chain; whoever
//! holds the last value knows whether lines are missing or changed.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::record::Record;
use crate::value::{Keep, VALUE_LINE_START, ValueLine, ValueLineError};
use crate::{Digest, RunId};

/// Why lines are not the records they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The lines do not end with a line end, there is an empty one, or values stand behind the last record.
    #[error("the lines are cut: record {seq} is not whole")]
    Cut {
        /// Which record.
        seq: u64,
    },
    /// A line has another number than its place says.
    #[error("expected record {expected}, found the line `{found}`")]
    WrongSeq {
        /// Its place.
        expected: u64,
        /// The beginning of the line.
        found: String,
    },
    /// There are more or fewer records than the batch says.
    #[error("the batch says it holds {expected} records and holds {found}")]
    WrongCount {
        /// What it says.
        expected: u32,
        /// What it holds.
        found: u64,
    },
    /// A line is missing, added or changed.
    #[error("the chain breaks: the lines give {found}, expected {expected}")]
    Broken {
        /// What the batch or the receipt says.
        expected: Digest,
        /// What the lines give.
        found: Digest,
    },
    /// A line is no record.
    #[error("record {seq} cannot be read: {reason}")]
    Unreadable {
        /// Which record.
        seq: u64,
        /// What is wrong, for people.
        reason: String,
    },
    /// A value line is not what its record speaks of.
    #[error("record {seq}: {problem}")]
    Value {
        /// Which record.
        seq: u64,
        /// What is wrong with it.
        problem: ValueLineError,
    },
    /// The first record is not `accepted`, or there is none.
    #[error("the run does not begin with an accepted order")]
    NoBeginning,
}

/// The chain value before the first record of a run.
#[must_use]
pub fn chain_start(run: &RunId) -> Digest {
    Digest::of_parts(&[b"flowforge.run.v1\n", run.as_str().as_bytes()])
}

/// The chain value after one more record, given as its line without the line end.
#[must_use]
pub fn chain_next(previous: &Digest, line: &[u8]) -> Digest {
    Digest::of_parts(&[previous.as_bytes(), line])
}

/// One record as it lies in the lines: with the value lines that stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The record's number.
    pub seq: u64,
    /// Its value lines, each with its line end; empty for most records.
    pub values: &'a [u8],
    /// The record line without its line end: what the chain covers.
    pub record: &'a [u8],
    /// Everything: value lines, record line, line ends.
    pub bytes: &'a [u8],
}

/// The frames of lines, the first of which has this `seq`. The only place that knows how lines are divided.
///
/// Ends after the first error.
pub fn frames(lines: &[u8], first_seq: u64) -> Frames<'_> {
    Frames {
        rest: lines,
        seq: first_seq,
    }
}

/// See [`frames`].
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
    seq: u64,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, ChainError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = next_frame(self.rest, self.seq);
        match &frame {
            Ok(frame) => {
                self.rest = self.rest.get(frame.bytes.len()..).unwrap_or_default();
                self.seq = self.seq.saturating_add(1);
            }
            Err(_) => self.rest = &[],
        }
        Some(frame)
    }
}

fn next_frame(lines: &[u8], seq: u64) -> Result<Frame<'_>, ChainError> {
    let cut = ChainError::Cut { seq };
    let mut start = 0;
    loop {
        let rest = lines.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).ok_or(cut.clone())?;
        let line = rest.get(..length).unwrap_or_default();
        if line.is_empty() {
            return Err(cut);
        }
        let end = start + length + 1;
        if line.starts_with(VALUE_LINE_START) {
            start = end;
            continue;
        }
        // Every writer puts `seq` first, so the place is checked without decoding.
        if !begins_with_seq(line, seq) {
            let head = line.get(..line.len().min(40)).unwrap_or_default();
            return Err(ChainError::WrongSeq {
                expected: seq,
                found: String::from_utf8_lossy(head).into_owned(),
            });
        }
        return Ok(Frame {
            seq,
            values: lines.get(..start).unwrap_or_default(),
            record: line,
            bytes: lines.get(..end).unwrap_or_default(),
        });
    }
}

fn begins_with_seq(line: &[u8], seq: u64) -> bool {
    let number = line
        .strip_prefix(b"{\"seq\":")
        .and_then(|rest| rest.split(|byte| *byte == b',').next());
    let Some(digits @ [first, ..]) = number else {
        return false;
    };
    // One spelling: neither a sign nor a zero in front.
    let canonical = first.is_ascii_digit() && (*first != b'0' || digits.len() == 1);
    let parsed = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    canonical && parsed == Some(seq)
}

/// What lines add to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Number of records.
    pub count: u64,
    /// Chain value after the last one.
    pub chain: Digest,
}

/// Walks lines that continue a chain. Decodes nothing.
///
/// # Errors
/// [`ChainError::Cut`] or [`ChainError::WrongSeq`].
pub fn walk(lines: &[u8], first_seq: u64, previous: &Digest) -> Result<Walked, ChainError> {
    frames(lines, first_seq).try_fold(
        Walked {
            count: 0,
            chain: *previous,
        },
        |walked, frame| {
            Ok(Walked {
                count: walked.count + 1,
                chain: chain_next(&walked.chain, frame?.record),
            })
        },
    )
}

/// The record lines alone: what can be shown and checked of a run whose values stay on their site.
///
/// # Errors
/// [`ChainError::Cut`] or [`ChainError::WrongSeq`].
pub fn without_values(lines: &[u8], first_seq: u64) -> Result<Vec<u8>, ChainError> {
    let mut out = Vec::with_capacity(lines.len());
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        out.extend_from_slice(frame.bytes.get(frame.values.len()..).unwrap_or_default());
    }
    Ok(out)
}

impl Frame<'_> {
    /// The plain digests under which values of this record are kept elsewhere, as often as its value lines name them.
    pub fn stored_values(&self) -> impl Iterator<Item = Digest> {
        lines_of(self.values).filter_map(ValueLine::stored_in)
    }
}

/// The plain digests under which values of these records are kept elsewhere, each once.
///
/// # Errors
/// [`ChainError::Cut`] or [`ChainError::WrongSeq`].
pub fn stored_values(lines: &[u8], first_seq: u64) -> Result<Vec<Digest>, ChainError> {
    let mut found = Vec::new();
    for frame in frames(lines, first_seq) {
        for digest in frame?.stored_values() {
            if !found.contains(&digest) {
                found.push(digest);
            }
        }
    }
    Ok(found)
}

/// The same records with every value beside them that `fetch` finds; the line of one that it does not find, or whose
/// bytes are others, is left out. The chain holds as before: it covers no value line.
///
/// # Errors
/// [`ChainError::Cut`] or [`ChainError::WrongSeq`].
pub fn with_values(lines: &[u8], first_seq: u64, fetch: Fetch<'_>) -> Result<Vec<u8>, ChainError> {
    let mut out = Vec::with_capacity(lines.len());
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        for line in lines_of(frame.values) {
            match ValueLine::stored_in(line).and_then(|stored| Some((stored, ValueLine::read(line).ok()?))) {
                Some((stored, read)) => {
                    if let Some(bytes) = fetch(&stored) {
                        read.write_with(&bytes, &mut out);
                    }
                }
                None => {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                }
            }
        }
        out.extend_from_slice(frame.bytes.get(frame.values.len()..).unwrap_or_default());
    }
    Ok(out)
}

/// The same records with the bytes of every value above a size given to `keep`, in place of beside them: the way back of
/// [`with_values`]. A value that `keep` has no room for stays where it is.
///
/// # Errors
/// [`ChainError::Cut`] or [`ChainError::WrongSeq`]; [`ChainError::Value`] for a value line that cannot be read.
pub fn keep_values(
    lines: &[u8],
    first_seq: u64,
    inline_bytes: usize,
    keep: Keep<'_>,
) -> Result<Vec<u8>, ChainError> {
    let mut out = Vec::with_capacity(lines.len().min(2 * inline_bytes));
    for frame in frames(lines, first_seq) {
        let frame = frame?;
        for line in lines_of(frame.values) {
            let read = ValueLine::read(line).map_err(|problem| ChainError::Value {
                seq: frame.seq,
                problem,
            })?;
            let large = read.json.map(|json| json.get().as_bytes());
            let large = large.filter(|bytes| bytes.len() > inline_bytes);
            match large.and_then(&mut *keep) {
                Some(stored) => read.write_stored(&stored, &mut out),
                None => {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                }
            }
        }
        out.extend_from_slice(frame.bytes.get(frame.values.len()..).unwrap_or_default());
    }
    Ok(out)
}

/// Value lines, one by one, without their line ends.
fn lines_of(values: &[u8]) -> impl Iterator<Item = &[u8]> {
    values
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// Where the bytes of a value that does not stand beside its record are found.
pub type Fetch<'f> = &'f dyn Fn(&Digest) -> Option<Vec<u8>>;

/// Decodes the records of lines, the first of which has this `seq`, with the values that stand beside them.
///
/// `fetch` finds larger values by the digest they are kept under; what it does not find stays a reference.
///
/// # Errors
/// Of each item: [`ChainError`].
pub fn records<'a>(
    lines: &'a [u8],
    first_seq: u64,
    fetch: Fetch<'a>,
) -> impl Iterator<Item = Result<Record, ChainError>> + 'a {
    frames(lines, first_seq).map(move |frame| decode(&frame?, fetch))
}

/// Finds nothing: for readers that only want what stands beside the records.
#[must_use]
pub fn no_fetch(_: &Digest) -> Option<Vec<u8>> {
    None
}

impl Frame<'_> {
    /// Checks the values that stand beside the record: each is read, and has the digest it is named by.
    ///
    /// The chain covers the digests only, so whoever takes lines from elsewhere calls this for each of them.
    ///
    /// # Errors
    /// [`ChainError::Value`].
    pub fn check_values(&self) -> Result<(), ChainError> {
        each_value(self.values, &no_fetch, |_, _| {}).map_err(|problem| ChainError::Value {
            seq: self.seq,
            problem,
        })
    }
}

fn decode(frame: &Frame<'_>, fetch: Fetch<'_>) -> Result<Record, ChainError> {
    let seq = frame.seq;
    let mut record: Record =
        serde_json::from_slice(frame.record).map_err(|error| ChainError::Unreadable {
            seq,
            reason: crate::strict::brief(&error),
        })?;
    if !frame.values.is_empty() {
        let values =
            read_values(frame.values, fetch).map_err(|problem| ChainError::Value { seq, problem })?;
        for datum in record.event.data_mut() {
            datum.fill(&values);
        }
    }
    Ok(record)
}

fn read_values(lines: &[u8], fetch: Fetch<'_>) -> Result<HashMap<Digest, Arc<Value>>, ValueLineError> {
    let mut values = HashMap::new();
    each_value(lines, fetch, |digest, value| {
        values.insert(digest, Arc::new(value));
    })?;
    Ok(values)
}

/// Reads and checks value lines, and gives each value that is found.
fn each_value(
    lines: &[u8],
    fetch: Fetch<'_>,
    mut found: impl FnMut(Digest, Value),
) -> Result<(), ValueLineError> {
    for line in lines_of(lines) {
        let line = ValueLine::read(line)?;
        let value = match (line.open()?, &line.stored) {
            (Some(value), _) => Some(value),
            (None, Some(stored)) => match fetch(stored) {
                Some(bytes) => Some(line.check(&bytes)?),
                None => None,
            },
            (None, None) => None,
        };
        if let Some(value) = value {
            found(line.value, value);
        }
    }
    Ok(())
}

/// The line of a record whose values are sealed, with its line end.
///
/// # Errors
/// [`ChainError::Unreadable`]: it holds a value that is not sealed, or an unknown event.
pub fn encode_record(record: &Record) -> Result<Vec<u8>, ChainError> {
    let mut line = serde_json::to_vec(record).map_err(|error| ChainError::Unreadable {
        seq: record.seq,
        reason: error.to_string(),
    })?;
    line.push(b'\n');
    Ok(line)
}
