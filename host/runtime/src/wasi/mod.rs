//! What a guest reaches by WASI: its output is the step's log, its HTTP goes out by the same policy as ours.

mod http;
mod stdio;

pub(crate) use http::WasiDoor;
pub(crate) use stdio::LogStream;
