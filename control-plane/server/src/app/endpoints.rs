//! Webhook endpoints: made, given another key, disabled, tried; and events that are sent once more.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_store::{
    ENDPOINT_TEST, EVENT_KINDS, Endpoint, EndpointPlan, EndpointSet, EventDelivery, MAX_ENDPOINTS,
    StoreError, event_name,
};
use zeroize::Zeroizing;

use crate::app::App;
use crate::entropy::{EntropyError, fresh};
use crate::secrets::VaultError;

/// Longest time for which a key that was changed signs beside the new one: a week.
pub(crate) const OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why an endpoint was not changed, by fault of this server, or because it may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

/// An endpoint as it is now, with its key if it is new.
pub(crate) struct SetEndpoint {
    pub(crate) endpoint: Endpoint,
    /// Shown this once: `whsec_…`.
    pub(crate) key: Option<Zeroizing<String>>,
}

/// What is wrong, each with its field.
pub(crate) type Faults = Vec<(&'static str, String)>;

/// A key as the Standard Webhooks specification writes it: 32 random bytes.
fn new_key() -> Result<Zeroizing<String>, EntropyError> {
    let bytes = Zeroizing::new(fresh::<32>()?);
    Ok(Zeroizing::new(format!("whsec_{}", STANDARD.encode(*bytes))))
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(good)
}

impl App {
    fn endpoint_faults(&self, plan: &EndpointPlan) -> Faults {
        let mut faults = Vec::new();
        if !is_name(&plan.name) {
            let message =
                "a name is lower-case letters, digits, `-` and `_`, beginning with a letter, at most 64";
            faults.push(("name", message.to_owned()));
        }
        if let Err(message) = self.outside.address(&plan.url) {
            faults.push(("url", message));
        }
        let unknown = plan
            .kinds
            .iter()
            .find(|kind| !EVENT_KINDS.contains(&kind.as_str()));
        if let Some(kind) = unknown {
            let message = format!(
                "there are no events `{kind}`; there are {}",
                EVENT_KINDS.join(", ")
            );
            faults.push(("events", message));
        }
        faults
    }

    /// Makes an endpoint, or says anew where one is and what it is told; or says what is wrong with it.
    pub(crate) async fn set_endpoint(
        &self,
        caller: &Caller,
        mut plan: EndpointPlan,
    ) -> Result<Result<SetEndpoint, Faults>, EndpointError> {
        plan.kinds.sort_unstable();
        plan.kinds.dedup();
        let name = plan.name.clone();
        let object = Object::new(ObjectKind::Endpoint, &name);
        let allowed = self.allow(caller, Action::SetEndpoint, object.clone()).await?;
        let allowed = allowed.about(object, Some(plan.url.clone()));
        let faults = self.endpoint_faults(&plan);
        if !faults.is_empty() {
            return Ok(Err(faults));
        }
        let key = new_key()?;
        let sealed = self.secrets.lock_endpoint(&name, 1, &key)?;
        let by = (allowed.by().to_owned(), self.clock.now_ms());
        let set = allowed
            .change()
            .set_endpoint(allowed.scope(), plan, sealed, by)
            .await?;
        let key = match set {
            EndpointSet::Made => Some(key),
            EndpointSet::Changed => None,
            EndpointSet::TooMany => {
                let message = format!(
                    "there are {MAX_ENDPOINTS} webhook endpoints, and no more may be made; delete one first"
                );
                return Ok(Err(vec![("name", message)]));
            }
        };
        // What its workflows had told it before it was there is due now.
        self.outside.wanted.notify_one();
        let endpoint = allowed.store().endpoint(allowed.scope(), &name).await?;
        let endpoint = endpoint.ok_or(StoreError::Stopped)?;
        Ok(Ok(SetEndpoint { endpoint, key }))
    }

    /// Gives an endpoint another key; the one that it had signs beside it for this time. None if there is no such endpoint.
    pub(crate) async fn rotate_endpoint(
        &self,
        caller: &Caller,
        name: &str,
        overlap: Duration,
    ) -> Result<Option<SetEndpoint>, EndpointError> {
        let object = Object::new(ObjectKind::Endpoint, name);
        let allowed = self.allow(caller, Action::RotateEndpoint, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let overlap_ms = u64::try_from(overlap.min(OVERLAP_MAX).as_millis()).unwrap_or(0);
        // Somebody else may give it a key at the same moment: then the next number is another one.
        while let Some(before) = store.endpoint(scope, name).await? {
            let key = new_key()?;
            let sealed = self
                .secrets
                .lock_endpoint(name, before.key_version.saturating_add(1), &key)?;
            let until_ms = self.clock.now_ms().saturating_add(overlap_ms);
            let change = allowed.change();
            if change
                .rotate_endpoint(scope, name.to_owned(), sealed, until_ms)
                .await?
            {
                let endpoint = store.endpoint(scope, name).await?;
                return Ok(endpoint.map(|endpoint| SetEndpoint {
                    endpoint,
                    key: Some(key),
                }));
            }
        }
        Ok(None)
    }

    /// Disables an endpoint, with the reason, or enables it. None if there is none of this name.
    pub(crate) async fn decide_endpoint(
        &self,
        caller: &Caller,
        name: &str,
        enabled: bool,
    ) -> Result<Option<Endpoint>, EndpointError> {
        let object = Object::new(ObjectKind::Endpoint, name);
        let allowed = self.allow(caller, Action::DecideEndpoint, object.clone()).await?;
        let said = if enabled { "enabled" } else { "disabled" };
        let allowed = allowed.about(object, Some(said.to_owned()));
        let why = (!enabled).then(|| format!("disabled by {}", allowed.by()));
        let (change, scope) = (allowed.change(), allowed.scope());
        change
            .decide_endpoint(scope, name.to_owned(), why, self.clock.now_ms())
            .await?;
        self.outside.wanted.notify_one();
        Ok(allowed.store().endpoint(scope, name).await?)
    }

    /// Removes an endpoint with what was sent to it. False if there is none of this name.
    pub(crate) async fn delete_endpoint(&self, caller: &Caller, name: &str) -> Result<bool, EndpointError> {
        let object = Object::new(ObjectKind::Endpoint, name);
        let allowed = self.allow(caller, Action::DeleteEndpoint, object).await?;
        let (change, scope) = (allowed.change(), allowed.scope());
        Ok(change.delete_endpoint(scope, name.to_owned()).await?)
    }

    /// Sends an event that tries an endpoint. None if there is none of this name, or nothing is sent there.
    pub(crate) async fn test_endpoint(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<EventDelivery>, EndpointError> {
        let object = Object::new(ObjectKind::Endpoint, name);
        let allowed = self.allow(caller, Action::TestEndpoint, object).await?;
        let (change, scope) = (allowed.change(), allowed.scope());
        // Each try is another event.
        let number = u128::from_be_bytes(fresh::<16>()?);
        let event = event_name(ENDPOINT_TEST, &format!("{number:032x}"));
        let written = change
            .tell_test(scope, name.to_owned(), event, self.clock.now_ms())
            .await?;
        let Some(number) = written else { return Ok(None) };
        self.outside.wanted.notify_one();
        Ok(allowed.store().event_delivery(scope, number).await?)
    }

    /// Has an event sent once more, under the name that it has. None if there is none of this number.
    pub(crate) async fn retry_event(
        &self,
        caller: &Caller,
        number: u64,
    ) -> Result<Option<EventDelivery>, EndpointError> {
        let object = Object::new(ObjectKind::Event, number.to_string());
        let allowed = self.allow(caller, Action::RetryEvent, object).await?;
        let (change, scope) = (allowed.change(), allowed.scope());
        let by = allowed.by().to_owned();
        change
            .send_event_again(scope, number, by, self.clock.now_ms())
            .await?;
        self.outside.wanted.notify_one();
        Ok(allowed.store().event_delivery(scope, number).await?)
    }
}
