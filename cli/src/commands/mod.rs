//! The words of the command line, one file each.

pub(crate) mod again;
pub(crate) mod approval;
pub(crate) mod arrange;
pub(crate) mod asked;
pub(crate) mod audit;
pub(crate) mod bundle;
pub(crate) mod connector;
pub(crate) mod dev;
pub(crate) mod diff;
pub(crate) mod draft;
pub(crate) mod expr;
pub(crate) mod findings;
pub(crate) mod follow;
pub(crate) mod host;
pub(crate) mod operate;
pub(crate) mod publisher;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod server;
pub(crate) mod workflow;
