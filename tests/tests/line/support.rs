//! A control plane with a line for hosts, and hosts that enrol on it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_host::clock::{Clock as _, ManualClock, SystemEntropy};
use flowforge_host::identity::Identity;
use flowforge_host::joining::{Joined, Joining, JoiningError};
use flowforge_host::link::control::{ControlLink as _, LinkError, Session};
use flowforge_host::link::credential::Credential;
use flowforge_host::link::graphql::GraphQlLink;
use flowforge_host::link::line::{Line, Way};
use flowforge_host::link::registrar::Registrar;
use flowforge_protocol::invitation::Invitation;
use flowforge_server::{Clock, Config, Handle, HostsListener, OpenError, Service};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

/// When the tests begin.
pub(crate) const BEGIN_MS: u64 = 1_790_000_000_000;
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// The one clock of both planes.
#[derive(Clone)]
pub(crate) struct SharedClock(pub(crate) Arc<ManualClock>);

impl SharedClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ManualClock::at(BEGIN_MS)))
    }
}

impl Clock for SharedClock {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.monotonic_ms()
    }

    fn sleep_until(&self, due_ms: u64) -> BoxFuture<'static, ()> {
        self.0.sleep_until(due_ms)
    }
}

/// A running control plane.
pub(crate) struct Plane {
    pub(crate) handle: Handle,
    pub(crate) clock: SharedClock,
    folder: TempDir,
    http: reqwest::Client,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    url: String,
    given: Option<(PathBuf, PathBuf)>,
}

/// An address on which nobody listens now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Plane {
    pub(crate) async fn start(clock: &SharedClock) -> Self {
        Self::start_with(clock, None).await
    }

    /// With a certificate from elsewhere, and its key.
    pub(crate) async fn start_with(clock: &SharedClock, given: Option<(PathBuf, PathBuf)>) -> Self {
        let url = format!("https://127.0.0.1:{}", free_port());
        let opened = Self::at(clock, tempfile::tempdir().unwrap(), url, given).await;
        opened.expect("opens")
    }

    /// Why it does not start with a certificate from elsewhere.
    pub(crate) async fn refusal(clock: &SharedClock, given: (PathBuf, PathBuf)) -> String {
        let url = format!("https://127.0.0.1:{}", free_port());
        let opened = Self::at(clock, tempfile::tempdir().unwrap(), url, Some(given)).await;
        opened.err().expect("refused").to_string()
    }

    async fn at(
        clock: &SharedClock,
        folder: TempDir,
        url: String,
        given: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, OpenError> {
        let mut config = Config::new(folder.path().join("plane"), "127.0.0.1:0".parse().unwrap());
        config.clock = Arc::new(clock.clone());
        config.hosts = Some(HostsListener {
            listen: url.strip_prefix("https://").unwrap().parse().unwrap(),
            url: url.clone(),
            given: given.clone(),
        });
        let service = Service::open(config).await?;
        let (handle, stop) = (service.handle(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let serving = stop.clone();
        tasks.spawn(async move { service.run(serving).await.expect("serves") });
        Ok(Self {
            handle,
            clock: clock.clone(),
            folder,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop,
            tasks,
            url,
            given,
        })
    }

    /// Stops and starts it again, on the same folder and address.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        let opened = Self::at(&self.clock, self.folder, self.url, self.given).await;
        opened.expect("opens again")
    }

    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let call = json!({"query": query, "variables": variables});
        let answer = self
            .http
            .post(format!("{}/graphql", self.handle.url))
            .json(&call)
            .send();
        let mut answer: Value = answer.await.unwrap().json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    /// A payload of a mutation.
    async fn change(&self, name: &str, input_type: &str, input: Value, fields: &str) -> Value {
        let query = format!(
            "mutation($input: {input_type}!) {{ {name}(input: $input) {{ __typename {fields} ... on Problem {{ code message }} }} }}"
        );
        self.ask(&query, json!({ "input": input })).await[name].take()
    }

    pub(crate) async fn invite(&self, name: &str, life: Duration) -> Invitation {
        let life_ms = u64::try_from(life.as_millis()).unwrap();
        let input = json!({"name": name, "lifeMs": life_ms});
        let made = self
            .change(
                "inviteHost",
                "InviteHostInput",
                input,
                "... on InviteHostSuccess { token }",
            )
            .await;
        made["token"]
            .as_str()
            .expect("a token")
            .parse()
            .expect("an invitation")
    }

    pub(crate) async fn decide(&self, host: &str, decision: &str) -> Value {
        let query = format!(
            "mutation {{ decideHost(input: {{ host: \"{host}\", decision: {decision} }}) {{ __typename ... on DecideHostSuccess \
             {{ host {{ standing }} }} ... on Problem {{ code message }} }} }}"
        );
        self.ask(&query, Value::Null).await["decideHost"].take()
    }

    pub(crate) async fn host(&self, named: &str) -> Value {
        let query = "query($named: String!) { host(named: $named) { id name standing standingReason certificate { generation expiresAtMs } } }";
        self.ask(query, json!({"named": named})).await["host"].take()
    }
}

/// A machine that may become a host.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) clock: SharedClock,
    pub(crate) way: Way,
}

