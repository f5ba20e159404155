//! Compiled code on disk: `ENGINE/DIGEST.cwasm` and beside it `DIGEST.seal`, the digest of the code.
//!
//! Loading compiled code is trusting it. What is loaded here was written by this host into a folder that only its own
//! user can write, under a name that says which component and which engine it is for, and its bytes still have the digest
//! that was noted when they were made. The bytes are compared and mapped through the same open file, so that nothing can be
//! put in its place in between. A file without its note, or with other bytes, is removed and made again.
//!
//! What is kept is bounded: code that was loaded longest ago goes first, and code of other engines goes when it was not
//! loaded for a while. Removing a file takes nothing from a component that is loaded from it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use flowforge_protocol::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::{CompileError, compile};
use crate::config::{CodeLimits, CompileConfig};
use crate::engine::compatibility_key;
use crate::threads::off_thread;

/// Age of an unfinished file that nobody is writing any more.
const LEFT_OVER_AFTER: Duration = Duration::from_hours(1);

/// Where compiled code is kept.
#[derive(Clone)]
pub(crate) struct CodeCache {
    folder: PathBuf,
    next_temporary: Arc<AtomicU64>,
    limits: CodeLimits,
}

/// Why there is no code for a component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("compiled code cannot be loaded: {0}")]
    Load(String),
    #[error("code cache cannot be used")]
    Storage(#[source] std::io::Error),
}

impl CodeCache {
    pub(crate) fn open(root: &Path, engine: &Engine, limits: CodeLimits) -> std::io::Result<Self> {
        let folder = root.join(compatibility_key(engine));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if is_left_over(&entry)? {
                std::fs::remove_file(entry.path())?;
            }
        }
        let cache = Self {
            folder,
            next_temporary: Arc::default(),
            limits,
        };
        cache.forget_other_engines(root)?;
        Ok(cache)
    }

    /// The compiled component: from disk if it is there and whole, else compiled now.
    pub(crate) async fn component(
        &self,
        engine: &Engine,
        config: &CompileConfig,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, CodeError> {
        match self.stored(engine, digest).await {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            Err(CodeError::Load(reason)) => {
                tracing::warn!(connector = %digest, reason, "compiled code cannot be loaded and is made again");
            }
            Err(error) => return Err(error),
        }
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}.tmp", std::process::id());
        let temporary = TemporaryFile(self.folder.join(name));
        compile(config, bytes, &temporary.0).await?;
        let cache = self.clone();
        off_thread(move || cache.keep(&temporary, &digest))
            .await
            .and_then(|kept| kept)
            .map_err(CodeError::Storage)?;
        let component = self.stored(engine, digest).await?;
        component.ok_or_else(|| CodeError::Load("the file vanished after it was written".to_owned()))
    }

    /// Gives new code its name and its seal. The seal goes last: a crash in between leaves code without a seal, which is
    /// never loaded.
    fn keep(&self, temporary: &TemporaryFile, digest: &Digest) -> std::io::Result<()> {
        let code = std::fs::read(&temporary.0)?;
        let seal = TemporaryFile(temporary.0.with_extension("seal.tmp"));
        std::fs::write(&seal.0, Digest::of(&code).to_string())?;
        for file in [&temporary.0, &seal.0] {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
        }
        std::fs::rename(&temporary.0, self.code_path(digest))?;
        std::fs::rename(&seal.0, self.seal_path(digest))?;
        tracing::debug!(connector = %digest, code_bytes = code.len(), "component compiled");
        self.evict(digest)
    }

    /// Removes what was loaded longest ago until the rest is within the bound. What was made just now stays.
    fn evict(&self, newest: &Digest) -> std::io::Result<()> {
        let newest = self.code_path(newest);
        let mut kept = codes_in(&self.folder)?;
        kept.sort_by_key(|code| code.used);
        let mut bytes: u64 = kept.iter().map(|code| code.bytes).sum();
        for code in kept {
            if bytes <= self.limits.bytes_max {
                break;
            }
            if code.path == newest {
                continue;
            }
            remove_if_there(&code.path.with_extension("seal"))?;
            remove_if_there(&code.path)?;
            bytes = bytes.saturating_sub(code.bytes);
            tracing::info!(code = %code.path.display(), code_bytes = code.bytes, "compiled code is let go of, the cache is full");
        }
        Ok(())
    }

    /// Removes the folders of other engines in which nothing was loaded for a while.
    fn forget_other_engines(&self, root: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(root)? {
            let entry = entry?;
            let folder = entry.path();
            let is_engine = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if folder == self.folder || !is_engine || !entry.file_type()?.is_dir() {
                continue;
            }
            let made = entry.metadata()?.modified()?;
            let last = codes_in(&folder)?
                .iter()
                .map(|code| code.used)
                .max()
                .unwrap_or(made);
            if last
                .elapsed()
                .is_ok_and(|age| age >= self.limits.other_engine_age)
            {
                std::fs::remove_dir_all(&folder)?;
                tracing::info!(folder = %folder.display(), "compiled code of an earlier engine is removed");
            }
        }
        Ok(())
    }

    async fn stored(&self, engine: &Engine, digest: Digest) -> Result<Option<Component>, CodeError> {
        let cache = self.clone();
        let engine = engine.clone();
        off_thread(move || cache.read(&engine, &digest))
            .await
            .map_err(CodeError::Storage)?
    }

    /// The code on disk, if it is whole. Anything else under its name is removed.
    fn read(&self, engine: &Engine, digest: &Digest) -> Result<Option<Component>, CodeError> {
        let path = self.code_path(digest);
        let Ok(seal) = std::fs::read_to_string(self.seal_path(digest)) else {
            return Ok(None);
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CodeError::Storage(error)),
        };
        let mut code = Vec::new();
        file.read_to_end(&mut code).map_err(CodeError::Storage)?;
        if Digest::of(&code).to_string() != seal {
            tracing::warn!(connector = %digest, "compiled code does not match its seal and is made again");
            self.forget(digest);
            return Ok(None);
        }
        // Noted for the eviction; a cache that cannot note it only evicts a little less well.
        let _ = file.set_modified(SystemTime::now());
        deserialize(engine, &file, code).map(Some).map_err(|error| {
            self.forget(digest);
            CodeError::Load(format!("{error:#}"))
        })
    }

    fn forget(&self, digest: &Digest) {
        // What cannot be removed is overwritten by the rename that follows.
        let _ = std::fs::remove_file(self.seal_path(digest));
        let _ = std::fs::remove_file(self.code_path(digest));
    }

    fn code_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.cwasm", digest.hex()))
    }

    fn seal_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.seal", digest.hex()))
    }
}

