//! The schema as text is checked in, and is what the server serves.

#[test]
fn the_checked_in_schemas_are_the_servers() {
    is_checked_in("schema.graphql", &flowforge_server::sdl());
    is_checked_in("host.graphql", &flowforge_server::host_sdl());
}

fn is_checked_in(name: &str, served: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("FLOWFORGE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, served).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    assert!(
        checked_in == served,
        "{name} is not the schema of the server; run FLOWFORGE_UPDATE_SCHEMA=1 cargo test -p flowforge-server \
         schema and review the difference"
    );
}

#[test]
fn every_problem_implements_problem() {
    let sdl = flowforge_server::sdl();
    let problems: Vec<&str> = sdl
        .lines()
        .filter_map(|line| line.strip_prefix("type "))
        .filter(|line| line.split_whitespace().next().unwrap().ends_with("Problem"))
        .filter(|line| !line.starts_with("FieldProblem"))
        .collect();
    assert!(problems.len() > 10, "{problems:?}");
    for problem in problems {
        assert!(problem.contains("implements Problem"), "{problem}");
    }
}

/// Whoever meets the code of a problem finds its page, and the index of the pages is made of the one table of codes.
#[test]
fn every_code_of_a_problem_has_a_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    let index = flowforge_server::problem_index();
    let path = folder.join("README.md");
    if std::env::var_os("FLOWFORGE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &index).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == index,
        "docs/problems/README.md is not the index of the codes; run FLOWFORGE_UPDATE_SCHEMA=1 cargo test -p \
         flowforge-server schema"
    );
    let codes: std::collections::BTreeSet<&str> = index
        .split(['[', ']'])
        .filter(|word| word.starts_with("FF-"))
        .collect();
    assert!(codes.len() > 25, "{codes:?}");
    for code in &codes {
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_default();
        assert!(
            page.starts_with(&format!("# {code}")),
            "docs/problems/{code}.md is missing"
        );
        assert!(page.contains("**What to do.**"), "{code}");
    }
    for page in std::fs::read_dir(&folder).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").unwrap();
        assert!(
            code == "README" || codes.contains(code),
            "docs/problems/{name} is of no code"
        );
    }
}

/// Hosts and people had one schema: whoever reached it could try the calls of the other.
#[test]
fn people_and_hosts_share_no_call() {
    let (people, hosts) = (flowforge_server::sdl(), flowforge_server::host_sdl());
    for call in [
        "registerHost(",
        "sync(",
        "releaseDocuments(",
        "runRecords(",
        "sealedSecrets(",
    ] {
        assert!(hosts.contains(call), "{call}");
        assert!(!people.contains(call), "{call}");
    }
    for call in ["startRun(", "setSecret(", "runs(", "secrets"] {
        assert!(people.contains(call), "{call}");
        assert!(!hosts.contains(&format!("\t{call}")), "{call}");
    }
}

/// The documents of `flowforge_protocol::sync` are what the schema says: a host writes and reads them as they are.
#[test]
fn the_sync_documents_have_the_fields_of_the_schema() {
    use flowforge_protocol::sync::{Incarnation, SyncReply, SyncRequest};
    let sdl = flowforge_server::host_sdl();
    let fields = |head: &str| -> std::collections::BTreeSet<String> {
        let body = sdl.split_once(head).unwrap().1.split_once("\n}").unwrap().0;
        let lines = body.lines().filter(|line| line.starts_with('\t'));
        lines
            .filter_map(|line| line.trim().split_once(':'))
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.chars().all(char::is_alphanumeric))
            .collect()
    };
    let life = Incarnation::from_entropy([1; 16]);
    let names = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect();
    let request = serde_json::to_value(SyncRequest::new("dev".to_owned(), life)).unwrap();
    assert_eq!(fields("input SyncInput {"), names(request));
    let reply = serde_json::to_value(SyncReply::new("dev".to_owned(), life, 0)).unwrap();
    assert_eq!(fields("type SyncPayload {"), names(reply));
}
