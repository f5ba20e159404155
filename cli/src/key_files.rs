//! Private keys in files that are for this user alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use flowforge_protocol::SigningKey;
use zeroize::Zeroizing;

/// A new key, which is on no disk yet.
pub(crate) fn fresh() -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).context("this machine gives no random bytes")?;
    Ok(SigningKey::from_seed(&seed))
}

/// The key in this file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<SigningKey>> {
    match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => SigningKey::from_pem(&text)
            .map(Some)
            .with_context(|| format!("{} holds no usable key", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the key {}", path.display())),
    }
}

/// Writes a key into this file, whole or not at all, and puts one that was there before beside it, under its id.
pub(crate) fn write(path: &Path, key: &SigningKey) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    if let Some(old) = read(path)? {
        let id = old.verifying_key().id().short();
        fs::rename(path, path.with_extension(format!("{id}.pem")))?;
    }
    let new = path.with_extension("pem.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(key.to_pem().as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(())
}
