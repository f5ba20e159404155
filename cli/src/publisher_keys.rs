//! Private keys of publishers on this machine: `publishers/NAME.pem` in the folder of the other keys, for this user alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flowforge_client::Context;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::publisher::PublisherKeyStatement;
use flowforge_protocol::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A new key with what it says of itself. It is on no disk yet.
pub(crate) struct Statement {
    pub(crate) key: VerifyingKey,
    /// The statement that the key signed.
    pub(crate) by_itself: String,
    pub(crate) secret: SigningKey,
}

/// Makes a key for a publisher. Nothing is written before the server has taken it.
pub(crate) fn make(context: &Context, publisher: &str) -> Result<Statement> {
    folder(context)?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).context("this machine gives no random bytes")?;
    let secret = SigningKey::from_seed(&seed);
    let key = secret.verifying_key();
    Ok(Statement {
        by_itself: endorse(publisher, &key, &secret)?,
        key,
        secret,
    })
}

/// That a key is one of a publisher's, signed by another.
pub(crate) fn endorse(publisher: &str, key: &VerifyingKey, by: &SigningKey) -> Result<String> {
    let statement = PublisherKeyStatement {
        publisher: publisher.to_owned(),
        key: key.clone(),
    };
    Ok(sign_document(&statement, by)?)
}

/// The publisher's key on this machine, if there is one.
pub(crate) fn own(context: &Context, publisher: &str) -> Result<Option<SigningKey>> {
    let Some(keys_dir) = context.keys_dir.as_deref() else {
        return Ok(None);
    };
    let path = file(keys_dir, publisher);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => SigningKey::from_pem(&text)
            .map(Some)
            .with_context(|| format!("{} holds no usable key", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the key {}", path.display())),
    }
}

/// Writes a key that the server has taken, and puts one that was there before beside it.
pub(crate) fn take(context: &Context, publisher: &str, statement: &Statement) -> Result<PathBuf> {
    let path = file(folder(context)?, publisher);
    let cannot = || {
        format!(
            "{} cannot be written, so the new key is lost: revoke it, and make another",
            path.display()
        )
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .with_context(cannot)?;
    if let Some(old) = own(context, publisher)? {
        let id = old.verifying_key().id().short();
        fs::rename(&path, parent.join(format!("{publisher}.{id}.pem"))).with_context(cannot)?;
    }
    let new = parent.join(format!("{publisher}.pem.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .with_context(cannot)?;
    file.write_all(statement.secret.to_pem().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, &path))
        .with_context(cannot)?;
    Ok(path)
}

fn folder(context: &Context) -> Result<&Path> {
    match context.keys_dir.as_deref() {
        Some(folder) => Ok(folder),
        None => bail!(
            "no place for the keys for {} is known: give --context FILE, the `client.json` of its data folder",
            context.server
        ),
    }
}

fn file(keys_dir: &Path, publisher: &str) -> PathBuf {
    // A name with a separator is refused by the server before anything is written; here it is no path either.
    let name = publisher.replace(['/', '\\', '.'], "_");
    keys_dir.join("publishers").join(format!("{name}.pem"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_for_this_user_alone_and_the_one_before_stays_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            token: None,
            server: "http://127.0.0.1:1".to_owned(),
            keys_dir: Some(dir.path().to_owned()),
        };
        assert!(own(&context, "acme").unwrap().is_none());
        let first = make(&context, "acme").unwrap();
        let path = take(&context, "acme", &first).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = make(&context, "acme").unwrap();
        take(&context, "acme", &second).unwrap();
        let now = own(&context, "acme").unwrap().unwrap();
        assert_eq!(now.verifying_key(), second.key);
        let before = path.with_file_name(format!("acme.{}.pem", first.key.id().short()));
        let before = SigningKey::from_pem(&fs::read_to_string(before).unwrap()).unwrap();
        assert_eq!(before.verifying_key(), first.key);
    }
}
