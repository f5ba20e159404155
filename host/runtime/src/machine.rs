//! What components of one kind run on: engine, linker, compiled code, the epoch.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::CodeCache;
use crate::config::RuntimeConfig;
use crate::engine::{Calls, Ticker, run_engine};
use crate::host::linker;
use crate::start_error::RuntimeError;
use crate::state::StepState;

/// An engine with what belongs to it.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StepState>,
    pub(crate) cache: CodeCache,
    pub(crate) ticker: Ticker,
    pub(crate) pooled: bool,
}

impl Machine {
    fn start(calls: Calls, config: &RuntimeConfig) -> Result<Self, RuntimeError> {
        let (engine, pooled) =
            run_engine(calls, config.compile.counted, config.max_instances).map_err(RuntimeError::Engine)?;
        Ok(Self {
            linker: linker(&engine).map_err(RuntimeError::Engine)?,
            cache: CodeCache::open(&config.cache_dir, &engine, config.code.clone())
                .map_err(RuntimeError::Cache)?,
            ticker: Ticker::start(engine.weak()).map_err(RuntimeError::Thread)?,
            engine,
            pooled,
        })
    }
}

/// The machine of plain components, and that of the others from the first one on.
pub(crate) struct Machines {
    pub(crate) plain: Arc<Machine>,
    asynchronous: OnceCell<Arc<Machine>>,
}

impl Machines {
    pub(crate) fn start(config: &RuntimeConfig) -> Result<Self, RuntimeError> {
        Ok(Self {
            plain: Arc::new(Machine::start(Calls::Plain, config)?),
            asynchronous: OnceCell::new(),
        })
    }

    /// Where a component of this kind runs.
    pub(crate) async fn of(
        &self,
        calls: Calls,
        config: &RuntimeConfig,
    ) -> Result<Arc<Machine>, RuntimeError> {
        if calls == Calls::Plain {
            return Ok(Arc::clone(&self.plain));
        }
        let start = async || Machine::start(calls, config).map(Arc::new);
        self.asynchronous.get_or_try_init(start).await.cloned()
    }
}
