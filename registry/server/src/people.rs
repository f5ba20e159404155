//! Changing who may do what: accounts, publishers with their members and keys, who sees what.
//!
//! Each is one small file, written whole; what a process knows follows the file. Who asks was decided before: a call names
//! the visitor, and what only an owner of a publisher may change is asked of that publisher's document.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_gates::is_confusable;
use flowforge_protocol::publisher::verify_key_statement;
use flowforge_protocol::{ConnectorName, Digest, VerifyingKey};
use serde::Serialize;

use crate::access::{Account, Visitor};
use crate::config::{ACCOUNTS_MAX, PUBLISHERS_MAX};
use crate::load::AccessFile;
use crate::publisher::{KeyEnd, Publisher, PullGrant, Role, Visibility};
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;
use crate::standing::checked_reason;

/// A key that a publisher gets, with the statements that speak for it.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The public half.
    pub key: &'a VerifyingKey,
    /// The statement that the key signed itself.
    pub by_itself: &'a str,
    /// The same statement, signed by a key that the publisher has.
    pub by_another: Option<&'a str>,
}

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyDecision {
    /// It signs no more, and all that it signed holds.
    Retire,
    /// It may be in other hands: what was published with it from this time on does not hold any more. Milliseconds since
    /// 1970 UTC; from the beginning if absent.
    Revoke {
        /// From when on.
        since_ms: Option<u64>,
    },
    /// It need not wait: whoever runs the registry vouches for it.
    Confirm,
}

impl Registry {
    /// Everybody with a password here, by name.
    #[must_use]
    pub fn accounts(&self) -> BTreeMap<String, Account> {
        self.index().people.accounts.clone()
    }

    /// Whether public connectors are pulled without an account.
    #[must_use]
    pub fn anonymous_pull(&self) -> bool {
        self.index().people.anonymous_pull
    }

    /// Gives an account a new password, and makes it if there is none of this name. The password is known to whoever gets
    /// this answer and to nobody else; an earlier one is of no use any more.
    ///
    /// # Errors
    /// [`Code::NameInvalid`]: no name for an account. [`Code::Denied`]: there are too many. [`Code::Unknown`]: no random
    /// bytes, or the disk's trouble.
    pub async fn set_account(&self, name: &str, by: &str) -> Result<String, Refusal> {
        checked_account(name)?;
        let _writing = self.inner.writer.lock().await;
        let is_new = !self.index().people.accounts.contains_key(name);
        if is_new && self.index().people.accounts.len() >= ACCOUNTS_MAX {
            let message = format!("the registry has at most {ACCOUNTS_MAX} accounts");
            return Err(Refusal::new(Code::Denied, message));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Refusal::new(Code::Unknown, error))?;
        let password = hex::encode(random);
        let account = Account {
            password_digest: Digest::of(password.as_bytes()),
            created_at_ms: self.now_ms(),
            created_by: by.to_owned(),
        };
        self.write_document("write an account", self.inner.layout.account(name), &account)
            .await?;
        Arc::make_mut(&mut self.index_mut().people)
            .accounts
            .insert(name.to_owned(), account);
        self.said();
        Ok(password)
    }

    /// Removes an account with its password. Where it is a member it stays one by its name, and what it may pull stays.
    ///
    /// # Errors
    /// [`Code::ManifestUnknown`]: there is none of this name.
    pub async fn remove_account(&self, name: &str) -> Result<(), Refusal> {
        let _writing = self.inner.writer.lock().await;
        if !self.index().people.accounts.contains_key(name) {
            let name: String = name.chars().take(80).collect();
            return Err(Refusal::new(
                Code::ManifestUnknown,
                format!("there is no account `{name}`"),
            ));
        }
        self.remove("remove an account", self.inner.layout.account(name))
            .await?;
        Arc::make_mut(&mut self.index_mut().people).accounts.remove(name);
        self.said();
        Ok(())
    }

    /// Says whether public connectors are pulled without an account.
    ///
    /// # Errors
    /// [`Code::Unknown`]: the disk's trouble.
    pub async fn set_anonymous_pull(&self, anonymous_pull: bool) -> Result<(), Refusal> {
        let _writing = self.inner.writer.lock().await;
        let file = AccessFile { anonymous_pull };
        self.write_document("write who may pull", self.inner.layout.access(), &file)
            .await?;
        Arc::make_mut(&mut self.index_mut().people).anonymous_pull = anonymous_pull;
        self.said();
        Ok(())
    }

