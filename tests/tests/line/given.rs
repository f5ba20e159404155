//! With a certificate that the operator has from elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_enrolment::{Authority, Validity};
use flowforge_protocol::SigningKey;

use crate::support::{BEGIN_MS, DAY, Machine, Plane, SharedClock};

fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}

/// An authority of a company, and what it signed for a server of this name.
struct Company {
    authority: Authority,
}

impl Company {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_seed(&[seed; 32]);
        let authority = Authority::create("company", &key, BEGIN_MS, [seed; 16]).unwrap();
        Self { authority }
    }

    /// Files of a chain and of its key.
    fn files(&self, folder: &Path, name: &str, days: u64, with_signer: bool) -> (PathBuf, PathBuf) {
        let server_key = SigningKey::from_seed(&[77; 32]);
        let validity = Validity::days(BEGIN_MS, days);
        let names = [name.to_owned()];
        let leaf = self
            .authority
            .certify_server(&names, &server_key.verifying_key(), validity, [9; 16]);
        let mut chain = pem(&leaf.unwrap());
        if with_signer {
            chain.push_str(&pem(self.authority.certificate()));
        }
        let (chain_path, key_path) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain_path, chain).unwrap();
        fs::write(&key_path, server_key.to_pem().as_bytes()).unwrap();
        fs::set_permissions(&key_path, fs::Permissions::from_mode(0o600)).unwrap();
        (chain_path, key_path)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_know_the_server_by_who_signed_its_certificate_also_when_that_is_renewed() {
    let (clock, folder) = (SharedClock::new(), tempfile::tempdir().unwrap());
    let company = Company::new(1);
    let files = company.files(folder.path(), "127.0.0.1", 30, true);
    let plane = Plane::start_with(&clock, Some(files)).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    machine.register(&machine.link(&plane)).await.expect("a session");
    // The server's certificate is renewed by the same authority: hosts notice nothing.
    company.files(folder.path(), "127.0.0.1", 60, true);
    let plane = plane.restart().await;
    machine.register(&machine.link(&plane)).await.expect("a session");
    // By another one: hosts do not know it.
    Company::new(2).files(folder.path(), "127.0.0.1", 60, true);
    let plane = plane.restart().await;
    let error = machine
        .register(&machine.link(&plane))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is signed by \"FlowForge hosts of company\", not by the server in the invitation"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_or_of_another_time_is_named() {
    let (clock, folder) = (SharedClock::new(), tempfile::tempdir().unwrap());
    let files = Company::new(1).files(folder.path(), "plane.example.com", 30, true);
    let plane = Plane::start_with(&clock, Some(files)).await;
    let invitation = plane.invite("press-7", Duration::from_hours(1)).await;
    let error = Machine::new(&clock)
        .enrol(&invitation)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the server's certificate is for another name"),
        "{error}"
    );
    let files = Company::new(1).files(folder.path(), "127.0.0.1", 2, true);
    let plane = Plane::start_with(&clock, Some(files)).await;
    let invitation = plane.invite("press-7", DAY * 5).await;
    clock.0.advance(DAY * 3);
    let error = Machine::new(&clock)
        .enrol(&invitation)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the server's certificate ended 24 h ago by this machine's clock"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_of_no_use_are_named_at_the_start() {
    let (clock, folder) = (SharedClock::new(), tempfile::tempdir().unwrap());
    let company = Company::new(1);
    let alone = company.files(folder.path(), "127.0.0.1", 30, false);
    let said = Plane::refusal(&clock, alone).await;
    assert!(
        said.contains("chain.pem") && said.contains("put the one that signed it behind it"),
        "{said}"
    );
    let (chain, key) = company.files(folder.path(), "127.0.0.1", 30, true);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let said = Plane::refusal(&clock, (chain.clone(), key.clone())).await;
    assert!(
        said.contains("key.pem") && said.contains("can be read by other users"),
        "{said}"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, SigningKey::from_seed(&[5; 32]).to_pem().as_bytes()).unwrap();
    let said = Plane::refusal(&clock, (chain.clone(), key.clone())).await;
    assert!(
        said.contains("the hosts' listener has no TLS"),
        "another key: {said}"
    );
    fs::remove_file(&key).unwrap();
    let said = Plane::refusal(&clock, (chain, key)).await;
    assert!(said.contains("key.pem"), "{said}");
}
