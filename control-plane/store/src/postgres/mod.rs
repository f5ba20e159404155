//! PostgreSQL 15 and later: a session each for the writer and the readers.
//!
//! A session whose connection broke is made anew at the next question: what was under way then has an unknown outcome, and
//! its caller is told so. Several server processes share a database. Their writers take turns, a group of writes each, so
//! that what one reads before it writes cannot be changed by another meanwhile. All of them are of one version of the
//! tables: see [`servers`].

mod cells;
mod dialect;
pub(crate) mod duties;
mod migrate;
pub(crate) mod notices;
mod sequences;
mod servers;
pub(crate) mod tools;

use std::cell::{Cell as Flag, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::cells::{Cell, Row};
use crate::life::Life;
use crate::{OpenError, StoreError};
use cells::Sent;
pub(crate) use sequences::SEQUENCES_PER_SECOND;

/// How long a database is waited for when a session begins.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The oldest version whose words are used here.
const VERSION_MIN: i64 = 150_000;

/// Where a database is; cheap to clone.
#[derive(Clone)]
pub(crate) struct Place {
    config: Arc<Config>,
    runtime: Handle,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.config.get_hosts().first();
        let host = match host {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let name = self.config.get_dbname().or(self.config.get_user());
        write!(f, "database `{}` at {host}", name.unwrap_or_default())
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Place {
    /// Reads an address: `postgres://user@127.0.0.1/name`, or `postgres:///name?host=/folder/of/the/socket`.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let why =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            OpenError::Address { why }
        })?;
        for host in config.get_hosts() {
            if let Host::Tcp(name) = host
                && !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]")
            {
                return Err(OpenError::Remote { host: name.clone() });
            }
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .application_name("flowforge");
        Ok(Self {
            config: Arc::new(config),
            runtime: Handle::current(),
        })
    }

    /// A connection, and the task that moves its bytes.
    async fn connect(&self) -> Result<(Client, JoinSet<()>), StoreError> {
        let connected = self.config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| StoreError::unreached(&error))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database broke");
            }
        });
        Ok((client, driver))
    }
}

/// The connection of a session, and the statements that it knows by their text here.
struct Live {
    client: Client,
    /// Moves the bytes, and ends with the session.
    _driver: JoinSet<()>,
    statements: HashMap<String, Known>,
}

/// A prepared statement, and which of its parameters are rows as JSON.
#[derive(Clone)]
struct Known {
    statement: Statement,
    sets: Vec<usize>,
}

impl Known {
    /// The parameters as they can be sent.
    fn cells<'a>(&self, params: &[Cell<'a>]) -> Vec<Sent<'a>> {
        let sent = |(place, cell): (usize, &Cell<'a>)| match cell {
            Cell::Text(json) if self.sets.contains(&(place + 1)) => Sent::set(json),
            cell => Sent::Cell(*cell),
        };
        params.iter().enumerate().map(sent).collect()
    }
}

/// One session; used by one thread at a time, never by one that serves others.
pub(crate) struct Session {
    place: Place,
    /// What the writer's session has besides; none for one that only reads.
    writer: Option<Writing>,
    live: RefCell<Option<Live>>,
}

/// What is told to the store by the session that writes.
struct Writing {
    /// The life of the database, which every new connection looks at.
    life: Life,
    /// Whether the tables are up to date: from then on a database with others is refused.
    is_open: Flag<bool>,
}

/// A session that only reads.
pub(crate) fn reader(place: &Place) -> Session {
    Session {
        place: place.clone(),
        writer: None,
        live: RefCell::new(None),
    }
}

/// The session that writes, to a database whose tables are up to date. From now on `life` says which life of the database
/// it writes to.
pub(crate) fn writer(place: &Place, life: &Life) -> Result<Session, OpenError> {
    let session = Session {
        writer: Some(Writing {
            life: life.clone(),
            is_open: Flag::new(false),
        }),
        ..reader(place)
    };
    let failed = |source| OpenError::Database {
        place: place.to_string(),
        source,
    };
    let version = session.number("select cast(current_setting('server_version_num') as bigint)");
    if version.map_err(failed)? < VERSION_MIN {
        return Err(OpenError::OldDatabase {
            place: place.to_string(),
        });
    }
    migrate::run(&session, place)?;
    session.open().map_err(failed)?;
    Ok(session)
}

