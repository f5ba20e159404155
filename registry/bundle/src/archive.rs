//! The archive: POSIX ustar, of which only plain files and folders with short names are written and read.
//!
//! Extensions exist to carry long names, links and sparse files; a layout has none of those, so an entry that needs one is
//! refused instead of understood.

use std::io::{Read, Seek, SeekFrom, Write};

use crate::error::BundleError;

/// Size of a record.
const BLOCK: usize = 512;
/// Most entries of an archive.
const ENTRIES_MAX: u64 = 200_000;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Where its content begins.
    pub(crate) offset: u64,
    /// Bytes of content.
    pub(crate) size: u64,
}

/// Finds every file of an archive, without reading contents.
pub(crate) fn entries(file: &mut (impl Read + Seek)) -> Result<Vec<Entry>, BundleError> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut entries, mut offset) = (Vec::new(), 0_u64);
    loop {
        let broken = |reason: &str| BundleError::Archive {
            offset,
            reason: reason.to_owned(),
        };
        let mut header = [0_u8; BLOCK];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut header)
            .map_err(|_| broken("the archive breaks off; it is no tar archive or was not copied whole"))?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        if entries.len() as u64 >= ENTRIES_MAX {
            return Err(BundleError::TooMany {
                what: "entries",
                limit: ENTRIES_MAX,
            });
        }
        if !checksum_holds(&header) {
            return Err(broken(
                "no tar archive, or a damaged one: the header's checksum is wrong",
            ));
        }
        let path = text(&header, 0, 100).ok_or_else(|| broken("the entry has no name that can be read"))?;
        let refused = |reason| BundleError::Entry {
            path: path.chars().take(100).collect(),
            reason,
        };
        let size = octal(&header, 124, 12).ok_or_else(|| broken("the entry has no size that can be read"))?;
        let content = offset.saturating_add(BLOCK as u64);
        if size > length.saturating_sub(content) {
            return Err(broken("the archive breaks off in this entry"));
        }
        let is_long = text(&header, 345, 155).is_none_or(|prefix| !prefix.is_empty());
        match header.get(156) {
            _ if is_long => return Err(refused("its name is too long")),
            Some(b'0' | 0) => entries.push(Entry {
                path,
                offset: content,
                size,
            }),
            Some(b'5') if size == 0 => {}
            Some(b'1' | b'2') => return Err(refused("it is a link")),
            _ => return Err(refused("it is neither a file nor a folder")),
        }
        let padded = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        offset = content.saturating_add(padded);
    }
}

fn field(header: &[u8; BLOCK], start: usize, length: usize) -> &[u8] {
    header
        .get(start..start.saturating_add(length))
        .unwrap_or_default()
}

fn text(header: &[u8; BLOCK], start: usize, length: usize) -> Option<String> {
    let bytes = field(header, start, length);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn octal(header: &[u8; BLOCK], start: usize, length: usize) -> Option<u64> {
    let text = std::str::from_utf8(field(header, start, length)).ok()?;
    let digits = text.trim_end_matches(['\0', ' ']).trim_start_matches(' ');
    u64::from_str_radix(digits, 8).ok()
}

/// The sum over the header, its own place counted as spaces.
fn sum(header: &[u8; BLOCK]) -> u64 {
    let counted = header.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u64::from(b' '),
        _ => u64::from(*byte),
    });
    counted.sum()
}

fn checksum_holds(header: &[u8; BLOCK]) -> bool {
    octal(header, 148, 8) == Some(sum(header))
}

