//! The runtime: one engine, one linker, the loaded connectors' common ground.

use std::sync::{Arc, Weak};

use flowforge_ports::Interface;
use flowforge_protocol::Digest;
use tokio::sync::Semaphore;

use crate::cache::CodeError;
use crate::calls::calls_of;
use crate::common::RuntimeShared;
use crate::config::RuntimeConfig;
use crate::connector::{Connector, LoadError, unknown_import};
use crate::engine::Calls;
use crate::invoke::{Invocation, Invoked, StepError};
use crate::machine::Machines;
use crate::shared_cache::SharedCache;
use crate::start_error::RuntimeError;
use crate::threads::off_thread;
use flowforge_connect::Dialer;

/// Loads and invokes connectors. One for each process; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<RuntimeShared>,
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
        let shared = RuntimeShared {
            machines: Machines::start(&config)?,
            dialer: Arc::new(Dialer::new(config.egress.clone())),
            instances: Semaphore::new(config.max_instances as usize),
            compiling: Semaphore::new(config.compile.parallel),
            loaded: SharedCache::new(LOADED_MAX),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether instances come from the reserved pool.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.shared.machines.plain.pooled
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
        let (interface, calls) = checked_interface(digest, owned.clone()).await?;
        let config = &self.shared.config;
        let machine = self.shared.machines.of(calls, config).await;
        let machine = machine.map_err(LoadError::Machine)?;
        let component = {
            let _turn = self.shared.compiling.acquire().await;
            let cache = &machine.cache;
            cache
                .component(&machine.engine, &config.compile, digest, &owned)
                .await
        };
        let component = component.map_err(|error| match error {
            CodeError::Compile(error) => LoadError::Compile(error),
            CodeError::Load(reason) => LoadError::Unloadable { reason },
            CodeError::Storage(error) => LoadError::Storage(error),
        })?;
        Connector::link(digest, interface, &component, machine)
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

/// The interface of these bytes and what they ask of their engine, if they are what they should be. Hashing and validating a Python component takes a
/// quarter of a second, so it is not done on a thread that others wait for.
async fn checked_interface(expected: Digest, bytes: Arc<[u8]>) -> Result<(Interface, Calls), LoadError> {
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
            None => Ok((interface, calls_of(&bytes))),
        }
    })
    .await
    .map_err(LoadError::Storage)?
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("pooled", &self.shared.machines.plain.pooled)
            .finish_non_exhaustive()
    }
}
