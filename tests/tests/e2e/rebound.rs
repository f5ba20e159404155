//! A secret that is given another place, or none: what a host had of it before is of no use any more.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{components, programs};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(25);

/// A service that remembers what it was shown as authorization.
struct Service {
    address: String,
    seen: Arc<Mutex<VecDeque<String>>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(VecDeque::new()));
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut reader = BufReader::new(stream);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    if name.eq_ignore_ascii_case("authorization") {
                        noted.lock().unwrap().push_back(value.trim().to_owned());
                    }
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                // Whoever asked may be gone.
                let _ = reader.get_mut().write_all(answer);
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().cloned().collect()
    }
}

fn set_secret(planes: &Planes, value: &str, place: &str) {
    let setting = ["secret", "set", "tok", "--kind", "bearer", "--for", place];
    planes.flowforge().json_with_input(&setting, value).unwrap();
}

async fn outcome(planes: &Planes) -> Value {
    let started = planes.flowforge().json(&["run", "start", "rebound"]).unwrap();
    let run = started["id"].as_str().unwrap().to_owned();
    let end = Instant::now() + PATIENCE;
    loop {
        let query = "query Run($id: String!) { run(id: $id) { state failure } }";
        let shown = planes.api().ask(query, json!({ "id": run })).await.unwrap()["run"].clone();
        if ["DONE", "FAILED"].iter().any(|state| shown["state"] == *state) {
            return shown;
        }
        assert!(Instant::now() < end, "the run does not end: {shown:#}");
        sleep(LOOK).await;
    }
}

/// A new value for another place went to the old one, and a value that was deleted went on being sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_goes_to_its_own_place_only_and_nowhere_when_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut planes = Planes::start(programs(), folder.path(), "edge").unwrap();
    planes.start_host(None).await.unwrap();
    let component = components().join("flowforge.http.wasm");
    let publishing = ["connector", "publish", &component.to_string_lossy()];
    planes.flowforge().json(&publishing).unwrap();
    let (old, new) = (Service::start(), Service::start());
    set_secret(&planes, "value-for-the-old-place", &old.address);
    let place = &old.address;
    let source = format!(
        "workflow: rebound
secrets: [tok]
nodes:
  go:
    call: flowforge:http/get
    with: {{ url: \"{place}/x\" }}
    secrets: {{ auth: tok }}
    allow: [\"{place}\"]
output: {{ status: \"${{go.status}}\" }}
"
    );
    let workflow = planes.data().join("rebound");
    fs::create_dir_all(&workflow).unwrap();
    fs::write(workflow.join("workflow.yaml"), source).unwrap();
    let publishing = ["workflow", "publish", &workflow.to_string_lossy()];
    planes.flowforge().json(&publishing).unwrap();
    let shown = outcome(&planes).await;
    assert_eq!(shown["state"], "DONE", "{shown:#}");
    let first = ["Bearer value-for-the-old-place"];
    assert_eq!(old.seen(), first);
    // Another value, for another place: the grants of the release speak of the old one.
    set_secret(&planes, "value-for-the-new-place", &new.address);
    let shown = outcome(&planes).await;
    assert_eq!(shown["state"], "FAILED", "{shown:#}");
    assert_eq!(
        (old.seen().len(), new.seen().len()),
        (1, 0),
        "nothing left the host"
    );
    set_secret(&planes, "value-for-the-old-place", &old.address);
    assert_eq!(outcome(&planes).await["state"], "DONE");
    planes
        .flowforge()
        .json(&["secret", "delete", "tok", "--yes"])
        .unwrap();
    let shown = outcome(&planes).await;
    assert_eq!(shown["state"], "FAILED", "{shown:#}");
    planes.kill_host().unwrap();
    planes.start_host(None).await.unwrap();
    let shown = outcome(&planes).await;
    assert_eq!(
        shown["state"], "FAILED",
        "also with what a restarted host kept: {shown:#}"
    );
    assert_eq!((old.seen().len(), new.seen().len()), (2, 0));
    planes.stop().unwrap();
}
