//! The data folder: one process at a time, or several that keep their data in one database; private files, errors that
//! say what to do.
//!
//! The folder must be this user's, and nobody else may write into it: whoever can, can put a trust root and keys of their
//! own in the place of ours. Key files must not be readable by others either.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why a data folder cannot be used. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("{path} is already open in process {pid}; use that one at {url}")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process.
        pid: u32,
        /// Where it listens; `its address` while it is still starting.
        url: String,
    },
    /// Not writable.
    #[error("cannot write {path} (read-only or not yours); make it writable or choose another --data-dir")]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
    },
    /// No space.
    #[error("cannot write {path}: the disk is full; free some space or choose another --data-dir")]
    Full {
        /// The file or folder.
        path: PathBuf,
    },
    /// There is something else with this name.
    #[error("{path} is not a folder; choose another --data-dir")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to another user, who can change it at any time.
    #[error("{path} belongs to user {owner}, this program runs as user {user}; choose another --data-dir")]
    NotYours {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this program.
        user: u32,
    },
    /// Others may do too much with it.
    #[error(
        "{path} can be {what} by other users (mode {mode:o}); take that from them with chmod go-rwx, and if they are not to \
         be trusted, begin with a new folder: they may have {done} its keys"
    )]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What they may do.
        what: &'static str,
        /// What they may have done.
        done: &'static str,
    },
    /// Anything else.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl FolderError {
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Self::NotAFolder { path },
            _ => Self::Io { path, source },
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    url: Option<String>,
}

/// A data folder that this process holds until the value is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Creates the folder if it is absent and takes it for this process.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        Self::open_with(path, File::try_lock)
    }

    /// As [`DataFolder::open`], together with other processes that do the same.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_shared(path: &Path) -> Result<Self, FolderError> {
        Self::open_with(path, File::try_lock_shared)
    }

    /// Does something in the folder that no other process may do at the same time: making its first files.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> Result<T, FolderError> {
        let file = self.path.join("making.lock");
        let failed = |e| FolderError::from_io(&file, e);
        let lock = private_file(&file).map_err(failed)?;
        // Whoever has it writes some small files.
        lock.lock().map_err(failed)?;
        Ok(work())
    }

    fn open_with(path: &Path, take: fn(&File) -> Result<(), TryLockError>) -> Result<Self, FolderError> {
        create_private_dir(path)?;
        let path = path.canonicalize().map_err(|e| FolderError::from_io(path, e))?;
        check_whole(&path)?;
        let file = path.join("server.lock");
        let mut lock = private_file(&file).map_err(|e| FolderError::from_io(&file, e))?;
        match take(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut lock)),
            Err(TryLockError::Error(source)) => return Err(FolderError::from_io(&file, source)),
        }
        let mut folder = Self { path, lock };
        folder.announce(None)?;
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes into the lock file who holds the folder and where to find them.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn announce(&mut self, url: Option<&str>) -> Result<(), FolderError> {
        let holder = Holder {
            pid: std::process::id(),
            url: url.map(str::to_owned),
        };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        let file = &mut self.lock;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|e| FolderError::from_io(&self.path.join("server.lock"), e))
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn in_use(path: PathBuf, lock: &mut File) -> FolderError {
    let mut text = String::new();
    let holder = lock
        .take(4096)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    FolderError::InUse {
        path,
        pid: holder.as_ref().map_or(0, |holder| holder.pid),
        url: holder
            .and_then(|holder| holder.url)
            .unwrap_or_else(|| "its address".to_owned()),
    }
}

/// What other users may do with a file.
#[derive(Clone, Copy)]
enum Others {
    /// Read it, but not change it.
    Read,
    /// Nothing.
    Nothing,
}

