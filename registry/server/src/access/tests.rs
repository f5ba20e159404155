//! Who is let in, on values alone: passwords, tokens, and who sees what.

use super::*;
use crate::publisher::{PullGrant, Role};

const KEY: TokenKey = TokenKey([7; 32]);

/// A robot that publishes for acme, and a plant that may pull `acme:geo` until 100.
fn people(anonymous_pull: bool) -> People {
    let account = || Account {
        password_digest: Digest::of(b"long and random"),
        created_at_ms: 0,
        created_by: "operator".to_owned(),
    };
    let acme = Publisher {
        name: "acme".to_owned(),
        created_at_ms: 0,
        members: BTreeMap::from([("robot".to_owned(), Role::Publisher)]),
        keys: Vec::new(),
        visibility: Visibility::Public,
        exceptions: BTreeMap::from([
            ("geo".to_owned(), Visibility::Listed),
            ("core".to_owned(), Visibility::Private),
        ]),
        grants: vec![PullGrant {
            account: "plant".to_owned(),
            connector: None,
            until_ms: Some(100),
        }],
    };
    People {
        anonymous_pull,
        accounts: ["robot", "plant", "other"]
            .map(|name| (name.to_owned(), account()))
            .into(),
        publishers: BTreeMap::from([("acme".to_owned(), Arc::new(acme))]),
    }
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn name(text: &str) -> ConnectorName {
    text.parse().unwrap()
}

fn account(name: &str) -> Visitor {
    Visitor::Account(name.to_owned())
}

#[test]
fn a_password_lets_its_account_push_where_it_is_a_member_only() {
    let people = people(true);
    let ticket = people
        .present(&KEY, Some(&basic("robot:long and random")), 0)
        .unwrap();
    let admit = |connector: &str, action| people.admit(&ticket, &name(connector), action, 0);
    assert_eq!(admit("acme:text", Action::Push), Ok(()));
    assert_eq!(admit("zeta:text", Action::Push), Err(Barred::Forbidden));
    assert_eq!(admit("zeta:text", Action::Pull), Ok(()));
    for wrong in [
        "robot:wrong",
        "robot:",
        "nobody:long and random",
        "nobody:",
        "robot",
        "",
    ] {
        assert_eq!(
            people.present(&KEY, Some(&basic(wrong)), 0),
            Err(Barred::Unknown),
            "{wrong}"
        );
    }
    for wrong in ["Basic !", "Digest x", "Bearer x.y", ""] {
        assert_eq!(
            people.present(&KEY, Some(wrong), 0),
            Err(Barred::Unknown),
            "{wrong}"
        );
    }
}

#[test]
fn a_token_is_for_what_it_was_asked_for_and_for_half_an_hour() {
    let people = people(true);
    let scopes = vec![
        parse_scope("repository:acme/text:pull,push").unwrap(),
        parse_scope("repository:zeta/text:push").unwrap(),
    ];
    let token = people.issue(&KEY, &account("robot"), scopes, 1_000).unwrap();
    let header = format!("Bearer {token}");
    let end = 1_000 + TOKEN_LIFE_MS;
    let ticket = people.present(&KEY, Some(&header), end - 1).unwrap();
    let admit = |connector: &str| people.admit(&ticket, &name(connector), Action::Push, 1_000);
    assert_eq!(admit("acme:text"), Ok(()));
    assert_eq!(admit("acme:other"), Err(Barred::OtherScope));
    assert_eq!(admit("zeta:text"), Err(Barred::Forbidden));
    assert_eq!(people.present(&KEY, Some(&header), end), Err(Barred::Unknown));
    // Another registry's key, and a changed letter.
    assert_eq!(
        people.present(&TokenKey([8; 32]), Some(&header), 1_000),
        Err(Barred::Unknown)
    );
    let mut forged = header.into_bytes();
    forged[10] ^= 1;
    let forged = String::from_utf8_lossy(&forged).into_owned();
    assert_eq!(people.present(&KEY, Some(&forged), 1_000), Err(Barred::Unknown));
}

#[test]
fn a_token_lasts_no_longer_than_its_holder_s_membership() {
    let mut people = people(true);
    let scopes = vec![parse_scope("repository:acme/text:push").unwrap()];
    let token = people.issue(&KEY, &account("robot"), scopes, 0).unwrap();
    let ticket = people.present(&KEY, Some(&format!("Bearer {token}")), 1).unwrap();
    let mut acme = people.publishers["acme"].as_ref().clone();
    acme.members.clear();
    people.publishers.insert("acme".to_owned(), Arc::new(acme));
    assert_eq!(
        people.admit(&ticket, &name("acme:text"), Action::Push, 1),
        Err(Barred::Forbidden)
    );
}

#[test]
fn anonymous_ones_pull_where_that_is_allowed_and_never_push() {
    let may = |people: &People, action| people.may(&Visitor::Anonymous, &name("acme:text"), action, 0);
    assert_eq!(may(&people(true), Action::Pull), Ok(()));
    assert_eq!(may(&people(false), Action::Pull), Err(Barred::Unknown));
    assert_eq!(may(&people(true), Action::Push), Err(Barred::Unknown));
}

#[test]
fn what_is_listed_is_seen_by_all_and_pulled_by_some_and_what_is_private_is_not_there() {
    let people = people(true);
    let pull =
        |who: &Visitor, connector: &str, now_ms| people.may(who, &name(connector), Action::Pull, now_ms);
    let sees = |who: &Visitor, connector: &str| people.sees(who, &name(connector), 1);
    for (who, geo, core) in [
        (Visitor::Anonymous, Err(Barred::Unknown), Err(Barred::Hidden)),
        (account("other"), Err(Barred::NoGrant), Err(Barred::Hidden)),
        (account("plant"), Ok(()), Ok(())),
        (account("robot"), Ok(()), Ok(())),
        (Visitor::Operator, Ok(()), Ok(())),
        (Visitor::Host, Ok(()), Ok(())),
    ] {
        assert_eq!(pull(&who, "acme:geo", 1), geo, "{who:?}");
        assert_eq!(pull(&who, "acme:core", 1), core, "{who:?}");
        assert!(sees(&who, "acme:geo"));
        assert_eq!(sees(&who, "acme:core"), core.is_ok(), "{who:?}");
    }
    assert_eq!(pull(&account("plant"), "acme:geo", 100), Err(Barred::NoGrant));
    assert_eq!(pull(&account("plant"), "acme:core", 100), Err(Barred::Hidden));
    assert_eq!(
        people.may(&Visitor::Host, &name("acme:geo"), Action::Push, 1),
        Err(Barred::Forbidden)
    );
}

#[test]
fn a_scope_names_a_repository() {
    assert_eq!(
        parse_scope("repository:acme/geo:*").unwrap().actions,
        [Action::Pull, Action::Push]
    );
    for wrong in ["registry:catalog:*", "repository:geo:pull", "repository:a/b", "x"] {
        assert_eq!(parse_scope(wrong), None, "{wrong}");
    }
}
