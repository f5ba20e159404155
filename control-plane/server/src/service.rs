//! The service: opened as a whole or not at all, run until told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use flowforge_connect::EgressPolicy;
use flowforge_core::Scope;
use flowforge_store::{Store, StoreConfig, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::accept::PlainDoor;
use crate::app::{App, Parts};
use crate::config::Config;
use crate::ends::{OpenError, RunError};
use crate::enrolment::LineDoor;
use crate::fleet::bus::{Bus, Exchange, Heard};
use crate::fleet::words::ServerTag;
use crate::folder::DataFolder;
use crate::http::{Doors, HostDoor};
use crate::opening::{
    PublishedWord, bind, bind_if, entropy, open_artefacts, open_keys, open_line, open_people, open_registry,
};
use crate::{
    accept, api, cron, database, enrolment, errands, failover, following, http, metrics, outgoing, polling,
    reissue, retention, telling,
};

/// Where a running control plane is found. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle {
    /// The bound address.
    pub address: SocketAddr,
    /// The same as a URL, without a slash at its end.
    pub url: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where health, readiness and metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where the registry is served for robots and customers.
    pub registry: Option<SocketAddr>,
    /// For the command line: server and key folder.
    pub client_file: PathBuf,
    /// For a host on this machine: server, token and trust root.
    pub join_file: PathBuf,
    /// Folder of the key files.
    pub keys_dir: PathBuf,
    /// Where hosts of other machines call: the bound address, and the URL that they are told.
    pub hosts: Option<(SocketAddr, String)>,
}

/// An opened control plane: it listens, but answers only while [`Service::run`] runs.
pub struct Service {
    handle: Handle,
    config: Config,
    listener: TcpListener,
    hosts_listener: Option<(TcpListener, Arc<ServerConfig>)>,
    doors: Doors,
    store: Store,
    writers: JoinSet<Result<(), StoreError>>,
    writer_stop: CancellationToken,
    closing: CancellationToken,
    /// The way to other servers, if there can be any.
    others: Option<(Exchange, Heard)>,
    /// Where health, readiness and metrics are served.
    operators: Option<TcpListener>,
    first_link: Option<String>,
    /// Where the registry is served for others.
    market: Option<TcpListener>,
    /// Held as long as the service lives.
    _folder: DataFolder,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// People and programs reach a server through whatever speaks TLS for it on its machine.
fn only_loopback(config: &Config) -> Result<(), OpenError> {
    let mut all = std::iter::once(config.listen).chain(config.registry);
    match all.find(|address| !address.ip().is_loopback()) {
        Some(address) => Err(OpenError::NotLoopback(address)),
        None => Ok(()),
    }
}

impl Service {
    /// Takes the data folder and the address, and makes everything ready.
    ///
    /// # Errors
    /// See [`OpenError`]; what a failed opening made (folder, keys) is used by the next one.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        only_loopback(&config)?;
        let mut folder = match config.database {
            Some(_) => DataFolder::open_shared(&config.data_dir)?,
            None => DataFolder::open(&config.data_dir)?,
        };
        let (listener, address) = bind(config.listen).await?;
        let operators = bind_if(config.metrics).await?;
        let market = bind_if(config.registry).await?;
        let url = format!("http://{address}");
        let data = folder.path().to_owned();
        let keys = open_keys(&config, &folder)?;
        let keys_dir = keys.folder.clone();
        let line = open_line(&config, &data, &keys).await?;
        let published = PublishedWord::default();
        let registry = open_registry(&config, &data, &keys, published.clone())?;
        let artefacts = open_artefacts(&config, &data).await?;
        database::check(&data, config.database.is_some())?;
        let older = Scope::default_of(&keys.trust_root.workspace);
        let store_config = StoreConfig {
            database: config.database.clone(),
            ..StoreConfig::new(data.join(database::FILE), older)
        };
        let (store, writer) = Store::open(store_config, config.fail_points.clone()).await?;
        if config.database.is_some() {
            database::note(&data)?;
        }
        let (writer_stop, closing) = (CancellationToken::new(), CancellationToken::new());
        // From here on writes are answered: opening needs them, too.
        let mut writers = JoinSet::new();
        writers.spawn(writer.run(writer_stop.clone()));
        let (bus, others) = Bus::of_store(&store, ServerTag::from_entropy(entropy()?));
        published.speak_through(&bus);
        let parts = Parts {
            telemetry: telling::telemetry(config.telemetry.as_ref(), &bus, &keys),
            bus,
            dev: config.dev,
            people: open_people(&config, &url, &keys)?,
            clock: Arc::clone(&config.clock),
            fail_points: config.fail_points.clone(),
            store: store.clone(),
            keys,
            registry,
            line: line.opened,
            closing: closing.clone(),
            outside: outside(&config, address, [&operators, &market]),
        };
        let app = Arc::new(App::new(parts).await?);
        app.load_newest().await?;
        metrics::observe(&app);
        // Servers that share the folder may start at the same moment.
        folder.alone(|| app.keys.write_addresses(&data, &url, config.sign_in))??;
        folder.announce(Some(&url))?;
        let first_link = app.first_link().await?;
        let doors = Doors {
            api: api::schema(Arc::clone(&app)),
            hosts: HostDoor::new(Arc::clone(&app)),
            app,
            artefacts: Arc::new(artefacts),
            documents: Arc::default(),
        };
        let handle = Handle {
            address,
            url,
            metrics: operators.as_ref().map(|(_, address)| *address),
            registry: market.as_ref().map(|(_, address)| *address),
            client_file: data.join("client.json"),
            join_file: data.join("host-join.json"),
            data_dir: data,
            keys_dir,
            hosts: line.found,
        };
        Ok(Self {
            handle,
            config,
            listener,
            hosts_listener: line.listener,
            doors,
            store,
            writers,
            writer_stop,
            closing,
            others,
            operators: operators.map(|(listener, _)| listener),
            first_link,
            market: market.map(|(listener, _)| listener),
            _folder: folder,
        })
    }

