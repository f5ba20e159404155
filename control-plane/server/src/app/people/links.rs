//! One-time links: made by who manages members, or at the first start; used by who has none to show yet.

use std::collections::BTreeSet;

use flowforge_core::{Action, Actor, Caller, Object, ObjectKind, Role};
use flowforge_identity::{LinkKind, Secret, SecretKind, check_password};
use flowforge_store::{LinkKept, LinkUse, LinkUsed, Member, NewLink, StoreError, StoredLink};
use zeroize::Zeroizing;

use super::sign_in::{Begun, SignInError, begun};
use super::{MemberError, NAME_RULE, is_name, listed_by, secret};
use crate::app::App;
use crate::entropy::EntropyError;

/// What a link is to be for.
pub(crate) enum LinkFor {
    /// Somebody new, with these roles.
    Invited(BTreeSet<Role>),
    /// The member of this name, who forgot the password.
    Reset(String),
}

/// A link that was made. Its secret is told once.
pub(crate) struct LinkMade {
    pub(crate) id: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) expires_at_ms: u64,
}

/// Why the first administrator got no link.
#[derive(Debug, thiserror::Error)]
pub enum FirstLinkError {
    /// The database cannot be written.
    #[error("the link of the first administrator cannot be kept")]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// What became of a link that somebody used.
pub(crate) enum Joined {
    Begun(Box<Begun>),
    /// The link is not known, was used, was taken back or has expired.
    NotGood,
    /// A value is wrong: its field, and why.
    Input(&'static str, String),
}

impl App {
    /// The link of the first administrator, if people sign in here and there is nobody yet.
    pub(crate) async fn first_link(&self) -> Result<Option<String>, FirstLinkError> {
        if !self.people.sign_in {
            return Ok(None);
        }
        let roles = BTreeSet::from([Role::Admin]);
        let (new, text) = self.new_link(LinkKind::FirstAdministrator, None, roles, "plane")?;
        Ok(match self.store.make_link(&self.scope, new).await? {
            LinkKept::Kept => Some(self.people.address_of(&text)),
            LinkKept::NotFirst | LinkKept::TooMany | LinkKept::Unknown => None,
        })
    }

    fn new_link(
        &self,
        kind: LinkKind,
        account: Option<String>,
        roles: BTreeSet<Role>,
        by: &str,
    ) -> Result<(NewLink, Zeroizing<String>), EntropyError> {
        let secret = secret(SecretKind::Link)?;
        let (digest, now_ms) = (secret.digest(), self.clock.now_ms());
        let new = NewLink {
            digest,
            id: listed_by(&digest),
            kind: kind.as_str().to_owned(),
            account,
            roles,
            made_by: by.to_owned(),
            made_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(kind.life_ms()),
        };
        Ok((new, secret.to_text()))
    }

    /// Makes a link for somebody.
    pub(crate) async fn make_link(&self, caller: &Caller, wanted: LinkFor) -> Result<LinkMade, MemberError> {
        let (kind, action, account, roles) = match wanted {
            LinkFor::Invited(roles) => (LinkKind::Invitation, Action::InviteMember, None, roles),
            LinkFor::Reset(name) => (
                LinkKind::PasswordReset,
                Action::ResetPassword,
                Some(name),
                BTreeSet::new(),
            ),
        };
        let object = match &account {
            Some(name) => Object::new(ObjectKind::Account, name),
            None => Object::project(),
        };
        let allowed = self.allow(caller, action, object.clone()).await?;
        if kind == LinkKind::Invitation && roles.is_empty() {
            return Err(MemberError::NoRoles);
        }
        let words: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let detail = (!words.is_empty()).then(|| words.join(", "));
        let (new, secret) = self.new_link(kind, account, roles, allowed.by())?;
        let object = match kind {
            LinkKind::PasswordReset => object,
            LinkKind::Invitation | LinkKind::FirstAdministrator => {
                Object::new(ObjectKind::Invitation, &new.id)
            }
        };
        let (id, expires_at_ms) = (new.id.clone(), new.expires_at_ms);
        let allowed = allowed.about(object, detail);
        match allowed.change().make_link(allowed.scope(), new).await? {
            LinkKept::Kept => Ok(LinkMade {
                id,
                secret,
                expires_at_ms,
            }),
            LinkKept::TooMany | LinkKept::NotFirst => Err(MemberError::TooManyLinks),
            LinkKept::Unknown => Err(MemberError::Unknown),
        }
    }