/// Whether a process that is gone left this unfinished: it is older than any compilation may take. A second process on the
/// same folder is refused later, and must not disturb the first before that.
fn is_left_over(entry: &std::fs::DirEntry) -> std::io::Result<bool> {
    if entry
        .path()
        .extension()
        .is_none_or(|extension| extension != "tmp")
    {
        return Ok(false);
    }
    let written = entry.metadata()?.modified()?;
    Ok(written.elapsed().is_ok_and(|age| age > LEFT_OVER_AFTER))
}

/// Maps the open file, where the system lets a process name its open files; else takes the bytes that were read from it.
#[expect(unsafe_code, reason = "loading compiled code has no safe form")]
fn deserialize(engine: &Engine, file: &File, code: Vec<u8>) -> wasmtime::Result<Component> {
    let mapped = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if mapped.exists() {
        drop(code);
        // SAFETY: the file was written by `component` above from wasmtime's own output, into a folder that only this user
        // can write, and the caller has just checked the bytes of this very file against the digest noted then.
        return unsafe { Component::deserialize_file(engine, mapped) };
    }
    // SAFETY: as above, for these very bytes.
    unsafe { Component::deserialize(engine, code) }
}

/// Compiled code on disk.
struct Code {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

fn codes_in(folder: &Path) -> std::io::Result<Vec<Code>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "cwasm") {
            continue;
        }
        match std::fs::metadata(&path) {
            Ok(metadata) => found.push(Code {
                bytes: metadata.len(),
                used: metadata.modified()?,
                path,
            }),
            // Removed since the folder was read.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A file that is removed unless it was renamed.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
