//! The hosts' line: where hosts of other machines call, and how they know this server.
//!
//! Owns the files of the certificate authority and the certificate that the listener shows. Invariant: what is in an
//! invitation (address, anchor, trust root) comes from here, and the listener shows nothing that does not fit it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_enrolment::{
    Authority, AuthorityError, GivenCertificate, GivenError, SERVER_CERTIFICATE_DAYS, ServerIdentity,
    TlsError, Validity, server_config,
};
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Digest, SigningKey, TrustRoot, envelope};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::time_provider::TimeProvider;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::entropy::{EntropyError, fresh};
use crate::folder::{FolderError, read_if_present, read_secret, write_private};
use crate::keys::{KeysError, read_key};

/// The authority's certificate, PEM, in the data folder: for people who want to look at it.
const AUTHORITY_FILE: &str = "hosts-ca.crt";
/// The authority's key, in the folder of keys.
const AUTHORITY_KEY: &str = "hosts-ca.pem";
/// The key of the certificate that the listener shows.
const SERVER_KEY: &str = "hosts-server.pem";
/// The port of an address that names none.
const DEFAULT_PORT: u16 = 443;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A listener for hosts on other machines.
#[derive(Debug, Clone)]
pub struct HostsListener {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where hosts find it, `https://name[:port]`. Through which addresses that leads is the operator's to say.
    pub url: String,
    /// PEM files of a certificate that the operator has from elsewhere, and of its key. Without them one is made.
    pub given: Option<(PathBuf, PathBuf)>,
}

/// Why the listener for hosts cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The address for hosts is none.
    #[error("`{0}` is not an address for hosts: expected https://NAME or https://NAME:PORT")]
    Url(String),
    /// A file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The authority's certificate is not what this program wrote.
    #[error(
        "{path} does not hold one certificate in PEM; restore it from a backup: hosts know this server by it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The authority's certificate is gone, its key is there.
    #[error("{path} is missing, and hosts may know this server by it; restore it from a backup")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The files that were given cannot be used.
    #[error("{path} cannot be used as the certificate of the hosts' listener: {source}")]
    Given {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GivenError,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Certificate and key do not fit.
    #[error("the hosts' listener has no TLS")]
    Tls(#[from] TlsError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The trust root cannot be written.
    #[error("the trust root cannot be written: {0}")]
    TrustRoot(#[from] StrictError),
}

/// The server's clock, in the words of the TLS library.
struct ServerTime(Arc<dyn Clock>);

impl std::fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTime")
    }
}

impl TimeProvider for ServerTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}

/// The hosts' line, opened.
#[derive(Debug)]
pub(crate) struct HostLine {
    pub(crate) authority: Authority,
    /// Where hosts find it.
    pub(crate) url: String,
    /// What hosts know the server by.
    pub(crate) anchor: Digest,
    /// The trust root, as it is served.
    pub(crate) trust_root: String,
    pub(crate) trust_root_digest: Digest,
    name: String,
    identity: Arc<ServerIdentity>,
    /// Absent if the certificate is the operator's.
    server_key: Option<SigningKey>,
}

impl HostLine {
    /// Reads what is kept of it in the data folder, or makes it.
    pub(crate) fn open(
        data: &Path,
        keys: &Path,
        trust_root: &TrustRoot,
        wanted: &HostsListener,
        now_ms: u64,
    ) -> Result<Self, LineError> {
        let (url, name) = checked_url(&wanted.url)?;
        let authority = open_authority(data, keys, &trust_root.workspace, now_ms)?;
        let trust_root = String::from_utf8(envelope::payload(trust_root)?).unwrap_or_default();
        let (identity, anchor, server_key) = match &wanted.given {
            Some((chain, key)) => {
                let given = read_given(chain, key)?;
                let anchor = given.anchor().unwrap_or_else(|| authority.anchor());
                (ServerIdentity::given(&given)?, anchor, None)
            }
            None => {
                let key = key_of(&keys.join(SERVER_KEY))?;
                let certificate = certify(&authority, &name, &key, now_ms)?;
                let identity = ServerIdentity::own(&authority, certificate, &key)?;
                (identity, authority.anchor(), Some(key))
            }
        };
        Ok(Self {
            url,
            anchor,
            trust_root_digest: Digest::of(trust_root.as_bytes()),
            trust_root,
            name,
            identity: Arc::new(identity),
            server_key,
            authority,
        })
    }

    /// The settings of the listener.
    pub(crate) fn tls(&self, clock: &Arc<dyn Clock>) -> Result<Arc<ServerConfig>, LineError> {
        let time = Arc::new(ServerTime(Arc::clone(clock)));
        Ok(server_config(&self.authority, Arc::clone(&self.identity), time)?)
    }

    /// Makes the certificate that the listener shows anew, if it is one of the own authority's.
    pub(crate) fn renew(&self, now_ms: u64) -> Result<(), LineError> {
        if let Some(key) = &self.server_key {
            let certificate = certify(&self.authority, &self.name, key, now_ms)?;
            self.identity.replace(&self.authority, certificate, key)?;
        }
        Ok(())
    }
}

