//! Deciding about a host: drain, revoke, take back, leave.

use std::sync::Arc;

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_protocol::HostId;
use flowforge_store::{HostStanding, Standing, Store, StoreError};

use super::errors::DecideError;
use crate::app::App;
use crate::fleet::hosts::HostEntry;
use crate::fleet::words::Word;

/// What somebody decides about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It finishes what it has and gets nothing new.
    Drain,
    /// It gets new work again.
    Undrain,
    /// Its calls are refused from now on.
    Revoke,
}

impl App {
    /// The host with this name or id, or the start of its id.
    pub(crate) fn find_host(&self, named: &str) -> Result<Arc<HostEntry>, DecideError> {
        let all = self.hosts.all();
        if let Some(host) = all.iter().find(|host| host.id.as_str() == named) {
            return Ok(Arc::clone(host));
        }
        let mut of_name = all.iter().filter(|host| {
            host.state().host.name == named || (named.len() >= 4 && host.id.as_str().starts_with(named))
        });
        match (of_name.next(), of_name.next()) {
            (Some(host), None) => Ok(Arc::clone(host)),
            (None, _) => Err(DecideError::Unknown(named.chars().take(80).collect())),
            (Some(_), Some(_)) => Err(DecideError::Ambiguous(named.chars().take(80).collect())),
        }
    }

    /// Decides about a host on behalf of somebody.
    pub(crate) async fn decide_about(
        &self,
        caller: &Caller,
        host: &HostEntry,
        decision: Decision,
        why: Option<&str>,
    ) -> Result<(), DecideError> {
        let object = Object::new(ObjectKind::Host, host.id.as_str());
        let allowed = self.allow(caller, Action::DecideHost, object.clone()).await?;
        let by = allowed.by();
        let now = self.peers.standing(&host.id).map(|decided| decided.standing);
        let is_gone = now.is_some_and(|standing| !standing.is_admitted());
        let (standing, done) = match decision {
            Decision::Drain | Decision::Undrain if is_gone => {
                return Err(DecideError::Gone(host.state().host.name.clone()));
            }
            Decision::Drain => (Standing::Draining, "drained"),
            Decision::Undrain => (Standing::Active, "taken back"),
            Decision::Revoke => (Standing::Revoked, "revoked"),
        };
        let why: String = why.unwrap_or_default().chars().take(500).collect();
        let reason = if why.is_empty() {
            format!("{done} by {by}")
        } else {
            format!("{done} by {by}: {why}")
        };
        tracing::warn!(host = %host.id, reason, "something was decided about a host");
        let allowed = allowed.about(object, Some(reason.clone()));
        self.decide_host(&allowed.change(), &host.id, standing, reason)
            .await?;
        Ok(())
    }

    /// A host says good-bye.
    pub(crate) async fn host_leaves(&self, host: &HostId) -> Result<(), StoreError> {
        tracing::info!(%host, "a host left");
        self.decide_host(&self.store, host, Standing::Left, "it said so itself".to_owned())
            .await
    }

    /// Keeps what was decided. A host that is not heard any more has no session from now on.
    pub(super) async fn decide_host(
        &self,
        store: &Store,
        host: &HostId,
        standing: Standing,
        reason: String,
    ) -> Result<(), StoreError> {
        let decided = HostStanding {
            host: host.clone(),
            standing,
            reason: reason.clone(),
            since_ms: self.clock.now_ms(),
        };
        store.decide_host(&self.scope, decided).await?;
        self.stands(host, standing, reason);
        Ok(())
    }

    /// What the store keeps of a decision takes effect here, and other servers are told.
    pub(super) fn stands(&self, host: &HostId, standing: Standing, reason: String) {
        self.stand_by(HostStanding {
            host: host.clone(),
            standing,
            reason,
            since_ms: self.clock.now_ms(),
        });
        self.bus.say(Word::Host(host.clone()));
    }

    /// What was decided about a host takes effect here.
    pub(crate) fn stand_by(&self, decided: HostStanding) {
        let (host, standing) = (decided.host.clone(), decided.standing);
        self.peers.decided(decided);
        self.hosts.close(&host, standing != Standing::Active);
    }
}
