//! The parts of a control plane, each opened by the configuration.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use flowforge_registry::{Registry, RegistryConfig};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

use crate::app::people::{People, PeopleUrlError};
use crate::artefacts::Artefacts;
use crate::config::Config;
use crate::ends::OpenError;
use crate::entropy::fresh;
use crate::fleet::bus::Bus;
use crate::fleet::words::Word;
use crate::folder::{DataFolder, FolderError};
use crate::keys::{Keys, KeysError};
use crate::line::HostLine;

pub(crate) async fn bind_if(
    wanted: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, OpenError> {
    match wanted {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), OpenError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => OpenError::InUse(wanted),
        _ => OpenError::Listen {
            address: wanted,
            source,
        },
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The hosts' line, if there is to be one.
#[derive(Default)]
pub(crate) struct OpenedLine {
    pub(crate) opened: Option<HostLine>,
    pub(crate) listener: Option<(TcpListener, Arc<ServerConfig>)>,
    pub(crate) found: Option<(SocketAddr, String)>,
}

pub(crate) fn open_people(config: &Config, url: &str, keys: &Keys) -> Result<People, PeopleUrlError> {
    People::new(
        config.sign_in,
        url,
        config.people_url.as_deref(),
        &keys.owner_token,
    )
}

pub(crate) async fn open_artefacts(config: &Config, data: &Path) -> Result<Artefacts, OpenError> {
    let folder = data.join("artefacts");
    let (quota, clock) = (config.retention.artefact_bytes_max, Arc::clone(&config.clock));
    let opened = Artefacts::open(&folder, quota, clock, config.database.is_some()).await;
    Ok(opened.map_err(|error| FolderError::from_io(&folder, error))?)
}

pub(crate) async fn open_line(config: &Config, data: &Path, keys: &Keys) -> Result<OpenedLine, OpenError> {
    let Some(wanted) = &config.hosts else {
        return Ok(OpenedLine::default());
    };
    let line = HostLine::open(
        data,
        &keys.folder,
        &keys.trust_root,
        wanted,
        config.clock.now_ms(),
    )?;
    let (listener, bound) = bind(wanted.listen).await?;
    Ok(OpenedLine {
        listener: Some((listener, line.tls(&config.clock)?)),
        found: Some((bound, line.url.clone())),
        opened: Some(line),
    })
}

pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], OpenError> {
    fresh().map_err(|error| KeysError::from(error).into())
}

/// Says to other servers that a connector was published, once there is a way to them.
#[derive(Clone, Default)]
pub(crate) struct PublishedWord(Arc<OnceLock<Arc<Bus>>>);

impl PublishedWord {
    pub(crate) fn speak_through(&self, bus: &Arc<Bus>) {
        // It is set once.
        let _ = self.0.set(Arc::clone(bus));
    }

    fn say(&self) {
        if let Some(bus) = self.0.get() {
            bus.say(Word::Connectors);
        }
    }
}

pub(crate) fn open_keys(config: &Config, folder: &DataFolder) -> Result<Keys, OpenError> {
    let keys = folder.alone(|| Keys::open(folder.path(), &config.workspace))??;
    Ok(if config.dev { keys.with_owner()? } else { keys })
}

pub(crate) fn open_registry(
    config: &Config,
    data: &Path,
    keys: &Keys,
    published: PublishedWord,
) -> Result<Registry, OpenError> {
    let clock = Arc::clone(&config.clock);
    let settings = RegistryConfig {
        now_ms: Arc::new(move || clock.now_ms()),
        shared: config.database.is_some(),
        published: Arc::new(move || published.say()),
        ..RegistryConfig::new(keys.trust_root.clone())
    };
    Ok(Registry::open(&data.join("registry"), settings)?)
}
