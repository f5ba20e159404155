//! Work that takes long without waiting, kept off the threads that others wait for.

/// Does something that takes long without waiting, on a thread made for it.
///
/// # Errors
/// When the process is shutting down, or the work panicked.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(std::io::Error::other)
}
