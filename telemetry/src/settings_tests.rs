//! Settings from the environment.

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
    let find = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::read(&Given::default(), find)
}

fn error(variables: &[(&str, &str)]) -> String {
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")];
    all.extend(variables);
    read(&all).unwrap_err().to_string()
}

#[test]
fn nothing_is_sent_unless_a_collector_is_named() {
    assert!(read(&[]).unwrap().is_none());
    assert!(
        read(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_EXPORTER", "otlp")])
            .unwrap()
            .is_none()
    );
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    assert!(
        read(&[endpoint, ("OTEL_SDK_DISABLED", "true")])
            .unwrap()
            .is_none()
    );
    let none = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    let all = [&[endpoint][..], &none].concat();
    assert!(read(&all).unwrap().is_none());
    assert!(
        read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "  ")]).unwrap().is_none(),
        "empty is not set"
    );
}

#[test]
fn a_base_gets_the_paths_and_an_address_of_its_own_stays_as_it_is() {
    let settings = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "https://metrics.example/in?x=1",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20abc, x-scope = a",
        ),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-own=1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
    ])
    .unwrap()
    .unwrap();
    let (traces, logs) = (settings.traces.as_ref().unwrap(), settings.logs.as_ref().unwrap());
    assert_eq!(traces.url.as_str(), "http://collector:4318/base/v1/traces");
    assert_eq!(logs.url.as_str(), "http://collector:4318/base/v1/logs");
    assert_eq!(
        settings.metrics.as_ref().unwrap().url.as_str(),
        "https://metrics.example/in?x=1"
    );
    let header = |endpoint: &Endpoint, at: usize| {
        let (name, value) = endpoint.headers.get(at).unwrap();
        format!("{name}: {}", value.to_str().unwrap())
    };
    assert_eq!(header(traces, 0), "authorization: Bearer abc");
    assert_eq!(header(traces, 1), "x-scope: a");
    assert_eq!(header(logs, 0), "x-own: 1");
    assert!(!traces.gzip);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("abc"), "{shown}");
}

#[test]
fn what_is_said_on_the_command_line_is_over_the_environment() {
    let given = Given {
        endpoint: Some("http://other:1".to_owned()),
        bytes_per_second: Some(2_000),
    };
    let find =
        |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://collector:4318".to_owned());
    let settings = Settings::read(&given, find).unwrap().unwrap();
    assert_eq!(
        (settings.collector().as_str(), settings.bytes_per_second),
        ("http://other:1", 2_000)
    );
}

#[test]
fn wrong_values_are_named_and_secrets_are_not_repeated() {
    let wrong = error(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(
        wrong.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`: expected http/protobuf"),
        "{wrong}"
    );
    let wrong = error(&[("OTEL_EXPORTER_OTLP_HEADERS", "secret")]);
    assert_eq!(
        wrong,
        "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE,NAME=VALUE"
    );
    let wrong = error(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:secret@collector")]);
    assert!(!wrong.contains("secret"), "{wrong}");
    assert!(wrong.contains("without user and password"), "{wrong}");
    let wrong = error(&[("OTEL_TRACES_SAMPLER", "sometimes")]);
    assert!(wrong.contains("`sometimes`"), "{wrong}");
    let wrong = error(&[
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ]);
    assert!(wrong.contains("from 0 to 1"), "{wrong}");
    let wrong = error(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")]);
    assert!(wrong.contains("from 1 to 65536"), "{wrong}");
    let wrong = error(&[("OTEL_METRIC_EXPORT_INTERVAL", "1h")]);
    assert!(wrong.contains("milliseconds"), "{wrong}");
    let wrong = error(&[("FLOWFORGE_OTLP_BYTES_PER_SECOND", "1")]);
    assert!(wrong.contains("at least 1024"), "{wrong}");
}

#[test]
fn traces_are_chosen_as_the_variables_say() {
    let sampler = |text: &str| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_TRACES_SAMPLER", text),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let settings = read(&variables).unwrap().unwrap();
        (settings.sampler, settings.heeds_parent)
    };
    assert_eq!(sampler(""), (Sampler::Always(true), true));
    assert_eq!(sampler("always_off"), (Sampler::Always(false), false));
    assert_eq!(sampler("parentbased_traceidratio"), (Sampler::Ratio(0.25), true));
}
