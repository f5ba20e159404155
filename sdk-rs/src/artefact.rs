//! Writing and reading artefacts as streams.
//!
//! The host takes and gives at most 1 MiB a call; the writer gathers small writes, so that a row of text is not a call.

use std::io;

use crate::bindings::flowforge::connector::artefacts::{self, Reader as HostReader, Writer as HostWriter};
use crate::{Artefact, Failure};

/// How much the writer gathers before it calls the host, in bytes.
const GATHER_BYTES: usize = 64 * 1024;
/// The most one call may carry, in bytes.
const CALL_BYTES_MAX: usize = 1024 * 1024;

impl Artefact {
    /// Begin a new artefact of this file name and media type, at most 64 MiB.
    ///
    /// # Errors
    /// `Unavailable`: the store of this host failed; the step may be tried again.
    pub fn create(name: &str, media_type: &str) -> Result<Writer, Failure> {
        Ok(Writer {
            host: artefacts::create(name, media_type)?,
            gathered: Vec::with_capacity(GATHER_BYTES),
        })
    }

    /// Read this artefact from its start.
    ///
    /// # Errors
    /// `Denied`: it did not reach this step through its ports. `Unavailable`: the store failed.
    pub fn open(&self) -> Result<Reader, Failure> {
        Ok(Reader {
            host: artefacts::open(self)?,
        })
    }
}

/// An artefact being written. Dropped without [`Writer::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    host: HostWriter,
    gathered: Vec<u8>,
}

impl Writer {
    /// Append bytes.
    ///
    /// # Errors
    /// `Rejected` with code `too_large` above 64 MiB; `Unavailable` if the store failed.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHER_BYTES {
            self.send()
        } else {
            Ok(())
        }
    }

    /// Close and name the artefact.
    ///
    /// # Errors
    /// As [`Writer::append`]; the artefact does not exist then.
    pub fn finish(mut self) -> Result<Artefact, Failure> {
        self.send()?;
        Ok(self.host.finish()?)
    }

    fn send(&mut self) -> Result<(), Failure> {
        for chunk in self.gathered.chunks(CALL_BYTES_MAX) {
            self.host.write(chunk)?;
        }
        self.gathered.clear();
        Ok(())
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.send()?)
    }
}

/// An artefact being read.
#[derive(Debug)]
pub struct Reader {
    host: HostReader,
}

impl Reader {
    /// The next bytes, at most 1 MiB; empty at the end.
    ///
    /// # Errors
    /// `Unavailable` if the store failed.
    pub fn next_bytes(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.host.read(u32::MAX)?)
    }

    /// Everything that is left, as text.
    ///
    /// # Errors
    /// `Rejected` with code `too_large` above `max_bytes`; `Rejected` with code `not_text` if it is not UTF-8.
    pub fn text(mut self, max_bytes: usize) -> Result<String, Failure> {
        let mut all = Vec::new();
        loop {
            let bytes = self.next_bytes()?;
            if bytes.is_empty() {
                break;
            }
            if all.len().saturating_add(bytes.len()) > max_bytes {
                return Err(Failure::rejected(
                    "too_large",
                    format!("the artefact is larger than {max_bytes} bytes"),
                ));
            }
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).map_err(|error| {
            Failure::rejected(
                "not_text",
                format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()),
            )
        })
    }
}