fn certify(authority: &Authority, name: &str, key: &SigningKey, now_ms: u64) -> Result<Vec<u8>, LineError> {
    let validity = Validity::days(now_ms, SERVER_CERTIFICATE_DAYS);
    let names = [name.to_owned()];
    Ok(authority.certify_server(&names, &key.verifying_key(), validity, fresh::<16>()?)?)
}

/// The address with its port, and the name in it.
fn checked_url(url: &str) -> Result<(String, String), LineError> {
    let wrong = || LineError::Url(url.chars().take(200).collect());
    let uri: axum::http::Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let has_more = uri.path_and_query().is_some_and(|path| path.as_str() != "/");
    if uri.scheme_str() != Some("https") || has_more || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let port = authority.port_u16().unwrap_or(DEFAULT_PORT);
    let host = authority.host();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err(wrong());
    }
    Ok((format!("https://{host}:{port}"), name.to_owned()))
}

fn read_given(chain: &Path, key: &Path) -> Result<GivenCertificate, LineError> {
    let missing =
        |path: &Path| LineError::Folder(FolderError::from_io(path, std::io::ErrorKind::NotFound.into()));
    let chain_bytes = read_if_present(chain)?.ok_or_else(|| missing(chain))?;
    let key_bytes = read_secret(key)?
        .map(Zeroizing::new)
        .ok_or_else(|| missing(key))?;
    GivenCertificate::read(&chain_bytes, &key_bytes).map_err(|source| LineError::Given {
        path: if source == GivenError::NoKey { key } else { chain }.to_owned(),
        source,
    })
}

fn key_of(path: &Path) -> Result<SigningKey, LineError> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let key = SigningKey::from_seed(&Zeroizing::new(fresh::<32>()?));
    write_private(path, key.to_pem().as_bytes())?;
    Ok(key)
}

/// The authority. Its certificate is written before anybody can know it, and its key before its certificate.
fn open_authority(data: &Path, keys: &Path, workspace: &str, now_ms: u64) -> Result<Authority, LineError> {
    let path = data.join(AUTHORITY_FILE);
    let key_path = keys.join(AUTHORITY_KEY);
    if let Some(text) = read_if_present(&path)? {
        let certificate = from_pem(&text).ok_or_else(|| LineError::Damaged { path: path.clone() })?;
        let key = read_key(&key_path)?.ok_or(LineError::Missing { path: key_path })?;
        return Ok(Authority::open(workspace, &key, certificate)?);
    }
    // A key alone is what a first start left that was interrupted: no certificate of it was ever shown.
    let key = key_of(&key_path)?;
    let authority = Authority::create(workspace, &key, now_ms, fresh::<16>()?)?;
    write_private(&path, to_pem(authority.certificate()).as_bytes())?;
    Ok(authority)
}

fn to_pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

fn from_pem(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let body: String = text
        .strip_prefix(BEGIN)?
        .strip_suffix(END)?
        .split_whitespace()
        .collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn listener(url: &str) -> HostsListener {
        HostsListener {
            listen: "127.0.0.1:0".parse().unwrap(),
            url: url.to_owned(),
            given: None,
        }
    }

    fn open(data: &Path, url: &str) -> Result<HostLine, LineError> {
        let keys = Keys::open(data, "dev").unwrap();
        HostLine::open(
            data,
            &keys.folder,
            &keys.trust_root,
            &listener(url),
            1_790_000_000_000,
        )
    }

    #[test]
    fn hosts_know_the_server_by_the_same_anchor_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let first = open(data.path(), "https://plane.example.com").unwrap();
        let second = open(data.path(), "https://plane.example.com:7443/").unwrap();
        assert_eq!(first.anchor, second.anchor);
        assert_eq!(first.trust_root_digest, second.trust_root_digest);
        assert_eq!(
            (first.url.as_str(), second.url.as_str()),
            ("https://plane.example.com:443", "https://plane.example.com:7443")
        );
        second.renew(1_790_086_400_000).unwrap();
    }

    #[test]
    fn a_lost_half_of_the_authority_is_named_and_never_made_anew() {
        let data = tempfile::tempdir().unwrap();
        open(data.path(), "https://127.0.0.1:1").unwrap();
        let key = data.path().join("keys").join(AUTHORITY_KEY);
        let kept = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        let error = open(data.path(), "https://127.0.0.1:1").unwrap_err().to_string();
        assert!(error.contains("hosts-ca.pem is missing"), "{error}");
        write_private(&key, &kept).unwrap();
        std::fs::write(data.path().join(AUTHORITY_FILE), "no certificate").unwrap();
        let error = open(data.path(), "https://127.0.0.1:1").unwrap_err().to_string();
        assert!(
            error.contains("hosts-ca.crt does not hold one certificate"),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_is_none_for_hosts_is_refused() {
        for wrong in [
            "plane.example.com",
            "http://plane.example.com",
            "https://",
            "https://plane.example.com/hosts",
            "https://me@plane.example.com",
            "https://plane example",
        ] {
            assert!(matches!(checked_url(wrong), Err(LineError::Url(_))), "{wrong}");
        }
        assert_eq!(
            checked_url("https://[2001:db8::1]:8443").unwrap(),
            ("https://[2001:db8::1]:8443".to_owned(), "2001:db8::1".to_owned())
        );
    }
}
