//! Opening the folder: everything is read once, checked, and what no finished push refers to is removed.
//!
//! A damaged file costs what it describes and is logged; a folder that cannot be read at all is an error.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flowforge_gates::Advisory;
use flowforge_ports::Interface;
use flowforge_protocol::{ConnectorName, Digest};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::access::{Account, People, TokenKey};
use crate::blobs::{Blobs, read_checked};
use crate::catalogue::Entry;
use crate::config::{MANIFEST_BYTES_MAX, RegistryConfig};
use crate::gates::Speakers;
use crate::index::{Index, Repo};
use crate::layout::Layout;
use crate::manifest::Stored;
use crate::publisher::Publisher;
use crate::standing::{Deprecation, Standing};
use crate::{files, gates};

/// Why a registry's folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open; use that one, or another folder.
    #[error("the registry's folder {path} is open in another process")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the registry's folder {path} cannot be used")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What is stored of a published version. It holds what cannot be derived from the manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionFile {
    pub(crate) manifest_digest: Digest,
    pub(crate) publication: String,
    pub(crate) published_at_ms: u64,
    /// The site's own word about the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adoption: Option<String>,
}

/// Who may do something without an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessFile {
    /// Whether public connectors are pulled so.
    pub(crate) anonymous_pull: bool,
}

/// What is stored of a component's interface, so that it is not read from its bytes at every start.
#[derive(Serialize, Deserialize)]
struct InterfaceFile {
    /// Version of the program that read it: another one may see more.
    made_by: String,
    interface: Interface,
}

const MADE_BY: &str = env!("CARGO_PKG_VERSION");

/// Everything that [`open`] finds.
pub(crate) struct Loaded {
    pub(crate) layout: Layout,
    pub(crate) index: Index,
    pub(crate) blobs: Blobs,
    pub(crate) token_key: TokenKey,
    /// Held as long as the registry lives.
    pub(crate) lock: File,
}

/// Opens the folder, making it if there is none. Blocks.
pub(crate) fn open(path: &Path, config: &RegistryConfig) -> Result<Loaded, OpenError> {
    let layout = Layout::new(path);
    let failed = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    files::create_folder(path).map_err(failed)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(layout.lock())
        .map_err(failed)?;
    let is_alone = take(&lock, config.shared).map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked {
            path: path.to_owned(),
        },
        TryLockError::Error(source) => failed(source),
    })?;
    let (index, stored_bytes) = load(&layout, config, is_alone).map_err(failed)?;
    let token_key = token_key(&layout).map_err(failed)?;
    if config.shared {
        // Others may come now.
        lock.lock_shared().map_err(failed)?;
    }
    let blobs = Blobs::new(layout.clone(), stored_bytes, config.store_bytes_max);
    Ok(Loaded {
        layout,
        index,
        blobs,
        token_key,
        lock,
    })
}

/// Takes the folder; true if no other process has it.
fn take(lock: &File, shared: bool) -> Result<bool, TryLockError> {
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) if shared => {
            // One that opens the folder has it alone for a moment.
            lock.lock_shared().map_err(TryLockError::Error)?;
            Ok(false)
        }
        taken => taken.map(|()| true),
    }
}

/// Reads the folder. What an earlier process left unfinished is removed, if no other process may be about to finish it.
fn load(layout: &Layout, config: &RegistryConfig, is_alone: bool) -> io::Result<(Index, u64)> {
    for folder in [
        layout.blobs(),
        layout.uploads(),
        layout.interfaces(),
        layout.repos(),
        layout.advisories(),
        layout.accounts(),
        layout.publishers(),
    ] {
        files::create_folder(&folder)?;
    }
    if is_alone {
        for upload in files::entries(&layout.uploads())? {
            fs::remove_file(layout.uploads().join(upload))?;
        }
    }
    let index = index(layout, config)?;
    let stored_bytes = sweep(layout, &index, is_alone)?;
    Ok((index, stored_bytes))
}

/// What is in the folder.
pub(crate) fn index(layout: &Layout, config: &RegistryConfig) -> io::Result<Index> {
    let mut index = Index::default();
    load_advisories(layout, &mut index)?;
    index.people = Arc::new(load_people(layout)?);
    for publisher in files::entries(&layout.repos())? {
        for connector in files::entries(&layout.repos().join(&publisher))? {
            match format!("{publisher}:{connector}").parse::<ConnectorName>() {
                Ok(name) => {
                    let speakers = Speakers {
                        trust: &config.trust,
                        publisher: index.people.publishers.get(&publisher).map(AsRef::as_ref),
                    };
                    let repo = load_repo(layout, config, speakers, &name)?;
                    index.add_repo(name, repo);
                }
                Err(error) => tracing::warn!(%error, "foreign folder in the registry is left alone"),
            }
        }
    }
    Ok(index)
}

