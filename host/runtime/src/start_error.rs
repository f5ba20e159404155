//! What the machine may refuse to a runtime.

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