impl Session {
    /// Connects if there is no connection that works.
    fn connect(&self) -> Result<(), StoreError> {
        let mut live = self.live.borrow_mut();
        if live.as_ref().is_some_and(|live| !live.client.is_closed()) {
            return Ok(());
        }
        *live = None;
        let (client, driver) = self.place.runtime.block_on(async {
            let (client, driver) = self.place.connect().await?;
            if let Some(writing) = &self.writer {
                servers::join(&client).await?;
                if writing.is_open.get() {
                    servers::same_tables(&client, migrate::NEWEST).await?;
                    sequences::begin(&client).await?;
                    writing.life.become_(servers::life(&client).await?);
                }
            }
            Ok::<_, StoreError>((client, driver))
        })?;
        *live = Some(Live {
            client,
            _driver: driver,
            statements: HashMap::new(),
        });
        Ok(())
    }

    /// The tables are up to date. Which life of the database this is, is known from now on.
    fn open(&self) -> Result<(), StoreError> {
        let Some(writing) = &self.writer else {
            return Ok(());
        };
        self.connect()?;
        let live = self.live.borrow();
        let live = live.as_ref().ok_or_else(StoreError::gone)?;
        let life = self.place.runtime.block_on(async {
            servers::name_life(&live.client).await?;
            sequences::begin(&live.client).await?;
            servers::life(&live.client).await
        })?;
        writing.is_open.set(true);
        writing.life.become_(life);
        Ok(())
    }

    /// Begins a transaction, on a new connection if the old one broke. One that writes waits for its turn.
    pub(crate) fn begin(&self, words: &str) -> Result<(), StoreError> {
        self.connect()?;
        if self.writer.is_none() {
            return self.batch(words);
        }
        let begun = self.batch(&servers::in_turn(words));
        if begun.is_err() {
            self.take_back();
        }
        begun
    }

    /// Runs text without parameters on the connection that there is.
    pub(crate) fn batch(&self, words: &str) -> Result<(), StoreError> {
        let live = self.live.borrow();
        let live = live.as_ref().ok_or_else(StoreError::gone)?;
        Ok(self.place.runtime.block_on(live.client.batch_execute(words))?)
    }

    /// Takes back what is under way. Where that cannot be done the connection is given up, and the database does it.
    pub(crate) fn take_back(&self) {
        if self.batch("rollback").is_err() {
            *self.live.borrow_mut() = None;
        }
    }

    pub(crate) fn each(
        &self,
        sql: &str,
        params: &[Cell<'_>],
        show: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let known = self.statement(sql)?;
        let params = known.cells(params);
        let live = self.live.borrow();
        let live = live.as_ref().ok_or_else(StoreError::gone)?;
        self.place.runtime.block_on(async {
            let params = params.iter().map(|sent| sent as &(dyn ToSql + Sync));
            let mut rows = pin!(live.client.query_raw(&known.statement, params).await?);
            while let Some(row) = rows.next().await {
                if !show(&Row(&row?))? {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn run(&self, sql: &str, params: &[Cell<'_>]) -> Result<usize, StoreError> {
        let known = self.statement(sql)?;
        let params = known.cells(params);
        let live = self.live.borrow();
        let live = live.as_ref().ok_or_else(StoreError::gone)?;
        let params = params.iter().map(|sent| sent as &(dyn ToSql + Sync));
        let changed = self
            .place
            .runtime
            .block_on(live.client.execute_raw(&known.statement, params))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// The prepared statement. A question outside a transaction may be the first on a new connection.
    fn statement(&self, sql: &str) -> Result<Known, StoreError> {
        if self.live.borrow().is_none() {
            self.connect()?;
        }
        let mut live = self.live.borrow_mut();
        let live = live.as_mut().ok_or_else(StoreError::gone)?;
        if let Some(known) = live.statements.get(sql) {
            return Ok(known.clone());
        }
        let spelled = dialect::spelled(sql);
        let prepared = live.client.prepare(&spelled);
        let known = Known {
            statement: self.place.runtime.block_on(prepared)?,
            sets: dialect::sets(sql),
        };
        live.statements.insert(sql.to_owned(), known.clone());
        Ok(known)
    }

    /// Gives up a connection that broke; a question that has not begun may then begin on a new one.
    pub(crate) fn forget_if_broken(&self) {
        let mut live = self.live.borrow_mut();
        if live.as_ref().is_some_and(|live| live.client.is_closed()) {
            *live = None;
        }
    }

    fn number(&self, sql: &str) -> Result<i64, StoreError> {
        let mut number = 0;
        self.each(sql, &[], &mut |row| {
            number = row.get(0)?;
            Ok(true)
        })?;
        Ok(number)
    }
}