/// The folder and what lies in it: all of it this user's, nothing of it to be changed by others.
fn check_whole(path: &Path) -> Result<(), FolderError> {
    let failed = |e| FolderError::from_io(path, e);
    check(path, &fs::symlink_metadata(path).map_err(failed)?, Others::Read)?;
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        check(&entry.path(), &entry.metadata().map_err(failed)?, Others::Read)?;
    }
    Ok(())
}

fn check(path: &Path, metadata: &fs::Metadata, others: Others) -> Result<(), FolderError> {
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(FolderError::NotYours {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    // A link has no mode of its own.
    let mode = if metadata.is_symlink() {
        0
    } else {
        metadata.mode() & 0o777
    };
    let (denied, what, done) = match others {
        Others::Read => (0o022, "changed", "replaced"),
        Others::Nothing => (0o077, "read", "read"),
    };
    if mode & denied == 0 {
        return Ok(());
    }
    Err(FolderError::OpenToOthers {
        path: path.to_owned(),
        mode,
        what,
        done,
    })
}

/// The content of a file that nobody else may read, or none if there is no such file.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    let failed = |e| FolderError::from_io(path, e);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Of the file that is read, not of its name.
    check(path, &file.metadata().map_err(failed)?, Others::Nothing)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Creates a folder that only its owner may enter; one that exists stays as it is.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), FolderError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| FolderError::from_io(path, e))
}

/// Replaces a file, 0600, so that after a crash it is either the old or the new one.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let failed = |e| FolderError::from_io(path, e);
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = parent.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)?;
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// A file's content, or none if there is no such file.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::from_io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it_and_where() {
        let home = tempfile::tempdir().unwrap();
        let mut first = DataFolder::open(&home.path().join("ff")).unwrap();
        first.announce(Some("http://127.0.0.1:7400")).unwrap();
        let error = DataFolder::open(&home.path().join("ff")).unwrap_err();
        let expected = format!(
            "is already open in process {}; use that one at http://127.0.0.1:7400",
            std::process::id()
        );
        assert!(error.to_string().ends_with(&expected), "{error}");
        drop(first);
        DataFolder::open(&home.path().join("ff")).unwrap();
    }

    #[test]
    fn several_share_a_folder_and_none_of_them_with_one_that_wants_it_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ff");
        let first = DataFolder::open_shared(&path).unwrap();
        let second = DataFolder::open_shared(&path).unwrap();
        assert_eq!(second.alone(|| 5).unwrap(), 5);
        drop(first);
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::InUse { .. }), "{error:?}");
        drop(second);
        let alone = DataFolder::open(&path).unwrap();
        assert!(DataFolder::open_shared(&path).is_err());
        drop(alone);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ff");
        fs::write(&path, "x").unwrap();
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::NotAFolder { .. }), "{error:?}");
    }

    /// A folder of mode 777 was taken: another user put keys and a trust root of their own into it, and the server used
    /// them.
    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ff");
        DataFolder::open(&path).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for mode in [0o777, 0o720, 0o702] {
            set(&path, mode);
            let error = DataFolder::open(&path).unwrap_err().to_string();
            assert!(
                error.contains("can be changed by other users"),
                "{mode:o}: {error}"
            );
        }
        set(&path, 0o755);
        DataFolder::open(&path).unwrap();
        fs::write(path.join("trust-root.json"), "{}").unwrap();
        set(&path.join("trust-root.json"), 0o666);
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::OpenToOthers { .. }), "{error:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_no_secret() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        write_private(&path, b"secret").unwrap();
        assert_eq!(read_secret(&path).unwrap().as_deref(), Some(&b"secret"[..]));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_secret(&path).unwrap_err().to_string();
        assert!(error.contains("can be read by other users (mode 640)"), "{error}");
        assert_eq!(read_secret(&home.path().join("none")).unwrap(), None);
    }

    #[test]
    fn private_files_are_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_if_present(&path).unwrap().as_deref(), Some(&b"secret"[..]));
        assert_eq!(read_if_present(&home.path().join("none")).unwrap(), None);
    }
}
