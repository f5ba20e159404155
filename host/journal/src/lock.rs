//! The file beside the journal: which process has it open, and which commit was confirmed last.
//!
//! The note of the last commit is written when that commit is durable, and is never synced: it costs a commit next to
//! nothing, and whatever of it survives names a commit that was confirmed. A journal that holds less than that has lost
//! it: a damaged last commit looks like one that a power cut tore, and an older copy of the file looks like any other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use flowforge_protocol::Digest;

use crate::classify::classify_io;
use crate::error::OpenError;

/// The process has the first line; it is as long as this, so that the note has its place.
const PROCESS_BYTES: usize = 32;
/// More than a note takes.
const NOTE_BYTES: usize = 160;

/// Which commit of which file was confirmed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) incarnation: [u8; 16],
    pub(crate) commit: u64,
}

impl Note {
    fn line(self) -> String {
        let file = u128::from_be_bytes(self.incarnation);
        let said = format!("commit {} of {file:032x}", self.commit);
        let digest = Digest::of(said.as_bytes()).hex();
        format!("{said} {digest}\n")
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut after = |word: &str| (words.next() == Some(word)).then(|| words.next()).flatten();
        let note = Self {
            commit: after("commit")?.parse().ok()?,
            incarnation: u128::from_str_radix(after("of")?, 16).ok()?.to_be_bytes(),
        };
        // One that is torn is none.
        note.line().strip_suffix('\n').filter(|whole| *whole == line)?;
        Some(note)
    }
}

/// Held as long as the journal is open.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock at this place, for the journal at `path`; answers what was noted there before.
    pub(crate) fn take(place: &Path, path: &Path) -> Result<(Self, Option<Note>), OpenError> {
        let failed = |error| classify_io(path, error);
        let file = private_file(place).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Whoever holds the lock may be writing just now; then nobody is named.
                let process = text_at(&file, 0, PROCESS_BYTES);
                return Err(OpenError::AlreadyOpen {
                    path: path.to_owned(),
                    pid: process.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let noted = text_at(&file, PROCESS_BYTES, NOTE_BYTES);
        let noted = noted.lines().next().and_then(Note::read);
        let process = format!("{:<width$}\n", std::process::id(), width = PROCESS_BYTES - 1);
        file.write_all_at(process.as_bytes(), 0).map_err(failed)?;
        Ok((Self { file }, noted))
    }

    /// Notes a commit that is durable. What cannot be noted is not known later, and nothing else.
    pub(crate) fn note(&self, note: Note) {
        let place = u64::try_from(PROCESS_BYTES).unwrap_or(0);
        let _ = self.file.write_all_at(note.line().as_bytes(), place);
    }
}

/// The text at a place, as far as there is one.
fn text_at(file: &File, place: usize, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    let read = file.read_at(&mut text, u64::try_from(place).unwrap_or(u64::MAX));
    text.truncate(read.unwrap_or(0));
    String::from_utf8(text).unwrap_or_default()
}

/// Opens a file for writing, made for this user alone if it is not there.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_a_torn_one_is_none() {
        for commit in [0, 7, u64::MAX] {
            let note = Note {
                incarnation: [9; 16],
                commit,
            };
            let line = note.line();
            assert!(line.len() <= NOTE_BYTES, "{line}");
            let line = line.trim_end();
            assert_eq!(Note::read(line), Some(note));
            for end in 0..line.len() {
                assert_eq!(Note::read(&line[..end]), None, "{end}");
            }
            assert_eq!(Note::read(&line.replacen('9', "8", 1)), None);
        }
    }

    #[test]
    fn the_next_holder_finds_what_was_noted_last() {
        let folder = tempfile::TempDir::new().unwrap();
        let (place, path) = (folder.path().join("lock"), folder.path().join("journal"));
        let note = |commit| Note {
            incarnation: [1; 16],
            commit,
        };
        let (lock, noted) = FileLock::take(&place, &path).unwrap();
        assert_eq!(noted, None);
        lock.note(note(1_000));
        lock.note(note(7));
        drop(lock);
        let (lock, noted) = FileLock::take(&place, &path).unwrap();
        assert_eq!(noted, Some(note(7)), "a shorter line covers the longer one");
        drop(lock);
        assert_eq!(FileLock::take(&place, &path).unwrap().1, Some(note(7)));
    }
}
