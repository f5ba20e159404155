//! Backup of a control plane while it runs, and a control plane made of a backup.
//!
//! A backup is a folder: a copy of the database as it is at one moment, the files of the data folder, and a list of them
//! all with their digests, written last, so that a backup that was cut off is none. What is left out is made anew at the
//! next start (locks, addresses, what is unfinished) or is not the control plane's (the host of a development server: a
//! host's journal never comes from a backup). The database goes first, then what names content, then content: so what is
//! named is there.
//!
//! A control plane that came out of a backup has another incarnation. Its hosts notice that, say how far their runs are
//! stored, and send again what is missing.

mod error;
mod files;
mod list;
mod make;
mod outcome;
mod rehearsal;
mod restore;

pub use error::BackupError;
pub use list::Engine;
pub use make::back_up;
pub use outcome::{BackedUp, Progress, Rehearsed};
pub use rehearsal::rehearse;
pub use restore::restore;