impl Machine {
    pub(crate) fn new(clock: &SharedClock) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: clock.clone(),
            way: Way::default(),
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("host")
    }

    /// A copy of this machine's disk.
    pub(crate) fn cloned(&self) -> Self {
        let copy = Self::new(&self.clock);
        copy_folder(&self.data_dir(), &copy.data_dir());
        copy
    }

    pub(crate) async fn enrol(&self, invitation: &Invitation) -> Result<Joined, JoiningError> {
        let joining = Joining {
            data_dir: &self.data_dir(),
            invitation,
            way: self.way.clone(),
            clock: self.clock.0.clone(),
            entropy: Arc::new(SystemEntropy::new().unwrap()),
        };
        joining.enrol().await
    }

    /// A new machine that has enrolled.
    pub(crate) async fn enrolled(plane: &Plane, name: &str) -> Self {
        let machine = Self::new(&plane.clock);
        let invitation = plane.invite(name, Duration::from_hours(1)).await;
        machine.enrol(&invitation).await.expect("enrols");
        machine
    }

    /// Its link, as its data folder says.
    pub(crate) fn link(&self, plane: &Plane) -> GraphQlLink {
        let credential = Credential::read(&self.data_dir()).unwrap().expect("enrolled");
        let line = Line::of_host(
            &self.data_dir(),
            self.way.clone(),
            self.clock.0.clone(),
            credential,
        );
        GraphQlLink::on_line(plane.url.parse().unwrap(), line).unwrap()
    }

    /// A link of nobody, to where the invitation says.
    pub(crate) fn stranger(&self, invitation: &Invitation) -> GraphQlLink {
        let line = Line::stranger(
            &self.data_dir(),
            self.way.clone(),
            self.clock.0.clone(),
            invitation.anchor,
        );
        GraphQlLink::on_line(invitation.server.parse().unwrap(), line).unwrap()
    }

    pub(crate) fn registrar(&self) -> Registrar {
        let entropy = Arc::new(SystemEntropy::new().unwrap());
        Registrar {
            identity: Identity::open_or_create(&self.data_dir(), entropy.as_ref()).unwrap(),
            name: "edge".to_owned(),
            labels: Vec::new(),
            token: None,
            workspace: "dev".to_owned(),
            clock: self.clock.0.clone(),
            entropy,
        }
    }

    pub(crate) async fn register(&self, link: &GraphQlLink) -> Result<Session, LinkError> {
        let registration = self.registrar().registration().unwrap();
        link.register(&registration).await
    }
}

fn copy_folder(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // The mode is copied, too.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The code of a refusal.
pub(crate) fn code(error: &LinkError) -> &str {
    match error {
        LinkError::Refused { code, .. } => code,
        _ => "",
    }
}

/// The code of a refusal of an enrolment.
pub(crate) fn refused(result: Result<Joined, JoiningError>) -> (String, String) {
    match result {
        Err(JoiningError::Link(LinkError::Refused { code, message })) => (code, message),
        other => (String::new(), format!("{other:?}")),
    }
}

/// The clock of the tests, as TLS asks for it.
#[derive(Debug)]
struct AtBegin;

impl TimeProvider for AtBegin {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(BEGIN_MS)))
    }
}

/// The status of the answer to a call that no link makes, with the certificate of this machine.
pub(crate) async fn status_of(machine: &Machine, plane: &Plane, method: &str, path: &str) -> u16 {
    let kept = std::fs::read(machine.data_dir().join("keys/link.json")).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    let key = PrivateKeyDer::from_pem_slice(kept["key"].as_str().unwrap().as_bytes()).unwrap();
    let certificate = STANDARD.decode(kept["certificate"].as_str().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    let authority = plane.folder.path().join("plane/hosts-ca.crt");
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(AtBegin))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.into()], key)
        .unwrap();
    let address = plane.url.strip_prefix("https://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    answer
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number")
}
