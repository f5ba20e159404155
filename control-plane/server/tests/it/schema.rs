//! The schema as text is checked in, and is what the server serves.

#[test]
fn the_checked_in_schema_is_the_servers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let served = flowforge_server::sdl();
    if std::env::var_os("FLOWFORGE_UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &served).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == served,
        "schema.graphql is not the schema of the server; run FLOWFORGE_UPDATE_SCHEMA=1 cargo test -p flowforge-server \
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
