//! Which control plane a command talks to, and where the keys of its owner are.
//!
//! A server writes what a client needs to know into its data folder (`client.json`) and into the user's folder
//! (`context.json`), so that commands on the same machine find it without being told. Whoever signs in at servers keeps what
//! shows that in the user's folder, too: in `context.json` of the one that is meant without being named, and in
//! `contexts/NAME.json` of each. All of them are for the user's eyes only.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use serde::{Deserialize, Serialize};

/// What a server leaves for its clients.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its address, `http://127.0.0.1:7400`.
    pub server: String,
    /// The folder of the signing keys of this workspace's owner, if it is on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_dir: Option<PathBuf>,
    /// What is shown where people sign in: the owner's token, an API token or a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What is shown is not printed.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({})", self.server)
    }
}

/// One control plane, chosen.
#[derive(Clone, PartialEq, Eq)]
pub struct Context {
    /// Its address, without a slash at the end.
    pub server: String,
    /// Where the release, grant and publisher keys are; absent when only an address was given.
    pub keys_dir: Option<PathBuf>,
    /// What is shown with each call; absent where nobody signs in.
    pub token: Option<String>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("server", &self.server)
            .field("keys_dir", &self.keys_dir)
            .finish_non_exhaustive()
    }
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
    /// What is in `FLOWFORGE_TOKEN` cannot be shown to a server.
    #[error(
        "FLOWFORGE_TOKEN holds no token: expected one line, as `flowforge token make` prints it, without spaces"
    )]
    Token,
}

impl Context {
    /// Chooses: the address given; else the file given, or the kept context of this name; else the server last started or
    /// signed in to by this user.
    ///
    /// An address keeps the keys and the token of the context that would have been chosen without it, if that names the same
    /// server. `FLOWFORGE_TOKEN` is shown in the place of a kept token.
    ///
    /// # Errors
    /// `Unknown` when nothing names a server; the others when what names it is wrong.
    pub fn resolve(server: Option<&str>, file: Option<&Path>) -> Result<Self, ContextError> {
        let known = match file {
            Some(path) => Some(read(&named_context(path))?),
            None => match home_folder().map(|home| home.join("context.json")) {
                Some(path) if path.is_file() => Some(read(&path)?),
                _ => None,
            },
        };
        let mut chosen = Self::choose(server, known, file.is_some())?;
        if let Ok(token) = env::var("FLOWFORGE_TOKEN")
            && !token.is_empty()
        {
            chosen.token = Some(shown(&token)?);
        }
        Ok(chosen)
    }

    fn choose(server: Option<&str>, known: Option<Known>, named: bool) -> Result<Self, ContextError> {
        let address = server.or(known.as_ref().map(|known| known.server.as_str()));
        let address = clean(address.ok_or(ContextError::Unknown)?)?;
        // What is shown goes to the server that it is of, and to no other, whatever was named.
        let is_its = known
            .as_ref()
            .is_some_and(|known| clean(&known.server).is_ok_and(|own| own == address));
        let known = known.filter(|_| named || is_its);
        let token = known
            .as_ref()
            .filter(|_| is_its)
            .and_then(|known| known.token.clone());
        Ok(Self {
            server: address,
            keys_dir: known.and_then(|known| known.keys_dir),
            token,
        })
    }
}

/// A token as it is shown to a server; what a variable of a shell has around it is left out.
fn shown(token: &str) -> Result<String, ContextError> {
    let token = token.trim();
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token.to_owned())
    } else {
        Err(ContextError::Token)
    }
}

/// The file that is meant: a kept context where a name was given and no such file is there.
fn named_context(given: &Path) -> PathBuf {
    let is_name = given.components().count() == 1 && !given.exists();
    let kept = home_folder().map(|home| home.join("contexts").join(given).with_extension("json"));
    kept.filter(|kept| is_name && kept.is_file())
        .unwrap_or_else(|| given.to_owned())
}

/// The names of the contexts that were kept, with what each holds, in their order.
///
/// # Errors
/// One of them cannot be read.
pub fn kept_contexts() -> Result<Vec<(String, Known)>, ContextError> {
    let Some(folder) = home_folder().map(|home| home.join("contexts")) else {
        return Ok(Vec::new());
    };
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(Vec::new());
    };
    let mut kept = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|ending| ending == "json")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            kept.push((name.to_owned(), read(&path)?));
        }
    }
    kept.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(kept)
}

/// Keeps a context for this user alone: under its name, if it has one, and as the one that is meant without being named.
///
/// # Errors
/// What the system says of the files, or that the user has no folder.
pub fn keep_context(name: Option<&str>, known: &Known) -> io::Result<PathBuf> {
    let home = home_folder().ok_or_else(|| io::Error::other("this user has no folder of its own"))?;
    let mut text = serde_json::to_vec_pretty(known).map_err(io::Error::other)?;
    text.push(b'\n');
    if let Some(name) = name {
        let folder = home.join("contexts");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        write_private(&folder.join(name).with_extension("json"), &text)?;
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
    let current = home.join("context.json");
    write_private(&current, &text)?;
    Ok(current)
}

/// Replaces a file that only its owner may read.
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // One that was left by a program that was ended may be readable for others.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// What is shown to a server is of it: forgets it everywhere in the user's folder.
///
/// # Errors
/// What the system says of the files.
pub fn forget_token(server: &str) -> Result<(), ContextError> {
    let Some(home) = home_folder() else { return Ok(()) };
    let mut paths = vec![home.join("context.json")];
    for (name, _) in kept_contexts()? {
        paths.push(home.join("contexts").join(name).with_extension("json"));
    }
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let mut known = read(&path)?;
        if known.token.is_none() || clean(&known.server).ok() != clean(server).ok() {
            continue;
        }
        known.token = None;
        let text = serde_json::to_vec_pretty(&known).map_err(io::Error::other);
        text.and_then(|text| write_private(&path, &text))
            .map_err(|source| ContextError::Unreadable { path, source })?;
    }
    Ok(())
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
            keys_dir: Some("keys".into()),
            token: Some("ff-token-1.x".to_owned()),
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
        assert_eq!(same.token.as_deref(), Some("ff-token-1.x"));
        assert!(!format!("{same:?}").contains("ff-token"));
        let other = Context::choose(
            Some("http://127.0.0.1:7500"),
            known("http://127.0.0.1:7400"),
            false,
        )
        .unwrap();
        assert_eq!((other.keys_dir, other.token), (None, None));
        // A file that was named lends its keys to another address, and never what is shown.
        let named = Context::choose(
            Some("http://127.0.0.1:7500"),
            known("http://127.0.0.1:7400"),
            true,
        )
        .unwrap();
        assert_eq!((named.keys_dir, named.token), (Some("keys".into()), None));
    }

    /// The answer of a command was taken for a token, and the server was said not to finish its answer.
    #[test]
    fn what_is_no_token_is_not_shown() {
        assert_eq!(shown(" ff-token-1.a.b\n").unwrap(), "ff-token-1.a.b");
        for wrong in ["\n", "{\n  \"id\": 1\n}", "two words", "é"] {
            assert!(matches!(shown(wrong), Err(ContextError::Token)), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_is_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(folder.path().join("a.new"), "left").unwrap();
        write_private(&path, b"{}").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"{}");
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
