//! Lines in the step's log: at most 4 KiB each, 1,000 and 64 KiB in all a step; more is cut or dropped, and counted.

use crate::bindings::flowforge::connector::log::{Level, write};

/// A line for the author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// A line about what happened.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// A line about something degraded.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// A line about something that someone must look at.
pub fn error(message: &str) {
    write(Level::Error, message);
}