    /// Links that wait to be used, newest first.
    pub(crate) async fn links(&self, caller: &Caller) -> Result<Vec<StoredLink>, MemberError> {
        let allowed = self
            .allow(caller, Action::ReadInvitations, Object::project())
            .await?;
        Ok(allowed
            .store()
            .links(allowed.scope(), self.clock.now_ms())
            .await?)
    }

    /// Takes a link back. False if there is none with this id that waits to be used.
    pub(crate) async fn withdraw_link(&self, caller: &Caller, id: &str) -> Result<bool, MemberError> {
        let object = Object::new(ObjectKind::Invitation, id);
        let allowed = self.allow(caller, Action::WithdrawInvitation, object).await?;
        Ok(allowed
            .change()
            .withdraw_link(allowed.scope(), id.to_owned())
            .await?)
    }

    /// Somebody uses a link: the account is made, or gets its new password, and is signed in.
    pub(crate) async fn join(
        &self,
        request: Option<&str>,
        link: &str,
        name: &str,
        password: Zeroizing<String>,
        agent: &str,
    ) -> Result<Joined, SignInError> {
        let Some((digest, link)) = self.good_link(link).await? else {
            return Ok(Joined::NotGood);
        };
        if !is_name(name) {
            return Ok(Joined::Input("name", NAME_RULE.to_owned()));
        }
        if let Err(rule) = check_password(name, &password) {
            return Ok(Joined::Input("password", rule.to_string()));
        }
        let member = self.member_to_be(name, &link).await?;
        let password = self.hash(password).await?.as_str().to_owned();
        let begun = begun(member, "link")?;
        let caller = self.caller(Actor::Account(begun.account.clone()), request);
        let object = Object::new(ObjectKind::Account, name);
        let allowed = self.allow(&caller, Action::SignIn, object.clone()).await?;
        let used = LinkUse {
            digest,
            name: name.to_owned(),
            password,
            session: self.new_session(&begun.secret, agent),
        };
        let detail = format!("{} {}", link.kind, link.id);
        let change = allowed.about(object, Some(detail)).change();
        Ok(match change.use_link(allowed.scope(), used).await? {
            LinkUsed::Done => Joined::Begun(Box::new(begun)),
            LinkUsed::NotGood => Joined::NotGood,
            LinkUsed::NameTaken => Joined::Input("name", "this name is, or was, somebody's".to_owned()),
            LinkUsed::OtherName => Joined::Input("name", "the link is for another account".to_owned()),
            LinkUsed::TooMany => Joined::Input("", "there are too many members".to_owned()),
        })
    }

    async fn good_link(
        &self,
        text: &str,
    ) -> Result<Option<(flowforge_protocol::Digest, StoredLink)>, StoreError> {
        let Ok(secret) = Secret::from_text(SecretKind::Link, text) else {
            return Ok(None);
        };
        let (digest, now_ms) = (secret.digest(), self.clock.now_ms());
        let found = self.store.find_link(&self.scope, digest, now_ms).await?;
        Ok(found.map(|link| (digest, link)))
    }

    /// What somebody is once a link was used: the member that is there, or the one that is made.
    async fn member_to_be(&self, name: &str, link: &StoredLink) -> Result<Member, StoreError> {
        let known = match &link.account {
            Some(account) => self.store.member(&self.scope, account).await?,
            None => None,
        };
        Ok(known.unwrap_or_else(|| Member {
            name: name.to_owned(),
            roles: link.roles.clone(),
            since_ms: self.clock.now_ms(),
            signing_key: None,
        }))
    }
}
