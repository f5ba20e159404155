//! `{ $file: NAME }` in a test: a file beside it, as an artefact that goes in or is expected to come out.

use std::fs;
use std::path::{Path, PathBuf};

use flowforge_protocol::Digest;
use flowforge_runtime::artefacts::{ArtefactError, ArtefactStore as _, FileStore};
use serde_json::{Value, json};

/// The key that marks a file.
const MARK: &str = "$file";

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Bytes of one write into the store.
const PIECE_BYTES: usize = 1 << 20;

/// The value with every marked file put into the store, as a workflow would pass it on.
///
/// # Errors
/// Which file cannot be read, and why.
pub(crate) async fn put_in(value: &Value, folder: &Path, store: &FileStore) -> Result<Value, String> {
    if let Some(marked) = Marked::of(value) {
        return marked.put(folder, store).await;
    }
    match value {
        Value::Array(items) => {
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                all.push(Box::pin(put_in(item, folder, store)).await?);
            }
            Ok(Value::Array(all))
        }
        Value::Object(fields) => {
            let mut all = serde_json::Map::new();
            for (key, item) in fields {
                all.insert(key.clone(), Box::pin(put_in(item, folder, store)).await?);
            }
            Ok(Value::Object(all))
        }
        plain => Ok(plain.clone()),
    }
}

/// A path that stays inside the folder.
///
/// # Errors
/// That it does not.
pub(crate) fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain && !name.is_empty() {
        Ok(folder.join(name))
    } else {
        Err(format!("`{name}` does not lie beside the test"))
    }
}

/// Puts bytes into the store.
///
/// # Errors
/// Why the store does not take them.
pub(crate) async fn keep(bytes: &[u8], store: &FileStore) -> Result<(Digest, u64), ArtefactError> {
    let mut writing = store.create().await?;
    for piece in bytes.chunks(PIECE_BYTES) {
        writing.write(piece).await?;
    }
    writing.finish().await
}

struct Marked<'v> {
    file: &'v str,
    name: Option<&'v str>,
    media_type: Option<&'v str>,
}

impl<'v> Marked<'v> {
    fn of(value: &'v Value) -> Option<Self> {
        let fields = value.as_object()?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        Some(Self {
            file: text(MARK)?,
            name: text("name"),
            media_type: text("media_type"),
        })
    }

    async fn put(&self, folder: &Path, store: &FileStore) -> Result<Value, String> {
        let path = inside(folder, self.file)?;
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.file);
        let size = fs::metadata(&path).map_err(|error| told(&error))?.len();
        if size > FILE_BYTES_MAX {
            return Err(format!(
                "{}: {size} bytes, above the limit of {FILE_BYTES_MAX}",
                self.file
            ));
        }
        let bytes = fs::read(&path).map_err(|error| told(&error))?;
        let (digest, size) = keep(&bytes, store).await.map_err(|error| told(&error))?;
        let own = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(json!({
            "digest": digest,
            "name": self.name.map_or(own.unwrap_or_default(), str::to_owned),
            "media_type": self.media_type.unwrap_or("application/octet-stream"),
            "size": size,
        }))
    }
}
