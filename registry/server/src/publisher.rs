//! A publisher as an organisation: who belongs to it, which keys speak for it, what of its work is seen by whom.
//!
//! Pure: rules over one small document. The document of a publisher that stands here takes its name from the trust root's
//! `*`: from then on only the publisher's own keys publish under it.

use std::collections::BTreeMap;

use flowforge_protocol::{KeyId, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};

/// Most members of one publisher.
const MEMBERS_MAX: usize = 256;
/// Most keys of one publisher, those of the past too.
const KEYS_MAX: usize = 64;
/// Most pull grants of one publisher.
const GRANTS_MAX: usize = 4096;
/// How long a key waits that no other key of the publisher vouches for: time for its members to object.
pub(crate) const KEY_WAIT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// What a member of a publisher may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Pushes versions.
    Publisher,
    /// Also says who belongs to the publisher, which keys it has, and who sees its work.
    Owner,
}

/// Who sees and gets a connector through the registry's door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody who may pull at all.
    #[default]
    Public,
    /// Listed for everybody, pulled by members and by those with a pull grant.
    Listed,
    /// Known to members and to those with a pull grant only.
    Private,
}

/// A key of a publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherKey {
    /// The public half.
    pub key: VerifyingKey,
    /// Milliseconds since 1970 UTC.
    pub added_at_ms: u64,
    /// Who added it.
    pub added_by: String,
    /// When it may be used first: later than it was added if no other key vouched for it.
    pub usable_from_ms: u64,
    /// Why and from when on it may not be used any more, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<KeyEnd>,
}

/// That a key signs no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEnd {
    /// When it was decided, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// By whom.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// What was published with it at this time or later does not hold any more, because somebody else may have signed it;
    /// absent if the key was only replaced and all that it signed holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrusted_from_ms: Option<u64>,
}

impl PublisherKey {
    /// Whether it may sign something new.
    #[must_use]
    pub fn is_usable(&self, now_ms: u64) -> bool {
        self.ended.is_none() && self.usable_from_ms <= now_ms
    }

    /// Whether what was published with it at that time holds.
    fn held(&self, published_at_ms: u64) -> bool {
        self.ended
            .as_ref()
            .and_then(|end| end.distrusted_from_ms)
            .is_none_or(|from_ms| published_at_ms < from_ms)
    }
}

/// That an account may pull what not everybody may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullGrant {
    /// The account.
    pub account: String,
    /// One connector of the publisher, by the part of its name behind the colon; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Until when; what was pulled before stays. Milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

/// A publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// The part before the colon in the names of its connectors.
    pub name: String,
    /// Milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// Account → what it may do.
    pub members: BTreeMap<String, Role>,
    /// Oldest first.
    pub keys: Vec<PublisherKey>,
    /// Who sees its connectors, unless one of them says otherwise.
    #[serde(default)]
    pub visibility: Visibility,
    /// Connectors that are seen by others than the rest, by the part of their name behind the colon.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exceptions: BTreeMap<String, Visibility>,
    /// Who may pull what not everybody may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<PullGrant>,
}

