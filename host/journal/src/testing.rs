//! Proof by faults: the journal's own code over a storage that records, cuts, tears, fails and fills up.
//!
//! [`disk`] is the storage, [`script`] drives the core and a plain model side by side, the others are the campaigns.

mod campaign;
mod crash;
mod disk;
mod faults;
mod files;
mod flips;
mod model;
mod script;
mod shell;
