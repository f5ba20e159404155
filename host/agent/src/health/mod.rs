//! Health: what a host knows and tells of itself.
//!
//! Owns the status document, the socket that gives it, what is known about the line and about the disk. Every other room
//! writes here; this one calls none of them.

mod disk;
mod link;
mod socket;
mod status;

pub(crate) use self::disk::Disk;
pub use self::link::{LinkHealth, LinkView};
pub(crate) use self::socket::StatusServer;
pub use self::socket::{SOCKET, StatusError, ask};
pub use self::status::{
    CertificateLife, DiskStatus, JournalStatus, LinkState, LinkStatus, ParkedRun, ResumedStatus, RunCounts,
    StandingRun, Status, TelemetryStatus, UploadStatus,
};
