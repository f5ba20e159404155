//! Signing in at the doors of people, and what goes with it: links, sessions, tokens, members.

use serde_json::{Value, json};

use crate::approvals::{ASK, ask};
use crate::support::{FakeHost, Home, Plane, TestClock};

pub(crate) const PASSWORD: &str = "a few plain words";

/// Somebody at a browser.
pub(crate) struct Person {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// What a link's address holds for the page.
pub(crate) fn secret_of(address: &str) -> String {
    let (page, secret) = address.split_once('#').unwrap();
    assert!(page.ends_with("/join"), "{address}");
    secret.to_owned()
}

async fn send(plane: &Plane, path: &str, body: Value) -> (u16, Option<String>, Value) {
    let answer = plane.http.post(plane.url(path)).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let cookie = answer.headers().get("set-cookie");
    let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
    (status, cookie, answer.json().await.unwrap())
}

pub(crate) fn person(cookie: Option<String>, body: &Value) -> Person {
    let cookie = cookie.unwrap();
    Person {
        cookie: cookie.split(';').next().unwrap().to_owned(),
        csrf: body["csrf"].as_str().unwrap().to_owned(),
    }
}

/// Uses a link for an account of this name.
pub(crate) async fn join(plane: &Plane, address: &str, name: &str) -> Person {
    let body = json!({"link": secret_of(address), "name": name, "password": PASSWORD});
    let (status, cookie, body) = send(plane, "/session/link", body).await;
    assert_eq!(status, 200, "{body}");
    person(cookie, &body)
}

pub(crate) async fn sign_in(plane: &Plane, name: &str, password: &str) -> (u16, Option<String>, Value) {
    send(plane, "/session", json!({"name": name, "password": password})).await
}

impl Person {
    /// A call with cookie and second secret; the whole answer.
    pub(crate) async fn post(&self, plane: &Plane, query: &str, variables: Value) -> (u16, Value) {
        let answer = plane
            .http
            .post(plane.url("/graphql"))
            .header("cookie", &self.cookie)
            .header("x-csrf-token", &self.csrf)
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Data of a call that must succeed.
    pub(crate) async fn ask(&self, plane: &Plane, query: &str) -> Value {
        let (status, mut answer) = self.post(plane, query, json!({})).await;
        assert!(
            status == 200 && answer.get("errors").is_none(),
            "{query}: {answer:#}"
        );
        answer["data"].take()
    }

    /// What a refusal by the policy says.
    async fn denied(&self, plane: &Plane, query: &str) -> String {
        let (_, answer) = self.post(plane, query, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "FF-API-403", "{answer:#}");
        error["message"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn invite(&self, plane: &Plane, role: &str) -> String {
        let query = format!(
            "mutation {{ inviteMember(input: {{roles: [{role}]}}) {{ ... on InviteMemberSuccess {{ link {{ address }} }} }} }}"
        );
        let invited = self.ask(plane, &query).await;
        invited["inviteMember"]["link"]["address"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The first administrator, by the link that was printed.
pub(crate) async fn ann(plane: &Plane) -> Person {
    join(plane, plane.first_link.as_deref().unwrap(), "ann").await
}

async fn session(plane: &Plane, cookie: Option<&str>) -> Value {
    let mut request = plane.http.get(plane.url("/session"));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_plane_without_sign_in_says_so_and_signs_nobody_in() {
    let home = Home::new();
    let plane = home.start().await;
    let about = session(&plane, None).await;
    assert_eq!(about["needsSignIn"], false);
    assert_eq!(about["account"]["name"], "local");
    let permissions = about["account"]["permissions"].as_array().unwrap();
    assert!(permissions.contains(&json!("publish")) && !permissions.contains(&json!("serve")));
    let (status, cookie, answer) = sign_in(&plane, "ann", PASSWORD).await;
    assert_eq!(
        (status, cookie, &answer["code"]),
        (409, None, &json!("FF-ACC-006"))
    );
    assert!(plane.first_link.is_none());
    plane.stop().await;
}

/// Names and passwords that nobody can have are refused by the field, and use the link up for nobody.
async fn refuses_what_is_no_account(plane: &Plane, link: &str) {
    for (name, password, field) in [
        ("Ann", PASSWORD, "name"),
        ("plane", PASSWORD, "name"),
        ("ann", "short", "password"),
    ] {
        let body = json!({"link": link, "name": name, "password": password});
        let (status, cookie, answer) = send(plane, "/session/link", body).await;
        assert_eq!((status, cookie), (400, None), "{answer}");
        assert_eq!(
            (&answer["code"], &answer["field"]),
            (&json!("FF-ACC-004"), &json!(field))
        );
    }
}

#[tokio::test]
async fn the_first_administrator_comes_by_the_printed_link_and_nobody_else_without_a_session() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let about = session(&plane, None).await;
    assert_eq!(
        (&about["needsSignIn"], &about["signedIn"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&about["account"], &about["csrf"]), (&Value::Null, &Value::Null));
    let call = || {
        plane
            .http
            .post(plane.url("/graphql"))
            .json(&json!({"query": "{ server { version } }"}))
    };
    assert_eq!(call().send().await.unwrap().status(), 401);

    let link = secret_of(plane.first_link.as_deref().unwrap());
    refuses_what_is_no_account(&plane, &link).await;
    let body = json!({"link": link, "name": "ann", "password": PASSWORD});
    let (status, cookie, about) = send(&plane, "/session/link", body.clone()).await;
    assert_eq!(status, 200, "{about}");
    let text = cookie.clone().unwrap();
    for attribute in [
        "ff-session=ff-session-1.",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
    ] {
        assert!(text.contains(attribute), "{text}");
    }
    assert_eq!(
        (&about["account"]["name"], &about["account"]["roles"]),
        (&json!("ann"), &json!(["admin"]))
    );
    let ann = person(cookie, &about);
    assert_eq!(session(&plane, Some(&ann.cookie)).await, about);
    let (status, _, answer) = send(&plane, "/session/link", body).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("FF-ACC-003")),
        "it was used"
    );

    let without = call().header("cookie", &ann.cookie).send().await.unwrap();
    assert_eq!(
        without.status(),
        403,
        "a page of another site can send the cookie"
    );
    assert_eq!(without.json::<Value>().await.unwrap()["code"], "FF-ACC-005");
    let wrong = call()
        .header("cookie", &ann.cookie)
        .header("x-csrf-token", "0".repeat(64));
    assert_eq!(wrong.send().await.unwrap().status(), 403);
    let viewer = ann.ask(&plane, "{ viewer { name kind roles } }").await;
    assert_eq!(
        viewer["viewer"],
        json!({"name": "ann", "kind": "account", "roles": ["ADMIN"]})
    );

    plane.stop().await;
}

#[tokio::test]
async fn who_signs_out_is_nobody_and_signs_in_again_also_after_a_restart() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    let out = plane
        .http
        .delete(plane.url("/session"))
        .header("cookie", &ann.cookie);
    let out = out.header("x-csrf-token", &ann.csrf).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(
        out.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(ann.post(&plane, "{ server { version } }", json!({})).await.0, 401);
    assert_eq!(session(&plane, Some(&ann.cookie)).await["signedIn"], false);

    let (status, cookie, about) = sign_in(&plane, "ann", PASSWORD).await;
    assert_eq!(status, 200, "{about}");
    let ann = person(cookie, &about);
    let events = "{ auditEvents(first: 10) { nodes { actor shownBy action object outcome } } }";
    let events = ann.ask(&plane, events).await;
    let signed_in = json!({"actor": "ann", "shownBy": "password", "action": "session.begin", "object": "ann", "outcome": "DONE"});
    assert_eq!(events["auditEvents"]["nodes"][0], signed_in, "{events:#}");
    plane.stop().await;
    let again = home.start_peopled().await;
    assert!(again.first_link.is_none(), "there is an administrator");
    assert_eq!(session(&again, Some(&ann.cookie)).await["account"]["name"], "ann");
    again.stop().await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_are_told_alike_and_too_many_have_to_wait() {
    let clock = TestClock::at(1_790_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start_peopled().await;
    ann(&plane).await;
    let unknown = sign_in(&plane, "eve", PASSWORD).await;
    let wrong = sign_in(&plane, "ann", "other plain words").await;
    assert_eq!(unknown, wrong);
    assert_eq!((wrong.0, &wrong.2["code"]), (401, &json!("FF-ACC-001")));
    for _ in 1..5 {
        assert_eq!(sign_in(&plane, "ann", "other plain words").await.0, 401);
    }
    let (status, _, answer) = sign_in(&plane, "ann", PASSWORD).await;
    assert_eq!(
        (status, &answer["code"]),
        (429, &json!("FF-ACC-002")),
        "not even the right one"
    );
    assert!(answer["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(
        sign_in(&plane, "eve", PASSWORD).await.0,
        401,
        "others need not wait"
    );
    clock.pass(60_000);
    assert_eq!(sign_in(&plane, "ann", PASSWORD).await.0, 200, "a wait is no lock");
    plane.stop().await;
}

#[tokio::test]
async fn who_is_invited_may_what_the_role_permits_and_is_told_who_may_the_rest() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    let address = ann.invite(&plane, "VIEWER").await;
    let waiting = ann.ask(&plane, "{ invitations { id kind roles madeBy } }").await;
    assert_eq!(waiting["invitations"][0]["roles"], json!(["VIEWER"]));
    let bob = join(&plane, &address, "bob").await;
    let members = bob.ask(&plane, "{ members { nodes { name roles } } }").await;
    assert_eq!(
        members["members"]["nodes"],
        json!([{"name": "ann", "roles": ["ADMIN"]}, {"name": "bob", "roles": ["VIEWER"]}])
    );
    let start = "mutation { startRun(input: {workflow: \"sum\"}) { __typename } }";
    let why = bob.denied(&plane, start).await;
    assert!(
        why.ends_with(
            "it needs the permission `run`; the roles that have it are: builder, operator, admin; bob has: viewer"
        ),
        "{why}"
    );
    assert!(
        bob.denied(&plane, "{ invitations { id } }")
            .await
            .contains("`manage-members`")
    );
    let promote = "mutation { setMemberRoles(input: {name: \"bob\", roles: [OPERATOR]}) { \
        ... on SetMemberRolesSuccess { member { id roles } } } }";
    let promoted = ann.ask(&plane, promote).await;
    let member = &promoted["setMemberRoles"]["member"];
    assert_eq!(member["roles"], json!(["OPERATOR"]));
    let found = bob
        .ask(
            &plane,
            &format!("{{ node(id: {}) {{ ... on Member {{ name }} }} }}", member["id"]),
        )
        .await;
    assert_eq!(found["node"]["name"], "bob");
    let started = bob.ask(&plane, start).await;
    assert_eq!(started["startRun"]["__typename"], "WorkflowNotFoundProblem");
    let kind = |change: &str| format!("mutation {{ {change} {{ __typename ... on Problem {{ code }} }} }}");
    for (change, field, code) in [
        (
            "removeMember(input: {name: \"ann\"})",
            "removeMember",
            "FF-MEM-002",
        ),
        (
            "removeMember(input: {name: \"eve\"})",
            "removeMember",
            "FF-MEM-001",
        ),
        (
            "resetPassword(input: {name: \"eve\"})",
            "resetPassword",
            "FF-MEM-001",
        ),
        (
            "withdrawInvitation(input: {id: \"x\"})",
            "withdrawInvitation",
            "FF-MEM-003",
        ),
        ("inviteMember(input: {roles: []})", "inviteMember", "FF-IN-001"),
        (
            "setMemberRoles(input: {name: \"ann\", roles: [VIEWER]})",
            "setMemberRoles",
            "FF-MEM-002",
        ),
    ] {
        assert_eq!(
            ann.ask(&plane, &kind(change)).await[field]["code"],
            code,
            "{change}"
        );
    }
    let removed = ann
        .ask(&plane, &kind("removeMember(input: {name: \"bob\"})"))
        .await;
    assert_eq!(removed["removeMember"]["__typename"], "RemoveMemberSuccess");
    assert_eq!(bob.post(&plane, "{ server { version } }", json!({})).await.0, 401);
    plane.stop().await;
}

/// By the URL for people of other machines: its name and its origin count, the cookie is for TLS only, and nobody reads.
#[tokio::test]
async fn people_of_other_machines_come_by_the_url_that_speaks_tls() {
    let home = Home::new();
    let mut config = home.config();
    (config.dev, config.sign_in) = (false, true);
    config.people_url = Some("https://plane.example.com".to_owned());
    let plane = home.start_with(config).await;
    let address = plane.first_link.clone().unwrap();
    assert!(
        address.starts_with("https://plane.example.com/join#ff-link-1."),
        "{address}"
    );
    let body = json!({"link": secret_of(&address), "name": "ann", "password": PASSWORD});
    let call = |origin: &str| {
        let call = plane
            .http
            .post(plane.url("/session/link"))
            .header("host", "plane.example.com");
        call.header("origin", origin.to_owned()).json(&body).send()
    };
    assert_eq!(call("https://other.example.com").await.unwrap().status(), 403);
    assert_eq!(call("http://plane.example.com").await.unwrap().status(), 403);
    let joined = call("https://plane.example.com").await.unwrap();
    assert_eq!(joined.status(), 200);
    let cookie = joined.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-ff-session=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let read = |host: &'static str| plane.http.get(plane.url("/v2/")).header("host", host).send();
    assert_eq!(read("plane.example.com").await.unwrap().status(), 401);
    assert_eq!(read("other.example.com").await.unwrap().status(), 421);
    plane.stop().await;
}

/// Whom a workflow names is not whoever started the run.
#[tokio::test]
async fn nobody_answers_a_named_question_of_an_own_run() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    let bob = join(&plane, &ann.invite(&plane, "OPERATOR").await, "bob").await;
    let eve = join(&plane, &ann.invite(&plane, "VIEWER").await, "eve").await;
    let host = FakeHost::join(&plane, 1).await;
    plane.publish(ASK).await;
    let started = ann
        .ask(
            &plane,
            "mutation { startRun(input: {workflow: \"ask\"}) { __typename } }",
        )
        .await;
    assert_eq!(started["startRun"]["__typename"], "StartRunSuccess");
    let approval = ask(&plane, &host).await;
    let decide = format!(
        "mutation {{ decideApproval(input: {{id: \"{approval}\", approved: true}}) {{ __typename \
         ... on DecideApprovalSuccess {{ approval {{ decidedBy }} }} ... on Problem {{ message }} }} }}"
    );
    let own = ann.ask(&plane, &decide).await["decideApproval"].take();
    assert_eq!(own["__typename"], "NotAskedProblem", "{own}");
    assert!(
        own["message"]
            .as_str()
            .unwrap()
            .contains("`ann` started this run"),
        "{own}"
    );
    assert!(eve.denied(&plane, &decide).await.contains("`approve`"));
    let decided = bob.ask(&plane, &decide).await["decideApproval"].take();
    assert_eq!(decided["approval"]["decidedBy"], "bob", "{decided}");
    plane.stop().await;
}
