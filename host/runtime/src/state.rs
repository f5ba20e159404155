//! What a guest's store holds, and the limits that wasmtime asks about.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use flowforge_protocol::{Failure, FailureKind};
use rand_core::TryRng;
use tokio::time::Instant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::services::{LogLevel, StepServices};
use crate::step::{Ending, StepShared};
use crate::wasi::{LogStream, WasiDoor};

/// The data of one store: one attempt, one fresh instance.
pub(crate) struct StepState {
    pub(crate) step: Arc<StepShared>,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: StepLimiter,
    /// What was left of the counted instructions when the instance was there.
    pub(crate) started: Option<u64>,
    /// Made when a guest first asks for it: small ones never do.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    door: WasiDoor,
}

impl StepState {
    pub(crate) fn new(step: Arc<StepShared>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(step.limits.resources);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(step.limits.header_bytes);
        Self {
            limiter: StepLimiter::new(&step),
            started: None,
            wasi: None,
            door: WasiDoor::new(step.clone()),
            step,
            table,
            http,
        }
    }
}

/// The WASI baseline: no environment, no arguments, no folders, no sockets; the executor's clock and randomness; output to
/// the log.
fn inert_wasi(step: &Arc<StepShared>) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(step.clone(), LogLevel::Info))
        .stderr(LogStream::new(step.clone(), LogLevel::Warn))
        .wall_clock(StepClock(step.services.clone()))
        .monotonic_clock(StepTime(Instant::now()))
        .secure_random(StepRandom(step.services.clone()))
        .insecure_random(StepRandom(step.services.clone()))
        .insecure_random_seed(seed(step.services.as_ref()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(64 << 10)
        .build()
}

impl WasiView for StepState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let step = &self.step;
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| inert_wasi(step)),
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for StepState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.door,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// The executor's clock, as WASI wants it.
struct StepClock(Arc<dyn StepServices>);

impl HostWallClock for StepClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms())
    }
}

/// Time since the guest first asked, by the clock that the host's own waits go by.
struct StepTime(Instant);

impl HostMonotonicClock for StepTime {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The executor's randomness, as WASI wants it.
struct StepRandom(Arc<dyn StepServices>);

impl TryRng for StepRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        self.0.random(buffer);
        Ok(())
    }
}

fn seed(services: &dyn StepServices) -> u128 {
    let mut bytes = [0; 16];
    services.random(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Memory and tables of one attempt.
pub(crate) struct StepLimiter {
    memory_limit: usize,
    memory_used: usize,
    memory_peak: usize,
    table_limit: usize,
    step: Arc<StepShared>,
}

impl StepLimiter {
    fn new(step: &Arc<StepShared>) -> Self {
        Self {
            memory_limit: step.limits.memory_bytes,
            memory_used: 0,
            memory_peak: 0,
            table_limit: step.limits.table_elements,
            step: step.clone(),
        }
    }

    /// The most that all memories held together, in bytes.
    pub(crate) fn memory_peak(&self) -> usize {
        self.memory_peak
    }

    fn refuse(&self, message: String) -> wasmtime::Error {
        let error = wasmtime::Error::msg(message.clone());
        self.step
            .end(Ending::Failed(Failure::new(FailureKind::Limit, message)));
        error
    }
}

impl ResourceLimiter for StepLimiter {
    /// Reaching the limit ends the attempt. Telling the guest that there is no memory would only make it trap a little
    /// later, with a message that does not say why.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_limit {
            return Err(self.refuse(format!(
                "the connector wants {} of memory, the limit is {}",
                megabytes(used),
                megabytes(self.memory_limit)
            )));
        }
        self.memory_used = used;
        self.memory_peak = self.memory_peak.max(used);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_limit {
            return Err(self.refuse(format!(
                "the connector wants a table of {desired} elements, the limit is {}",
                self.table_limit
            )));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        256
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }
}

/// Bytes for people, rounded up to a tenth of a megabyte.
fn megabytes(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
