//! Looking for bytes in everything that a program left on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The files below these folders that hold a secret: as it is, in hexadecimal, or in any base64.
///
/// # Errors
/// A folder cannot be read. A file that vanishes while it is looked at is passed over.
pub fn files_with(secret: &str, folders: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let forms = forms_of(secret);
    let mut found = Vec::new();
    for folder in folders {
        search(folder, &forms, &mut found)?;
    }
    Ok(found)
}

/// How often the forms of a secret stand in these bytes.
#[must_use]
pub fn occurrences(secret: &str, bytes: &[u8]) -> usize {
    forms_of(secret).iter().map(|form| count(bytes, form)).sum()
}

fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        bytes.to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
    ];
    // Inside a longer text, base64 depends on where the secret begins; the middle of each of the three is searched.
    for skip in 0..3 {
        let shifted = bytes.get((3 - skip) % 3..).unwrap_or_default();
        let whole = shifted.get(..shifted.len() / 3 * 3).unwrap_or_default();
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(whole).into_bytes());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn search(folder: &Path, forms: &[Vec<u8>], found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            search(&entry.path(), forms, found)?;
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(entry.path())
            && forms.iter().any(|form| count(&bytes, form) > 0)
        {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn count(bytes: &[u8], form: &[u8]) -> usize {
    let Some((first, rest)) = form.split_first() else {
        return 0;
    };
    let mut hits = 0;
    let mut left = bytes;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = left.get(at + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            hits += 1;
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-long-enough-secret-value-123456";

    #[test]
    fn a_secret_is_found_in_every_form_and_at_every_place() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{SECRET} and more");
            for form in [
                text.clone(),
                STANDARD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
            ] {
                assert!(occurrences(SECRET, form.as_bytes()) > 0, "{form}");
            }
        }
        assert!(occurrences(SECRET, hex.as_bytes()) > 0);
        assert_eq!(occurrences(SECRET, b"a-long-enough-secret-value-12345"), 0);
    }

    #[test]
    fn the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("clean"), "nothing").unwrap();
        fs::write(inner.join("dirty"), format!("authorization: Bearer {SECRET}")).unwrap();
        let found = files_with(SECRET, &[folder.path().to_owned()]).unwrap();
        assert_eq!(found, [inner.join("dirty")]);
    }
}
