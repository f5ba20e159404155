//! Signs of life of a call that takes long. Each report is one; the host passes on at most five a second.

use crate::bindings::flowforge::connector::progress::{State, report as to_host};

/// The call is alive.
pub fn alive() {
    to_host(None);
}

/// The call is alive and this far, from 0 to 100.
pub fn percent(percent: u8) {
    report(Some(percent), None);
}

/// The call is alive; how far it is, and a line of at most 256 bytes for people, where they are known.
pub fn report(percent: Option<u8>, message: Option<&str>) {
    to_host(Some(&State {
        percent,
        message: message.map(str::to_owned),
    }));
}
