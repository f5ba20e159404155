//! Golden vectors: each kind of document, signed by a fixed key, gives exactly these bytes.
//!
//! A difference here means that older hosts and servers no longer agree with this one about digests or signatures. To
//! write the files anew on purpose, run the tests with `FLOWFORGE_WRITE_VECTORS=1` and read the difference.

use std::path::PathBuf;

use flowforge_protocol::seal::{SealContext, SealKey, open, seal};
use flowforge_protocol::{Document, Signed, SigningKey, envelope};
use serde_json::{Value, json};

use crate::documents::{self as doc, key};

fn check(name: &str, found: &Value) -> Value {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", name]
        .iter()
        .collect();
    if std::env::var_os("FLOWFORGE_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(found).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let stored: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(found, &stored, "{name} has changed");
    stored
}

fn signed<T: Document + PartialEq + std::fmt::Debug>(name: &str, document: &T, seed: u8) {
    let key: SigningKey = key(seed);
    let payload = envelope::payload(document).unwrap();
    let signed = envelope::sign_document(document, &key).unwrap();
    let found = json!({
        "seed": hex::encode([seed; 32]),
        "public_key": key.verifying_key(),
        "payload": String::from_utf8(payload).unwrap(),
        "digest": doc::digest(document),
        "envelope": signed,
    });
    let stored = check(name, &found);
    // And the stored bytes read as the document they were made from.
    let bytes = stored["envelope"].as_str().unwrap().as_bytes();
    let again = Signed::<T>::open(bytes, &[key.verifying_key()]).unwrap();
    assert_eq!(again.document(), document);
    assert_eq!(json!(again.digest()), stored["digest"]);
}

#[test]
fn documents_have_exactly_these_bytes() {
    signed("trust-root.json", &doc::trust_root(), doc::RELEASE);
    signed("host-registration.json", &doc::registration(), doc::HOST);
    signed("publication.json", &doc::publication(), doc::PUBLISHER);
    signed("release.json", &doc::release(), doc::RELEASE);
    signed("grant-set.json", &doc::grant_set(), doc::GRANTS);
    signed("job.json", &doc::job(), doc::SCHEDULER);
    signed("receipt.json", &doc::receipt(), doc::HOST);
}

#[test]
fn records_have_exactly_these_lines_and_chain() {
    let records = doc::records();
    let lines: Vec<_> = String::from_utf8(records.lines)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    check(
        "records.json",
        &json!({"run": records.run, "lines": lines, "chain": records.chain}),
    );
}

#[test]
fn a_sealed_secret_has_exactly_these_bytes() {
    let host_key = SealKey::from_seed(&[6; 32]);
    let host = doc::host_id();
    let destinations = ["https://chat.example:443".to_owned()];
    let context = SealContext {
        workspace: "default",
        project: "default",
        host: &host,
        secret: "chat_token",
        version: 1,
        kind: "bearer",
        destinations: &destinations,
    };
    let sealed = seal(&host_key.public(), &context, b"t0ken", &[7; 32]).unwrap();
    let found = json!({"seed": hex::encode([6_u8; 32]), "public_key": host_key.public(), "sealed": sealed});
    let stored = check("sealed-secret.json", &found);
    let sealed = serde_json::from_value(stored["sealed"].clone()).unwrap();
    assert_eq!(open(&host_key, &context, &sealed).unwrap().as_slice(), b"t0ken");
}
