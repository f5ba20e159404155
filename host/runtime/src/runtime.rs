//! The runtime: one engine, one linker, the loaded connectors' common ground.

use std::sync::{Arc, Weak};

use flowforge_ports::Interface;
use flowforge_protocol::Digest;
use tokio::sync::Semaphore;

use crate::cache::{CodeCache, CodeError};
use crate::common::RuntimeShared;
use crate::config::RuntimeConfig;
use crate::connect::Dialer;
use crate::connector::{Connector, LoadError, unknown_import};
use crate::engine::{Ticker, run_engine};
use crate::host::linker;
use crate::invoke::{Invocation, Invoked, StepError};
use crate::shared_cache::SharedCache;
use crate::threads::off_thread;

/// Loads and invokes connectors. One for each process; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<RuntimeShared>,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A number in the configuration makes no sense.
    #[error("runtime configuration: {0}")]
    Config(&'static str),
    /// wasmtime cannot run on this machine with this configuration.
    #[error("WebAssembly engine cannot be started")]
    Engine(#[source] wasmtime::Error),
    /// The cache folder cannot be used.
    #[error("code cache cannot be used")]
    Cache(#[source] std::io::Error),
    /// The system gives no thread.
    #[error("epoch thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Most components that are remembered; the one that was asked for longest ago goes first.
const LOADED_MAX: usize = 1_024;

impl Runtime {
    /// A runtime by this configuration. Reserves address space for the instance pool, opens the cache folder, starts the
    /// epoch thread; needs no async context.
    ///
    /// # Errors
    /// One variant of [`RuntimeError`] for each thing that the machine may refuse.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        if config.max_instances == 0 || config.max_instances > 100_000 {
            return Err(RuntimeError::Config("max_instances must be 1 to 100,000"));
        }
        if config.compile.parallel == 0 {
            return Err(RuntimeError::Config("compile.parallel must be at least 1"));
        }
        let (engine, pooled) =
            run_engine(config.max_instances, config.compile.counted).map_err(RuntimeError::Engine)?;
        let shared = RuntimeShared {
            linker: linker(&engine).map_err(RuntimeError::Engine)?,
            cache: CodeCache::open(&config.cache_dir, &engine, config.code.clone())
                .map_err(RuntimeError::Cache)?,
            ticker: Ticker::start(engine.weak()).map_err(RuntimeError::Thread)?,
            dialer: Arc::new(Dialer::new(config.egress.clone())),
            instances: Semaphore::new(config.max_instances as usize),
            compiling: Semaphore::new(config.compile.parallel),
            loaded: SharedCache::new(LOADED_MAX),
            engine,
            pooled,
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether instances come from the reserved pool.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.shared.pooled
    }

    /// Makes a component ready to be called: checks its digest, inspects it, compiles it in the worker (or takes the code
    /// from the cache), links it. Two callers with the same digest share the work and the result.
    ///
    /// # Errors
    /// One variant of [`LoadError`] for each reason; nothing is kept of a component that was refused.
    ///
    /// # Cancel safety
    /// Dropping the future stops the worker; nothing half-done is loaded later.
    pub async fn load(&self, digest: Digest, bytes: &[u8]) -> Result<Arc<Connector>, LoadError> {
        let load = async || {
            let connector = Arc::new(self.load_anew(digest, bytes).await?);
            Ok((Arc::downgrade(&connector), connector))
        };
        self.shared
            .loaded
            .get_or_load_as(&digest, Weak::upgrade, load)
            .await
    }

    async fn load_anew(&self, digest: Digest, bytes: &[u8]) -> Result<Connector, LoadError> {
        let limit_bytes = self.shared.config.compile.component_bytes_max;
        if bytes.len() > limit_bytes {
            return Err(LoadError::TooLarge {
                actual_bytes: bytes.len(),
                limit_bytes,
            });
        }
        let owned: Arc<[u8]> = bytes.into();
        let interface = checked_interface(digest, owned.clone()).await?;
        let component = {
            let _turn = self.shared.compiling.acquire().await;
            let shared = &self.shared;
            shared
                .cache
                .component(&shared.engine, &shared.config.compile, digest, &owned)
                .await
        };
        let component = component.map_err(|error| match error {
            CodeError::Compile(error) => LoadError::Compile(error),
            CodeError::Load(reason) => LoadError::Unloadable { reason },
            CodeError::Storage(error) => LoadError::Storage(error),
        })?;
        Connector::link(digest, interface, &component, &self.shared.linker)
    }

    /// Runs one attempt of one step in a fresh instance.
    ///
    /// # Errors
    /// [`StepError::Failure`] for everything that is the step's own: wrong input, typed failure, trap, limit.
    /// [`StepError::Host`] when this host could not do its part; the attempt may be made again elsewhere or later.
    ///
    /// # Cancel safety
    /// Dropping the future ends the guest at once; effects that were sent stay sent.
    pub async fn invoke(&self, call: Invocation) -> Result<Invoked, StepError> {
        crate::invoke::invoke(&self.shared, call).await
    }
}

/// The interface of these bytes, if they are what they should be. Hashing and validating a Python component takes a
/// quarter of a second, so it is not done on a thread that others wait for.
async fn checked_interface(expected: Digest, bytes: Arc<[u8]>) -> Result<Interface, LoadError> {
    off_thread(move || {
        let actual = Digest::of(&bytes);
        if actual != expected {
            return Err(LoadError::WrongDigest { expected, actual });
        }
        let interface = flowforge_ports::inspect(&bytes)?;
        match unknown_import(&interface) {
            Some(import) => Err(LoadError::UnknownImport {
                import: import.to_owned(),
            }),
            None => Ok(interface),
        }
    })
    .await
    .map_err(LoadError::Storage)?
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("pooled", &self.shared.pooled)
            .finish_non_exhaustive()
    }
}
