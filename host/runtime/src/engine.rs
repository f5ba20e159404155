//! The one place that configures wasmtime, so that compiled code stays loadable everywhere.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Largest linear memory that a slot of the pool can hold. Steps are limited further by `Limits::memory_bytes`.
pub(crate) const MEMORY_BYTES_MAX: usize = 4 << 30;

/// Largest table that a slot of the pool can hold.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Written memory that a free slot keeps, and free slots that keep any: together they bound what a host at rest holds.
const RESIDENT_BYTES: usize = 1 << 20;
const WARM_SLOTS: u32 = 16;

/// How often running guests are looked at. A guest that never calls the host yields to others at this pace.
const TICK: Duration = Duration::from_millis(10);

/// Core instances, memories and tables that one component may have; the language runtimes link a few dozen libraries.
const CORE_INSTANCES_PER_COMPONENT: u32 = 128;
const TABLES_PER_COMPONENT: u32 = 16;
const MEMORIES_PER_COMPONENT: u32 = 4;

/// What a component asks of the engine that runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Each call is done when it returns.
    Plain,
    /// Calls, streams and futures of the asynchronous ABI. Every call costs more, one that uses none of it too: so only
    /// components that use it run so.
    Asynchronous,
}

/// The settings that decide what code is compiled. Host, registry, worker and command line all use these; `counted` is code
/// that counts its instructions.
fn code_config(calls: Calls, counted: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(calls == Calls::Asynchronous)
        .epoch_interruption(true)
        .consume_fuel(counted)
        .memory_init_cow(true)
        .cranelift_opt_level(wasmtime::OptLevel::Speed);
    config
}

/// An engine that compiles and runs no guest: the worker's.
pub(crate) fn compile_engine(calls: Calls, counted: bool) -> wasmtime::Result<Engine> {
    Engine::new(&code_config(calls, counted))
}

/// An engine that runs guests, and whether its instances come from a pool.
///
/// The pool reserves address space for every slot. Where the system refuses that (a container with a limit on virtual
/// memory, a small machine), instances are allocated on demand: slower to start, otherwise the same.
pub(crate) fn run_engine(
    calls: Calls,
    counted: bool,
    max_instances: u32,
) -> wasmtime::Result<(Engine, bool)> {
    let mut config = code_config(calls, counted);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_instances)));
    match Engine::new(&config) {
        Ok(engine) => Ok((engine, true)),
        Err(error) => {
            tracing::warn!(error = %error, max_instances, "instance pool cannot be reserved, instances are made on demand");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Ok((Engine::new(&config)?, false))
        }
    }
}

fn pool(max_instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        .total_core_instances(max_instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(max_instances.saturating_mul(2))
        .total_tables(max_instances.saturating_mul(4))
        .total_stacks(max_instances.saturating_mul(2))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        // What a guest wrote is put back by copying, and stays mapped for the next step: giving pages back interrupts
        // every thread of the process. The kernel tells which pages were written; above the bound they go back.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(RESIDENT_BYTES)
        // A page: the tables of small guests fit, and cost no question.
        .table_keep_resident(4 << 10)
        .max_unused_warm_slots(max_instances.min(WARM_SLOTS));
    pool
}

/// Names the code that this engine can load: 16 hexadecimal digits.
pub(crate) fn compatibility_key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Moves the engine's epoch on while guests run; sleeps without a timer while none does.
pub(crate) struct Ticker {
    shared: Arc<TickerShared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

struct TickerShared {
    running: AtomicUsize,
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(TickerShared {
            running: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let seen = shared.clone();
        let handle = std::thread::Builder::new()
            .name("guest-epoch".to_owned())
            .spawn(move || tick(&seen, &engine))?;
        Ok(Self {
            thread: handle.thread().clone(),
            shared,
            handle: Some(handle),
        })
    }

    /// Says that a guest runs, until the answer is dropped.
    pub(crate) fn guest(&self) -> RunningGuest<'_> {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        RunningGuest { ticker: self }
    }
}

fn tick(shared: &TickerShared, engine: &EngineWeak) {
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.running.load(Ordering::SeqCst) == 0 {
            // A guest that starts here unparks at once, because the token is kept.
            std::thread::park();
            continue;
        }
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // The thread only sleeps and counts; it cannot fail.
            let _ = handle.join();
        }
    }
}

/// While this lives, the epoch moves.
pub(crate) struct RunningGuest<'a> {
    ticker: &'a Ticker,
}

impl Drop for RunningGuest<'_> {
    fn drop(&mut self) {
        self.ticker.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}