/// Writes an archive. The same entries give the same bytes.
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// Adds a file of exactly these bytes; the path is at most 100 letters.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> Result<(), BundleError> {
        self.header(path, content.len() as u64, b'0')?;
        self.out.write_all(content)?;
        let padding = content
            .len()
            .next_multiple_of(BLOCK)
            .saturating_sub(content.len());
        self.out
            .write_all([0; BLOCK].get(..padding).unwrap_or_default())?;
        Ok(())
    }

    pub(crate) fn folder(&mut self, path: &str) -> Result<(), BundleError> {
        self.header(path, 0, b'5')
    }

    fn header(&mut self, path: &str, size: u64, kind: u8) -> Result<(), BundleError> {
        let mode = if kind == b'5' { "0000755" } else { "0000644" };
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, path.as_bytes());
        put(&mut header, 100, mode.as_bytes());
        put(&mut header, 108, b"0000000");
        put(&mut header, 116, b"0000000");
        put(&mut header, 124, format!("{size:011o}").as_bytes());
        // Nobody can tell when it was made: the same content is the same file.
        put(&mut header, 136, b"00000000000");
        put(&mut header, 156, &[kind]);
        put(&mut header, 257, b"ustar\x0000");
        let sum = format!("{:06o}\0 ", sum(&header));
        put(&mut header, 148, sum.as_bytes());
        self.out.write_all(&header)?;
        Ok(())
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Result<W, BundleError> {
        self.out.write_all(&[0; BLOCK * 2])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn put(header: &mut [u8; BLOCK], start: usize, bytes: &[u8]) {
    for (place, byte) in header.iter_mut().skip(start).zip(bytes) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.folder("blobs/").unwrap();
        for (path, content) in files {
            writer.file(path, content).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_written_is_found() {
        let bytes = archive(&[("a", b"hello"), ("blobs/b", &[7; 512]), ("empty", b"")]);
        let found = entries(&mut Cursor::new(&bytes)).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|entry| (entry.path.as_str(), entry.size))
            .collect();
        assert_eq!(names, [("a", 5), ("blobs/b", 512), ("empty", 0)]);
        let at = usize::try_from(found[0].offset).unwrap();
        assert_eq!(&bytes[at..at + 5], b"hello");
    }

    #[test]
    fn the_systems_tar_reads_it_and_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        std::fs::write(&file, archive(&[("a", b"hello")])).unwrap();
        let tar = |arguments: &[&str]| {
            let output = std::process::Command::new("tar")
                .args(arguments)
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        tar(&["-xf", "a.tar"]);
        assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"hello");
        tar(&["--format=ustar", "-cf", "b.tar", "a"]);
        let found = entries(&mut std::fs::File::open(folder.path().join("b.tar")).unwrap()).unwrap();
        assert_eq!((found[0].path.as_str(), found[0].size), ("a", 5));
    }

    #[test]
    fn links_devices_and_long_names_are_refused() {
        for (kind, words) in [
            (b'1', "it is a link"),
            (b'2', "it is a link"),
            (b'3', "neither a file nor a folder"),
            (b'x', "neither a file nor a folder"),
            (b'L', "neither a file nor a folder"),
        ] {
            let mut writer = Writer::new(Vec::new());
            writer.header("a", 0, kind).unwrap();
            let error = entries(&mut Cursor::new(writer.finish().unwrap())).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let mut bytes = archive(&[("a", b"")]);
        bytes[BLOCK + 345] = b'x';
        let mut header: [u8; BLOCK] = bytes[BLOCK..2 * BLOCK].try_into().unwrap();
        let sum = format!("{:06o}\0 ", sum(&header));
        put(&mut header, 148, sum.as_bytes());
        bytes[BLOCK..2 * BLOCK].copy_from_slice(&header);
        let error = entries(&mut Cursor::new(bytes)).unwrap_err();
        assert!(error.to_string().contains("name is too long"), "{error}");
    }

    #[test]
    fn an_archive_that_breaks_off_is_told_with_its_place() {
        let whole = archive(&[("a", &[1; 2000])]);
        for length in [0, 100, 600, 1100, 2000] {
            let error = entries(&mut Cursor::new(&whole[..length])).unwrap_err();
            assert!(matches!(error, BundleError::Archive { .. }), "{length}: {error}");
        }
        let error = entries(&mut Cursor::new(vec![b'x'; 4096])).unwrap_err();
        assert!(error.to_string().contains("no tar archive"), "{error}");
    }

    proptest! {
        /// Whatever comes, it is read to an end or an error.
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..4096), at in 0_usize..1024, with in any::<u8>()) {
            let _ = entries(&mut Cursor::new(bytes));
            let mut changed = archive(&[("a", b"hello")]);
            changed[at] = with;
            let _ = entries(&mut Cursor::new(changed));
        }
    }
}
