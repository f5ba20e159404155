//! Private keys of publishers on this machine: `publishers/NAME.pem` in the folder of the other keys, for this user alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flowforge_client::Context;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::publisher::PublisherKeyStatement;
use flowforge_protocol::{SigningKey, VerifyingKey};

use crate::key_files;

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
    let secret = key_files::fresh()?;
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
    key_files::read(&file(keys_dir, publisher))
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
    key_files::write(&path, &statement.secret).with_context(cannot)?;
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
    use std::fs;
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