/// Removes blobs that no manifest names: pushes that never ended, unless another process may be at them. Returns the bytes
/// that stay.
fn sweep(layout: &Layout, index: &Index, is_alone: bool) -> io::Result<u64> {
    let named: HashSet<&Digest> = index.repos.values().flat_map(|repo| repo.blobs.keys()).collect();
    let mut stored_bytes = 0;
    for file in files::entries(&layout.blobs())? {
        let path = layout.blobs().join(&file);
        match format!("sha256:{file}").parse::<Digest>() {
            Ok(digest) if is_alone && !named.contains(&digest) => fs::remove_file(path)?,
            _ => stored_bytes += fs::metadata(path)?.len(),
        }
    }
    Ok(stored_bytes)
}

fn load_repo(
    layout: &Layout,
    config: &RegistryConfig,
    speakers: Speakers<'_>,
    name: &ConnectorName,
) -> io::Result<Repo> {
    let mut repo = Repo::default();
    for file in files::entries(&layout.manifests(name))? {
        let path = layout.manifests(name).join(&file);
        match load_manifest(&path, &file) {
            Ok(stored) => repo.add_manifest(Arc::new(stored), (config.now_ms)()),
            Err(error) => {
                tracing::error!(connector = %name, file, %error, "manifest is damaged and not served")
            }
        }
    }
    for tag in files::entries(&layout.tags(name))? {
        let text = fs::read_to_string(layout.tags(name).join(&tag))?;
        match (gates::version_of_tag(&tag), text.parse()) {
            (Ok(version), Ok(digest)) => {
                repo.tags.insert(version, digest);
            }
            _ => tracing::error!(connector = %name, tag, "tag is damaged and not served"),
        }
    }
    for file in files::entries(&layout.versions(name))? {
        let version = file
            .strip_suffix(".json")
            .and_then(|tag| gates::version_of_tag(tag).ok());
        let bytes = fs::read(layout.versions(name).join(&file))?;
        let entry = match (version, serde_json::from_slice::<VersionFile>(&bytes)) {
            (Some(version), Ok(stored)) => {
                let manifest = stored.manifest_digest;
                let known = (layout, config, speakers);
                let entry = load_entry(known, name, &repo, version, stored);
                if entry.is_err() {
                    repo.withheld.insert(manifest);
                }
                entry
            }
            _ => Err("its file is damaged".to_owned()),
        };
        match entry {
            Ok(entry) => repo.publish(Arc::new(entry)),
            Err(error) => {
                tracing::error!(connector = %name, file, %error, "version is not published any more")
            }
        }
    }
    repo.deprecation = load_json::<Option<Deprecation>>(&layout.deprecation(name))
        .flatten()
        .map(Arc::new);
    Ok(repo)
}

fn load_advisories(layout: &Layout, index: &mut Index) -> io::Result<()> {
    for file in files::entries(&layout.advisories())? {
        match load_json::<Advisory>(&layout.advisories().join(&file)) {
            Some(advisory) if advisory.check().is_ok() => {
                index.advisories.insert(advisory.id.clone(), Arc::new(advisory));
            }
            _ => tracing::error!(file, "advisory is damaged and does not hold"),
        }
    }
    Ok(())
}

/// Accounts and publishers. A damaged publisher has no keys and no members until it is restored: nobody takes its name.
fn load_people(layout: &Layout) -> io::Result<People> {
    let mut people = People {
        anonymous_pull: load_json::<AccessFile>(&layout.access())
            .unwrap_or_default()
            .anonymous_pull,
        ..People::default()
    };
    for file in files::entries(&layout.accounts())? {
        if let (Some(name), Some(account)) = (
            file.strip_suffix(".json"),
            load_json::<Account>(&layout.accounts().join(&file)),
        ) {
            people.accounts.insert(name.to_owned(), account);
        }
    }
    for file in files::entries(&layout.publishers())? {
        let Some(name) = file.strip_suffix(".json") else {
            continue;
        };
        let publisher =
            load_json(&layout.publishers().join(&file)).unwrap_or_else(|| Publisher::damaged(name));
        people.publishers.insert(name.to_owned(), Arc::new(publisher));
    }
    Ok(people)
}

/// The key of tokens; made at the first start.
fn token_key(layout: &Layout) -> io::Result<TokenKey> {
    let path = layout.token_key();
    if let Ok(bytes) = fs::read(&path)
        && let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice())
    {
        return Ok(TokenKey(key));
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    files::write_whole(&layout.temporary(), &path, &key)?;
    Ok(TokenKey(key))
}

