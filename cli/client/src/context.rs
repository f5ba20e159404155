//! Which control plane a command talks to, and where the keys of its owner are.
//!
//! A server writes what a client needs to know into its data folder (`client.json`) and into the user's folder
//! (`context.json`), so that commands on the same machine find it without being told.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

/// What a server leaves for its clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its address, `http://127.0.0.1:7400`.
    pub server: String,
    /// The folder of the signing keys of this workspace's owner.
    pub keys_dir: PathBuf,
}

/// One control plane, chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its address, without a slash at the end.
    pub server: String,
    /// Where the release, grant and publisher keys are; absent when only an address was given.
    pub keys_dir: Option<PathBuf>,
}

/// Why no control plane could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// Nothing names one. Start one, or name it.
    #[error(
        "no control plane is known: start one with `flowforge dev`, or name one with --server URL or --context FILE"
    )]
    Unknown,
    /// The named file cannot be read.
    #[error("cannot read the context file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The named file is not what a server writes.
    #[error("{path} is not a context file: expected the `client.json` of a server's data folder")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The address cannot be used.
    #[error("`{server}` is not the address of a control plane: expected http://NAME:PORT")]
    Address {
        /// What was given.
        server: String,
    },
}

impl Context {
    /// Chooses: the address given; else the file given; else the server last started by this user.
    ///
    /// An address keeps the keys of the context that would have been chosen without it, if that names the same server.
    ///
    /// # Errors
    /// `Unknown` when nothing names a server; the others when what names it is wrong.
    pub fn resolve(server: Option<&str>, file: Option<&Path>) -> Result<Self, ContextError> {
        let known = match file {
            Some(path) => Some(read(path)?),
            None => match home_folder().map(|home| home.join("context.json")) {
                Some(path) if path.is_file() => Some(read(&path)?),
                _ => None,
            },
        };
        Self::choose(server, known, file.is_some())
    }

    fn choose(server: Option<&str>, known: Option<Known>, named: bool) -> Result<Self, ContextError> {
        let address = server.or(known.as_ref().map(|known| known.server.as_str()));
        let address = clean(address.ok_or(ContextError::Unknown)?)?;
        let keys_dir = known
            .filter(|known| named || clean(&known.server).is_ok_and(|own| own == address))
            .map(|known| known.keys_dir);
        Ok(Self {
            server: address,
            keys_dir,
        })
    }
}

fn read(path: &Path) -> Result<Known, ContextError> {
    let text = fs::read(path).map_err(|source| ContextError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| ContextError::Malformed {
        path: path.to_owned(),
        source,
    })
}

fn clean(server: &str) -> Result<String, ContextError> {
    let error = || ContextError::Address {
        server: server.chars().take(200).collect(),
    };
    let url = reqwest::Url::parse(server).map_err(|_| error())?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if url.scheme() == "http" && url.host_str().is_some() && plain {
        Ok(server.trim_end_matches('/').to_owned())
    } else {
        Err(error())
    }
}

/// The user's own folder: `FLOWFORGE_HOME`, else `flowforge` in the configuration folder of the system.
#[must_use]
pub fn home_folder() -> Option<PathBuf> {
    let named = |key: &str| {
        env::var_os(key)
            .map(PathBuf::from)
            .filter(|path| !path.as_os_str().is_empty())
    };
    named("FLOWFORGE_HOME")
        .or_else(|| named("XDG_CONFIG_HOME").map(|folder| folder.join("flowforge")))
        .or_else(|| named("HOME").map(|home| home.join(".config/flowforge")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(server: &str) -> Option<Known> {
        Some(Known {
            server: server.to_owned(),
            keys_dir: "keys".into(),
        })
    }

    #[test]
    fn an_address_alone_has_no_keys_unless_they_belong_to_it() {
        let same = Context::choose(
            Some("http://127.0.0.1:7400/"),
            known("http://127.0.0.1:7400"),
            false,
        )
        .unwrap();
        assert_eq!(same.keys_dir, Some("keys".into()));
        assert_eq!(same.server, "http://127.0.0.1:7400");
        let other = Context::choose(
            Some("http://127.0.0.1:7500"),
            known("http://127.0.0.1:7400"),
            false,
        )
        .unwrap();
        assert_eq!(other.keys_dir, None);
    }

    #[test]
    fn without_any_name_the_mend_is_told() {
        let error = Context::choose(None, None, false).unwrap_err().to_string();
        assert!(error.contains("flowforge dev"), "{error}");
    }

    #[test]
    fn a_wrong_address_and_a_wrong_file_are_named() {
        for wrong in [
            "127.0.0.1:7400",
            "ftp://127.0.0.1",
            "http://127.0.0.1:7400/graphql",
        ] {
            assert!(
                matches!(
                    Context::choose(Some(wrong), None, false),
                    Err(ContextError::Address { .. })
                ),
                "{wrong}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.json");
        assert!(matches!(
            Context::resolve(None, Some(&file)),
            Err(ContextError::Unreadable { .. })
        ));
        fs::write(&file, "{}").unwrap();
        assert!(matches!(
            Context::resolve(None, Some(&file)),
            Err(ContextError::Malformed { .. })
        ));
    }
}