impl Publisher {
    /// The publisher of this name whose document cannot be read: nobody publishes and pulls until it is restored.
    pub(crate) fn damaged(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            created_at_ms: 0,
            members: BTreeMap::new(),
            keys: Vec::new(),
            visibility: Visibility::Private,
            exceptions: BTreeMap::new(),
            grants: Vec::new(),
        }
    }

    /// Who sees one of its connectors.
    #[must_use]
    pub fn visibility_of(&self, connector: &str) -> Visibility {
        self.exceptions.get(connector).copied().unwrap_or(self.visibility)
    }

    /// What an account may do here as a member; nothing if it is none.
    #[must_use]
    pub fn role_of(&self, account: &str) -> Option<Role> {
        self.members.get(account).copied()
    }

    /// Whether an account may pull one of its connectors that not everybody may.
    #[must_use]
    pub fn lets_pull(&self, account: &str, connector: &str, now_ms: u64) -> bool {
        let covers = |grant: &PullGrant| {
            grant.account == account
                && grant.connector.as_ref().is_none_or(|only| only == connector)
                && grant.until_ms.is_none_or(|until_ms| now_ms < until_ms)
        };
        self.role_of(account).is_some() || self.grants.iter().any(covers)
    }

    /// Keys that may sign something new.
    #[must_use]
    pub fn usable_keys(&self, now_ms: u64) -> Vec<VerifyingKey> {
        let usable = self.keys.iter().filter(|key| key.is_usable(now_ms));
        usable.map(|key| key.key.clone()).collect()
    }

    /// Keys whose word about something that was published then holds.
    pub(crate) fn keys_of(&self, published_at_ms: u64) -> Vec<VerifyingKey> {
        let held = self.keys.iter().filter(|key| key.held(published_at_ms));
        held.map(|key| key.key.clone()).collect()
    }

    /// Enters a key. It may be used at once if a key that it has vouches for it, or whoever runs the registry does; else it
    /// waits a week.
    pub(crate) fn add_key(
        &mut self,
        key: VerifyingKey,
        vouched: bool,
        by: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if self.keys.iter().any(|known| known.key == key) {
            let message = format!(
                "{} is known already; a key that ended is not taken up again",
                key.id().short()
            );
            return Err(Refusal::new(Code::Denied, message));
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(Refusal::new(
                Code::Denied,
                format!("a publisher has at most {KEYS_MAX} keys"),
            ));
        }
        let wait_ms = if vouched { 0 } else { KEY_WAIT_MS };
        self.keys.push(PublisherKey {
            key,
            added_at_ms: now_ms,
            added_by: by.to_owned(),
            usable_from_ms: now_ms.saturating_add(wait_ms),
            ended: None,
        });
        Ok(())
    }

    /// The key with this id, or whose id begins so.
    pub(crate) fn key_mut(&mut self, id: &str) -> Result<&mut PublisherKey, Refusal> {
        let name = self.name.clone();
        let begins = |key: &PublisherKey| is_meant(&key.key.id(), id);
        let matching = self.keys.iter().filter(|key| begins(key)).count();
        let unknown = || {
            let id: String = id.chars().take(80).collect();
            let message = match matching {
                0 => format!("`{name}` has no key `{id}`"),
                _ => format!("several keys of `{name}` begin with `{id}`; write more of it"),
            };
            Refusal::new(Code::ManifestUnknown, message)
        };
        match matching {
            1 => self.keys.iter_mut().find(|key| begins(key)).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    /// Ends a key. What it signed is distrusted from the given time on, or holds if there is none.
    pub(crate) fn end_key(&mut self, id: &str, end: KeyEnd) -> Result<(), Refusal> {
        let key = self.key_mut(id)?;
        // A key that was replaced may turn out to be stolen, and the other way round nothing is given back.
        let earlier = key.ended.as_ref().and_then(|end| end.distrusted_from_ms);
        if earlier.is_some() && (end.distrusted_from_ms.is_none() || end.distrusted_from_ms > earlier) {
            let message = "the key was revoked before, from an earlier time on; that stays";
            return Err(Refusal::new(Code::Denied, message));
        }
        key.ended = Some(end);
        Ok(())
    }

    /// Says what a member may do; nobody is a member without a role. One owner stays.
    pub(crate) fn set_member(&mut self, account: &str, role: Option<Role>) -> Result<(), Refusal> {
        let mut members = self.members.clone();
        match role {
            Some(role) => {
                members.insert(account.to_owned(), role);
            }
            None if members.remove(account).is_none() => {
                let message = format!("`{account}` is no member of `{}`", self.name);
                return Err(Refusal::new(Code::ManifestUnknown, message));
            }
            None => {}
        }
        if members.len() > MEMBERS_MAX {
            let message = format!("a publisher has at most {MEMBERS_MAX} members");
            return Err(Refusal::new(Code::Denied, message));
        }
        if !self.members.is_empty() && !members.values().any(|role| *role == Role::Owner) {
            let message = format!("`{}` would have no owner left; name another one first", self.name);
            return Err(Refusal::new(Code::Denied, message));
        }
        self.members = members;
        Ok(())
    }

    /// Says who sees a connector, or all that say nothing of their own.
    pub(crate) fn set_visibility(&mut self, connector: Option<&str>, visibility: Visibility) {
        match connector {
            None => self.visibility = visibility,
            Some(connector) => {
                self.exceptions.insert(connector.to_owned(), visibility);
            }
        }
        let usual = self.visibility;
        self.exceptions.retain(|_, own| *own != usual);
    }

    /// Gives a pull grant, in the place of one for the same account and connector; or takes it.
    pub(crate) fn set_grant(&mut self, grant: PullGrant, given: bool) -> Result<(), Refusal> {
        let before = self.grants.len();
        self.grants
            .retain(|known| known.account != grant.account || known.connector != grant.connector);
        match given {
            true if self.grants.len() >= GRANTS_MAX => {
                let message = format!("a publisher gives at most {GRANTS_MAX} pull grants");
                return Err(Refusal::new(Code::Denied, message));
            }
            true => self.grants.push(grant),
            false if self.grants.len() == before => {
                let message = format!("`{}` has no such pull grant", grant.account);
                return Err(Refusal::new(Code::ManifestUnknown, message));
            }
            false => {}
        }
        Ok(())
    }
}

/// Whether an id is meant by what somebody wrote of it: all, its beginning, or its beginning as it is shown to people.
fn is_meant(id: &KeyId, written: &str) -> bool {
    let whole = id.to_string();
    let bare = |text: &str| text.rsplit(':').next().unwrap_or_default().to_owned();
    let (whole_bare, written) = (bare(&whole), bare(written.trim_end_matches('…')));
    written.len() >= 4 && whole_bare.starts_with(&written)
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::SigningKey;

    use super::*;

    fn key(n: u8) -> VerifyingKey {
        SigningKey::from_seed(&[n; 32]).verifying_key()
    }

    fn acme() -> Publisher {
        let mut acme = Publisher {
            name: "acme".to_owned(),
            created_at_ms: 0,
            members: BTreeMap::from([("ann".to_owned(), Role::Owner)]),
            keys: Vec::new(),
            visibility: Visibility::Public,
            exceptions: BTreeMap::new(),
            grants: Vec::new(),
        };
        acme.add_key(key(1), true, "ann", 0).unwrap();
        acme
    }

    fn end(at_ms: u64, distrusted_from_ms: Option<u64>) -> KeyEnd {
        KeyEnd {
            at_ms,
            by: "ann".to_owned(),
            reason: "laptop lost".to_owned(),
            distrusted_from_ms,
        }
    }

    #[test]
    fn a_key_that_nothing_vouches_for_waits() {
        let mut acme = acme();
        acme.add_key(key(2), false, "ann", 10).unwrap();
        assert_eq!(acme.usable_keys(10 + KEY_WAIT_MS - 1), [key(1)]);
        assert_eq!(acme.usable_keys(10 + KEY_WAIT_MS), [key(1), key(2)]);
        assert_eq!(
            acme.add_key(key(2), true, "ann", 20).unwrap_err().code,
            Code::Denied
        );
    }

    #[test]
    fn a_replaced_key_holds_for_what_it_signed_and_a_stolen_one_only_for_what_came_before() {
        let mut acme = acme();
        let id = key(1).id().to_string();
        acme.end_key(&id, end(100, None)).unwrap();
        assert!(acme.usable_keys(100).is_empty());
        assert_eq!(acme.keys_of(50), [key(1)]);
        acme.end_key(&key(1).id().short(), end(200, Some(40))).unwrap();
        assert_eq!(acme.keys_of(39), [key(1)]);
        assert!(acme.keys_of(40).is_empty());
        // What was taken is not given back.
        for later in [None, Some(41)] {
            assert_eq!(acme.end_key(&id, end(300, later)).unwrap_err().code, Code::Denied);
        }
        assert_eq!(
            acme.end_key("nothing", end(1, None)).unwrap_err().code,
            Code::ManifestUnknown
        );
    }

    #[test]
    fn one_owner_stays() {
        let mut acme = acme();
        assert_eq!(acme.set_member("ann", None).unwrap_err().code, Code::Denied);
        assert_eq!(
            acme.set_member("ann", Some(Role::Publisher)).unwrap_err().code,
            Code::Denied
        );
        acme.set_member("bob", Some(Role::Owner)).unwrap();
        acme.set_member("ann", None).unwrap();
        assert_eq!(
            acme.set_member("ann", None).unwrap_err().code,
            Code::ManifestUnknown
        );
    }

    #[test]
    fn a_grant_is_for_one_account_and_for_its_time() {
        let mut acme = acme();
        acme.set_visibility(None, Visibility::Listed);
        acme.set_visibility(Some("open"), Visibility::Public);
        assert_eq!(acme.visibility_of("open"), Visibility::Public);
        assert_eq!(acme.visibility_of("geo"), Visibility::Listed);
        let grant = |until_ms| PullGrant {
            account: "plant".to_owned(),
            connector: Some("geo".to_owned()),
            until_ms,
        };
        acme.set_grant(grant(None), true).unwrap();
        acme.set_grant(grant(Some(100)), true).unwrap();
        assert_eq!(acme.grants.len(), 1);
        assert!(acme.lets_pull("plant", "geo", 99));
        assert!(!acme.lets_pull("plant", "geo", 100));
        assert!(!acme.lets_pull("plant", "other", 1));
        assert!(!acme.lets_pull("other", "geo", 1));
        assert!(acme.lets_pull("ann", "geo", 1));
        acme.set_grant(grant(None), false).unwrap();
        assert_eq!(
            acme.set_grant(grant(None), false).unwrap_err().code,
            Code::ManifestUnknown
        );
        acme.set_visibility(None, Visibility::Public);
        assert!(acme.exceptions.is_empty());
    }
}