    /// Where it is found.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Opens every secret that can be used, and says how many there are, or which does not open.
    pub(crate) async fn open_every_secret(&self) -> Result<u64, String> {
        let secrets = &self.doors.app.secrets;
        let opened = secrets.open_all(&self.store).await;
        opened.map_err(|error| error.to_string())
    }

    /// The one-time link by which the first administrator makes an account; none if there is an account, or no sign-in.
    #[must_use]
    pub fn first_link(&self) -> Option<&str> {
        self.first_link.as_deref()
    }

    /// What goes on besides answering.
    fn spawn_chores(&mut self, tasks: &mut JoinSet<&'static str>) {
        let grace = self.config.grace;
        if let Some(listener) = self.operators.take() {
            let router = http::operators(Arc::clone(&self.doors.app));
            let closing = self.closing.clone();
            tasks.spawn(async move {
                accept::serve(listener, PlainDoor(router), closing, grace).await;
                "the accept loop for operators"
            });
        }
        if let Some(listener) = self.market.take() {
            let router = http::registry(&self.doors.app);
            let closing = self.closing.clone();
            tasks.spawn(async move {
                accept::serve(listener, PlainDoor(router), closing, grace).await;
                "the accept loop of the registry"
            });
        }
        if let Some(telemetry) = self.doors.app.telemetry.clone() {
            let closing = self.closing.clone();
            tasks.spawn(async move {
                // What is told here was stored before.
                telemetry.run(closing, async || true).await;
                "the sending of telemetry"
            });
        }
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            cron::run(app).await;
            "the schedules"
        });
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            polling::run(app).await;
            "the polls of triggers"
        });
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            errands::run(app).await;
            "what is done for runs because of others"
        });
        let app = Arc::clone(&self.doors.app);
        let kept = self.config.retention.requests;
        tasks.spawn(async move {
            app.keep_deliveries(kept).await;
            "the list of what came to webhooks"
        });
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            outgoing::run(app).await;
            "what is sent to webhook endpoints"
        });
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            failover::run(app).await;
            "the watch over leases"
        });
        let app = Arc::clone(&self.doors.app);
        tasks.spawn(async move {
            reissue::run(app).await;
            "the signing of expired jobs"
        });
        let (app, artefacts) = (Arc::clone(&self.doors.app), Arc::clone(&self.doors.artefacts));
        let kept = self.config.retention.clone();
        tasks.spawn(async move {
            retention::run(app, artefacts, kept).await;
            "the retention"
        });
        if let Some((exchange, heard)) = self.others.take() {
            let (app, closing) = (Arc::clone(&self.doors.app), self.closing.clone());
            tasks.spawn(async move {
                exchange.run(&app.bus, closing).await;
                "what is said to other servers"
            });
            let app = Arc::clone(&self.doors.app);
            tasks.spawn(async move {
                following::run(app, heard).await;
                "what other servers say"
            });
        }
    }

    /// Serves until `shutdown`, then finishes what is open for at most [`Config::grace`]. What was accepted is durable.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), RunError> {
        let mut tasks: JoinSet<&'static str> = JoinSet::new();
        self.spawn_chores(&mut tasks);
        let router = http::router(self.doors.clone());
        let (closing, grace) = (self.closing.clone(), self.config.grace);
        tasks.spawn(async move {
            accept::serve(self.listener, PlainDoor(router), closing, grace).await;
            "the accept loop"
        });
        if let Some((listener, tls)) = self.hosts_listener {
            let door = LineDoor {
                acceptor: tls.into(),
                router: http::line_router(self.doors.clone()),
                app: Arc::clone(&self.doors.app),
            };
            let closing = self.closing.clone();
            tasks.spawn(async move {
                accept::serve(listener, door, closing, grace).await;
                "the accept loop of the hosts' line"
            });
            let app = Arc::clone(&self.doors.app);
            tasks.spawn(async move {
                enrolment::keep_shown(app).await;
                "the certificate of the hosts' line"
            });
        }
        let place = self.handle.data_dir.join(database::FILE);
        let mut result = Ok(());
        tokio::select! {
            () = shutdown.cancelled() => {}
            ended = self.writers.join_next() => result = Err(writer_ended(ended, place.clone())),
            ended = tasks.join_next() => result = Err(RunError::Task(task_ended(ended))),
        }
        self.closing.cancel();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the control plane ended badly");
            }
        }
        let app = &self.doors.app;
        if let Err(error) = app
            .store
            .leave_duties(&app.scope, app.bus.tag().to_string())
            .await
        {
            tracing::warn!(%error, "another server will have to wait for what this one did for all");
        }
        drop(self.doors);
        // Readers first: the last connection to close folds the log into the file, and only the writer can.
        self.store.close().await;
        self.writer_stop.cancel();
        while let Some(ended) = self.writers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(source)) => {
                    result = result.and(Err(RunError::Store {
                        path: place.clone(),
                        source,
                    }));
                }
                Err(error) => result = result.and(Err(RunError::Task(error.to_string()))),
            }
        }
        result
    }
}

/// Where events may be sent: never to this server itself.
fn outside(
    config: &Config,
    listen: SocketAddr,
    others: [&Option<(TcpListener, SocketAddr)>; 2],
) -> EgressPolicy {
    let mut policy = config.outgoing.clone();
    let others = others.into_iter().flatten().map(|(_, address)| *address);
    policy.closed.extend(std::iter::once(listen).chain(others));
    policy
}

fn writer_ended(
    ended: Option<Result<Result<(), StoreError>, tokio::task::JoinError>>,
    path: PathBuf,
) -> RunError {
    match ended {
        Some(Ok(Err(source))) => RunError::Store { path, source },
        Some(Err(error)) => RunError::Task(error.to_string()),
        Some(Ok(Ok(()))) | None => RunError::Store {
            path,
            source: StoreError::Stopped,
        },
    }
}

fn task_ended(ended: Option<Result<&'static str, tokio::task::JoinError>>) -> String {
    match ended {
        Some(Ok(name)) => name.to_owned(),
        Some(Err(error)) => error.to_string(),
        None => "nothing was left to run".to_owned(),
    }
}
