//! The tables of the file, and its format.
//!
//! A commit opens only the tables that it changes, because each one that is open costs work at its end. What a row holds
//! is said in [`crate::rows`], how its bytes prove themselves in [`crate::codec`].

use redb::{
    Database, ReadOnlyTable, ReadTransaction, Table, TableDefinition, TableError, TransactionError,
    WriteTransaction,
};

use crate::codec::seal;
use crate::error::Damage;

/// The format this program reads and writes. The style of its commits is part of it: a file never changes its style.
pub(crate) const FORMAT: u32 = 4;
/// The oldest format that is brought up to this one when it is opened: it lacks tables and differs in nothing else.
const FORMAT_RAISED: u32 = 3;
const STYLE: &str = "one-phase";
const FORMAT_PREFIX: &str = "flowforge-journal/";

pub(crate) const FORMAT_KEY: &[u8] = b"format";
pub(crate) const INCARNATION_KEY: &[u8] = b"incarnation";
pub(crate) const GENERATION_KEY: &[u8] = b"generation";
pub(crate) const COMMIT_KEY: &[u8] = b"commit";
pub(crate) const PLANE_KEY: &[u8] = b"plane";
pub(crate) const TOLD_KEY: &[u8] = b"told";

/// The one way this crate begins to write: one phase, which costs one sync. A torn commit never counts, because the
/// database finds it by its checksums and falls back to the commit before; that takes a walk through the file after a
/// crash, so the file is kept small.
pub(crate) fn begin(db: &Database) -> Result<WriteTransaction, TransactionError> {
    db.begin_write()
}

pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(crate) type WriteTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*

        /// Every table.
        pub(crate) const ALL: &[&str] = &[$($text),*];

        /// The tables of a transaction, each opened when it is first used.
        pub(crate) struct Tables<'t> {
            txn: &'t WriteTransaction,
            $($field: Option<WriteTable<'t>>,)*
        }

        impl<'t> Tables<'t> {
            pub(crate) fn of(txn: &'t WriteTransaction) -> Self {
                Self { txn, $($field: None,)* }
            }

            $(pub(crate) fn $field(&mut self) -> Result<&mut WriteTable<'t>, TableError> {
                match &mut self.$field {
                    Some(table) => Ok(table),
                    slot @ None => Ok(slot.insert(self.txn.open_table(Definition::new($text))?)),
                }
            })*

            /// Opens every table, which makes it where it is missing.
            pub(crate) fn open_all(&mut self) -> Result<(), TableError> {
                $(self.$field()?;)*
                Ok(())
            }
        }

        /// Every table, as it was at one moment.
        pub(crate) struct Snapshot {
            $(pub(crate) $field: ReadOnlyTable<&'static [u8], &'static [u8]>,)*
        }

        impl Snapshot {
            pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, TableError> {
                Ok(Self { $($field: txn.open_table(Definition::new($text))?,)* })
            }
        }
    };
}

tables! {
    /// Names of single values: the format, the incarnation, the generation, the number of the last commit.
    meta META = "meta";
    /// Run number → run, its order. Written once.
    runs RUNS = "runs";
    /// Run number → the head of the run. Written with every change.
    heads HEADS = "heads";
    /// Run number and first `seq` → consecutive records, and what is sent with them.
    records RECORDS = "records";
    /// Run number → the newest snapshot of its state.
    snapshots SNAPSHOTS = "snapshots";
    /// Run number and kind → words for people: what it waits for, why it rests, why its uploads are parked.
    notes NOTES = "notes";
    /// Run and number of the message → an order that has not taken effect yet.
    inbox INBOX = "inbox";
    /// Number of the order → the order, as long as its id is remembered.
    jobs JOBS = "jobs";
    /// Scheduler key → the sequences seen of orders that are no longer in `jobs`.
    replay REPLAY = "replay";
    /// Counted → a run that is gone and must not begin again.
    tombstones TOMBSTONES = "tombstones";
    /// Run number and step → an attempt under way, and how often the host died during one.
    flights FLIGHTS = "flights";
    /// Space and key → value.
    cells CELLS = "cells";
    /// Digest → the bytes of a large value of records, once however many records hold it.
    values VALUES = "values";
    /// Run number and digest → nothing: records of the run hold that value.
    value_uses VALUE_USES = "value_uses";
}

pub(crate) fn format_value(format: u32) -> Vec<u8> {
    seal(META, FORMAT_KEY, format_name(format).as_bytes())
}

/// What the format row of a number says.
pub(crate) fn format_name(format: u32) -> String {
    format!("{FORMAT_PREFIX}{format}/{STYLE}")
}

/// What a format row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// This program's.
    Ours,
    /// An earlier number, which is raised when the file is opened.
    Raised,
    /// A later number.
    Newer(u32),
    /// An earlier number, or another style of commits.
    Other(String),
}

pub(crate) fn read_format(value: &[u8]) -> Result<Format, Damage> {
    let body = crate::codec::open(META, FORMAT_KEY, value)?;
    let damage = || Damage::new(META, FORMAT_KEY, "the format cannot be read");
    let text = std::str::from_utf8(body).map_err(|_| damage())?;
    let words = text.strip_prefix(FORMAT_PREFIX).ok_or_else(damage)?;
    let (number, style) = words.split_once('/').unwrap_or((words, ""));
    match number.parse::<u32>().map_err(|_| damage())? {
        number if number > FORMAT => Ok(Format::Newer(number)),
        FORMAT if style == STYLE => Ok(Format::Ours),
        FORMAT_RAISED if style == STYLE => Ok(Format::Raised),
        _ => Ok(Format::Other(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_says_number_and_style() {
        assert_eq!(read_format(&format_value(FORMAT)), Ok(Format::Ours));
        assert_eq!(
            read_format(&format_value(FORMAT + 1)),
            Ok(Format::Newer(FORMAT + 1))
        );
        assert_eq!(read_format(&format_value(FORMAT_RAISED)), Ok(Format::Raised));
        for other in ["flowforge-journal/1", "flowforge-journal/3/two-phase"] {
            let value = seal(META, FORMAT_KEY, other.as_bytes());
            assert_eq!(read_format(&value), Ok(Format::Other(other.to_owned())));
        }
        assert!(read_format(&seal(META, FORMAT_KEY, b"something else")).is_err());
    }
}