/// A small document; none if there is none, or a damaged one.
fn load_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    let parsed = serde_json::from_slice(&bytes);
    if let Err(error) = &parsed {
        tracing::error!(path = %path.display(), %error, "file is damaged and passed over");
    }
    parsed.ok()
}

fn load_manifest(path: &Path, file: &str) -> Result<Stored, String> {
    let digest: Digest = format!("sha256:{file}")
        .parse()
        .map_err(|_| "its name is no digest".to_owned())?;
    let bytes = read_checked(path, &digest, MANIFEST_BYTES_MAX as u64).map_err(|error| error.to_string())?;
    Stored::parse(bytes).map_err(|refusal| refusal.message)
}

fn load_entry(
    (layout, config, speakers): (&Layout, &RegistryConfig, Speakers<'_>),
    name: &ConnectorName,
    repo: &Repo,
    version: Version,
    file: VersionFile,
) -> Result<Entry, String> {
    let stored = repo
        .manifests
        .get(&file.manifest_digest)
        .ok_or("its manifest is missing")?;
    let layer = stored
        .manifest
        .component()
        .ok_or("its manifest is no component")?;
    let interface = match load_interface(layout, &layer.digest) {
        Some(interface) => interface,
        None => {
            let path = layout.blob(&layer.digest);
            let bytes =
                read_checked(&path, &layer.digest, config.component_bytes_max).map_err(|e| e.to_string())?;
            // It was let through when it was published; the gates of today are for what comes today.
            let interface = flowforge_ports::inspect(&bytes).map_err(|error| error.to_string())?;
            store_interface(layout, &layer.digest, &interface).map_err(|error| error.to_string())?;
            interface
        }
    };
    let standing = load_json::<Standing>(&layout.standing(name, &version)).unwrap_or_default();
    let entry = new_entry(name, version, stored, interface, file, speakers)?;
    Ok(Entry { standing, ..entry })
}

/// The entry of a version, if its publication holds.
pub(crate) fn new_entry(
    name: &ConnectorName,
    version: Version,
    stored: &Stored,
    interface: Interface,
    file: VersionFile,
    speakers: Speakers<'_>,
) -> Result<Entry, String> {
    let layer = stored
        .manifest
        .component()
        .ok_or("its manifest is no component")?;
    let envelope = file.publication.as_bytes();
    let own = speakers.check_stored(envelope, name, &layer.digest, file.published_at_ms);
    let adopted = file.adoption.as_ref().map(|adoption| {
        let adopted = speakers.check_site(adoption.as_bytes(), name, &layer.digest);
        adopted.map_err(|refusal| refusal.message)
    });
    // The site's own word keeps what it installed, whatever becomes of the publisher's key.
    let is_disowned = own.is_err();
    let signed = match (own, &adopted) {
        (Ok(signed), _) => signed,
        (Err(_), Some(Ok(adopted))) => adopted.clone(),
        (Err(refusal), _) => return Err(refusal.message),
    };
    if signed.version != version.to_string() {
        return Err(format!("its publication is for version {}", signed.version));
    }
    let adoption = file.adoption.filter(|_| matches!(adopted, Some(Ok(_))));
    let is_installed = adoption.is_some() || speakers.check_site(envelope, name, &layer.digest).is_ok();
    Ok(Entry {
        name: name.clone(),
        version,
        layer_digest: layer.digest,
        manifest_digest: stored.digest,
        size_bytes: layer.size,
        interface: Arc::new(interface),
        publisher_key: signed.key_id(),
        publication: file.publication,
        adoption,
        is_installed,
        is_disowned,
        published_at_ms: file.published_at_ms,
        standing: Standing::default(),
    })
}

/// The stored interface of a component; none if there is none, or one that another version of this program read.
pub(crate) fn load_interface(layout: &Layout, layer: &Digest) -> Option<Interface> {
    let bytes = Bytes::from(fs::read(layout.interface(layer)).ok()?);
    let file: InterfaceFile = serde_json::from_slice(&bytes).ok()?;
    (file.made_by == MADE_BY).then_some(file.interface)
}

/// Stores the interface of a component. Blocks.
pub(crate) fn store_interface(layout: &Layout, layer: &Digest, interface: &Interface) -> io::Result<()> {
    let file = InterfaceFile {
        made_by: MADE_BY.to_owned(),
        interface: interface.clone(),
    };
    files::write_whole(
        &layout.temporary(),
        &layout.interface(layer),
        &serde_json::to_vec(&file)?,
    )
}
