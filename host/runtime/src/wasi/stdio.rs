//! A guest's stdout and stderr: lines of the step's log.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::services::LogLevel;
use crate::step::StepShared;

/// Most that is taken in one write.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// One of the two streams. All handles of a guest share it.
#[derive(Clone)]
pub(crate) struct LogStream {
    step: Arc<StepShared>,
    level: LogLevel,
    /// The line that has no end yet; never longer than a few lines of the log.
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(crate) fn new(step: Arc<StepShared>, level: LogLevel) -> Self {
        Self {
            step,
            level,
            line: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = self.line_bytes_max().saturating_sub(line.len());
            line.extend_from_slice(text.get(..text.len().min(room)).unwrap_or_default());
            if ended {
                self.emit(&line);
                line.clear();
            }
        }
    }

    /// More than a line of the log holds, because it is cut only after secret values are taken out of it.
    fn line_bytes_max(&self) -> usize {
        self.step.limits.log_line_bytes.saturating_mul(4)
    }

    fn emit(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if self.level == LogLevel::Warn {
            self.step.remember_words(&self.step.redactor.text(text));
        }
        if !text.is_empty() {
            self.step.log(self.level, text);
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        // The last handle writes what has no line end.
        if Arc::strong_count(&self.line) == 1 {
            let line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
            self.emit(&line);
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