    /// Every publisher that has a document here, by name.
    #[must_use]
    pub fn publishers(&self) -> Vec<Arc<Publisher>> {
        self.index().people.publishers.values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn publisher(&self, name: &str) -> Option<Arc<Publisher>> {
        self.index().people.publishers.get(name).cloned()
    }

    /// Makes a publisher with its first key and its first owner; without an account that is whoever runs the registry.
    ///
    /// # Errors
    /// [`Code::NameInvalid`]: no name for a publisher. [`Code::Denied`]: taken, easily taken for another, or published
    /// under before by somebody who is not asking. [`Code::ManifestInvalid`]: the key does not speak for itself.
    pub async fn create_publisher(
        &self,
        name: &str,
        owner: &Visitor,
        key: NewKey<'_>,
    ) -> Result<Arc<Publisher>, Refusal> {
        if format!("{name}:x").parse::<ConnectorName>().is_err() {
            let name: String = name.chars().take(80).collect();
            let message = format!("`{name}` is no publisher: a name is made of a-z, 0-9 and single hyphens");
            return Err(Refusal::new(Code::NameInvalid, message));
        }
        prove(key, name)?;
        let _writing = self.inner.writer.lock().await;
        self.is_free(name, owner)?;
        let members = match owner {
            Visitor::Account(account) => BTreeMap::from([(account.clone(), Role::Owner)]),
            _ => BTreeMap::new(),
        };
        let mut publisher = Publisher {
            name: name.to_owned(),
            created_at_ms: self.now_ms(),
            members,
            keys: Vec::new(),
            visibility: Visibility::Public,
            exceptions: BTreeMap::new(),
            grants: Vec::new(),
        };
        publisher.add_key(key.key.clone(), true, owner.name(), self.now_ms())?;
        self.keep_publisher(publisher).await
    }

    /// Whether somebody may become a publisher of this name.
    fn is_free(&self, name: &str, owner: &Visitor) -> Result<(), Refusal> {
        let index = self.index();
        let publishers = &index.people.publishers;
        if publishers.contains_key(name) {
            let message =
                format!("`{name}` is owned by somebody; ask one of its owners, or use your own name");
            return Err(Refusal::new(Code::Denied, message));
        }
        if publishers.len() >= PUBLISHERS_MAX {
            let message = format!("the registry has at most {PUBLISHERS_MAX} publishers");
            return Err(Refusal::new(Code::Denied, message));
        }
        if *owner == Visitor::Operator {
            return Ok(());
        }
        let known = || publishers.keys().map(String::as_str).chain(index.published_by());
        if known().any(|known| known == name) {
            let message =
                format!("`{name}` has published here; whoever runs the registry can hand it to you");
            return Err(Refusal::new(Code::Denied, message));
        }
        if let Some(known) = known().find(|known| is_confusable(name, known)) {
            let message =
                format!("`{name}` is easily taken for `{known}`; choose a name that nobody mixes up");
            return Err(Refusal::new(Code::Denied, message));
        }
        Ok(())
    }

    /// Adds a key. With a statement of a key that the publisher has, or by whoever runs the registry, it may be used at
    /// once; else, because all keys are lost, after a week in which any owner can revoke it.
    ///
    /// # Errors
    /// [`Code::ManifestInvalid`]: a statement does not hold. [`Code::Denied`]: not an owner, or the key is known.
    pub async fn add_key(
        &self,
        publisher: &str,
        by: &Visitor,
        key: NewKey<'_>,
    ) -> Result<Arc<Publisher>, Refusal> {
        prove(key, publisher)?;
        let now_ms = self.now_ms();
        self.change_publisher(publisher, by, |publisher| {
            let vouched = match key.by_another {
                Some(envelope) => {
                    let usable = publisher.usable_keys(now_ms);
                    let checked =
                        verify_key_statement(envelope.as_bytes(), &usable, &publisher.name, key.key);
                    checked.map_err(|error| {
                        let message = format!(
                            "no key that `{}` may use now vouches for the new one: {error}",
                            publisher.name
                        );
                        Refusal::new(Code::ManifestInvalid, message)
                    })?;
                    true
                }
                None => *by == Visitor::Operator,
            };
            publisher.add_key(key.key.clone(), vouched, by.name(), now_ms)
        })
        .await
    }

    /// Decides about a key, by its id or the beginning of that.
    ///
    /// # Errors
    /// [`Code::ManifestUnknown`]: no such key. [`Code::ManifestInvalid`]: the reason is none. [`Code::Denied`]: not an
    /// owner; or for [`KeyDecision::Confirm`], not whoever runs the registry.
    pub async fn decide_key(
        &self,
        publisher: &str,
        by: &Visitor,
        id: &str,
        reason: &str,
        decision: KeyDecision,
    ) -> Result<Arc<Publisher>, Refusal> {
        let reason = checked_reason(reason)?;
        let now_ms = self.now_ms();
        let changed = self
            .change_publisher(publisher, by, |publisher| match decision {
                KeyDecision::Confirm if *by != Visitor::Operator => {
                    let message = "only whoever runs the registry can let a key be used before its time";
                    Err(Refusal::new(Code::Denied, message))
                }
                KeyDecision::Confirm => {
                    let key = publisher.key_mut(id)?;
                    key.usable_from_ms = key.usable_from_ms.min(now_ms);
                    Ok(())
                }
                KeyDecision::Retire | KeyDecision::Revoke { .. } => {
                    let distrusted_from_ms = match decision {
                        KeyDecision::Revoke { since_ms } => Some(since_ms.unwrap_or(0)),
                        _ => None,
                    };
                    publisher.end_key(
                        id,
                        KeyEnd {
                            at_ms: now_ms,
                            by: by.name().to_owned(),
                            reason,
                            distrusted_from_ms,
                        },
                    )
                }
            })
            .await?;
        // What the key signed may not hold any more.
        self.look_again().await?;
        Ok(changed)
    }

    /// Says what an account may do for a publisher; without a role it is no member.
    ///
    /// # Errors
    /// [`Code::Denied`]: not an owner, or no owner would be left. [`Code::ManifestUnknown`]: it is no member.
    pub async fn set_member(
        &self,
        publisher: &str,
        by: &Visitor,
        account: &str,
        role: Option<Role>,
    ) -> Result<Arc<Publisher>, Refusal> {
        checked_account(account)?;
        self.change_publisher(publisher, by, |publisher| publisher.set_member(account, role))
            .await
    }

    /// Says who sees a publisher's connectors, or one of them.
    ///
    /// # Errors
    /// [`Code::Denied`]: not an owner. [`Code::NameInvalid`]: no name for a connector.
    pub async fn set_visibility(
        &self,
        publisher: &str,
        by: &Visitor,
        connector: Option<&str>,
        visibility: Visibility,
    ) -> Result<Arc<Publisher>, Refusal> {
        checked_connector(connector)?;
        self.change_publisher(publisher, by, |publisher| {
            publisher.set_visibility(connector, visibility);
            Ok(())
        })
        .await
    }

    /// Lets an account pull what not everybody may, or no more. What it pulled before is its own.
    ///
    /// # Errors
    /// [`Code::Denied`]: not an owner, or too many. [`Code::ManifestUnknown`]: there is no such grant to take.
    pub async fn set_pull_grant(
        &self,
        publisher: &str,
        by: &Visitor,
        grant: PullGrant,
        given: bool,
    ) -> Result<Arc<Publisher>, Refusal> {
        checked_account(&grant.account)?;
        checked_connector(grant.connector.as_deref())?;
        self.change_publisher(publisher, by, |publisher| publisher.set_grant(grant, given))
            .await
    }

    async fn change_publisher(
        &self,
        name: &str,
        by: &Visitor,
        change: impl FnOnce(&mut Publisher) -> Result<(), Refusal>,
    ) -> Result<Arc<Publisher>, Refusal> {
        let _writing = self.inner.writer.lock().await;
        let known = self.publisher(name).ok_or_else(|| {
            let name: String = name.chars().take(80).collect();
            let message =
                format!("there is no publisher `{name}`; make it with `flowforge publisher new {name}`");
            Refusal::new(Code::ManifestUnknown, message)
        })?;
        let is_owner = match by {
            Visitor::Operator => true,
            Visitor::Account(account) => known.role_of(account) == Some(Role::Owner),
            Visitor::Host | Visitor::Anonymous => false,
        };
        if !is_owner {
            let message = format!("only an owner of `{name}` may change it; `{}` is none", by.name());
            return Err(Refusal::new(Code::Denied, message));
        }
        let mut changed = Publisher::clone(&known);
        change(&mut changed)?;
        self.keep_publisher(changed).await
    }

    async fn keep_publisher(&self, publisher: Publisher) -> Result<Arc<Publisher>, Refusal> {
        let path = self.inner.layout.publisher(&publisher.name);
        self.write_document("write a publisher", path, &publisher).await?;
        let publisher = Arc::new(publisher);
        let kept = Arc::clone(&publisher);
        Arc::make_mut(&mut self.index_mut().people)
            .publishers
            .insert(kept.name.clone(), kept);
        self.said();
        Ok(publisher)
    }

    /// Tells whoever shares the folder that something was said.
    fn said(&self) {
        (self.inner.config.published)();
    }

    /// Writes a small document of the registry durably.
    pub(crate) async fn write_document(
        &self,
        what: &'static str,
        path: std::path::PathBuf,
        value: &impl Serialize,
    ) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(value).map_err(|error| Refusal::new(Code::Unknown, error))?;
        self.write(what, path, bytes.into()).await
    }

    async fn remove(&self, what: &'static str, path: std::path::PathBuf) -> Result<(), Refusal> {
        crate::files::blocking(what, move || crate::files::remove_durably(&path)).await
    }
}

fn prove(key: NewKey<'_>, publisher: &str) -> Result<(), Refusal> {
    let signers = std::slice::from_ref(key.key);
    verify_key_statement(key.by_itself.as_bytes(), signers, publisher, key.key).map_err(|error| {
        let message = format!("the key does not say itself that it is one of `{publisher}`: {error}");
        Refusal::new(Code::ManifestInvalid, message)
    })
}

/// Names of accounts are those of people at many places, and part of `NAME:PASSWORD`.
fn checked_account(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    let name: String = name.chars().take(80).collect();
    let message = format!(
        "`{name}` is no account: 1 to 64 letters, digits and `-_.@`, beginning with a letter or digit"
    );
    Err(Refusal::new(Code::NameInvalid, message))
}

fn checked_connector(connector: Option<&str>) -> Result<(), Refusal> {
    match connector.map(|name| format!("x:{name}").parse::<ConnectorName>()) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(Refusal::new(Code::NameInvalid, error)),
    }
}
