//! `flowforge connector run`: one call, and what it took.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use flowforge_connector_test::{Called, LiveCall, Recorded, as_test, call, told};
use flowforge_host::clock::{Entropy as _, SystemEntropy};
use flowforge_ports::{Interface, Operation, Type};
use flowforge_runtime::AddressKind;
use flowforge_workflow::destination;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::test::milliseconds;
use super::{bench, component_of, read_component};
use crate::args::Global;
use crate::output::{Exit, Usage, counted, result};
use crate::table::one_line;
use crate::{say, time};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The operation
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// The connector's folder, which is built if needed, or a component file
    #[arg(value_name = "FOLDER|FILE", default_value = ".")]
    what: PathBuf,
    /// One input: JSON, or text where the port takes text
    #[arg(long = "with", value_name = "PORT=VALUE")]
    with: Vec<String>,
    /// All inputs as a JSON object; `--with` comes on top
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where it may connect; without it, what connector.toml names
    #[arg(long, value_name = "DESTINATION")]
    allow: Vec<String>,
    /// A secret for a slot, read from a variable of the environment
    #[arg(long, value_name = "SLOT=VARIABLE")]
    secret: Vec<String>,
    /// Write the call as a test into this new file, its services as mocks, without secrets
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(args: RunArgs, global: &Global) -> Result<Exit> {
    let component = read_component(&component_of(&args.what).await?)?;
    let interface = flowforge_ports::inspect(&component).context("this is no connector")?;
    let operation = operation(&interface, &args.operation)?;
    let (destinations, loopback) = destinations(&interface, &args.allow)?;
    let entropy = SystemEntropy::new().context("this machine gives no randomness")?;
    let input = input(&args, operation)?;
    let made = LiveCall {
        operation: operation.name.clone(),
        input: input.clone(),
        destinations,
        secrets: secrets(&args.secret)?,
        loopback,
        record: args.record.is_some(),
        now_ms: time::now_ms,
        random: Box::new(move |buffer| entropy.fill(buffer)),
    };
    if let Some(file) = args.record.as_deref().filter(|file| file.exists()) {
        return Err(Usage(format!("--record: {} is there already", file.display())).into());
    }
    let called = call(&component, made, &bench()?).await?;
    if let Some(file) = &args.record {
        record(file, &operation.name, &input, &called)?;
    }
    result(global, &answer(&called), |_| print(&called));
    Ok(if called.outcome.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Writes the call as a test.
fn record(file: &Path, operation: &str, input: &Map<String, Value>, called: &Called) -> Result<()> {
    let (text, scrubbed) = as_test(&Recorded {
        operation,
        input,
        began_ms: called.began_ms,
        outcome: &called.outcome,
        exchanges: &called.exchanges,
    })?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!(
        "recorded in {}: {}, {} replaced; read it before you keep it",
        file.display(),
        counted(called.exchanges.len(), "request"),
        counted(scrubbed, "value"),
    );
    Ok(())
}

fn operation<'i>(interface: &'i Interface, name: &str) -> Result<&'i Operation> {
    interface.operation(name).ok_or_else(|| {
        let known: Vec<&str> = interface.operations.iter().map(|one| one.name.as_str()).collect();
        Usage(format!(
            "there is no operation `{name}`; there is {}",
            known.join(", ")
        ))
        .into()
    })
}

fn input(args: &RunArgs, operation: &Operation) -> Result<Map<String, Value>> {
    let mut input = match &args.input {
        None => Map::new(),
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let value: Value =
                serde_json::from_str(&text).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
            let Value::Object(fields) = value else {
                return Err(Usage(format!("{} holds no JSON object", file.display())).into());
            };
            fields
        }
    };
    for pair in &args.with {
        let (port, value) = pair
            .split_once('=')
            .ok_or_else(|| Usage(format!("`{pair}` is no input: write --with port=value")))?;
        input.insert(port.to_owned(), value_of(operation, port, value));
    }
    Ok(input)
}

/// A port that takes text gets what was typed; every other one JSON, where it is some.
fn value_of(operation: &Operation, port: &str, typed: &str) -> Value {
    fn is_text(ty: &Type) -> bool {
        match ty {
            Type::String | Type::Char | Type::Enum { .. } => true,
            Type::Option { inner } => is_text(inner),
            _ => false,
        }
    }
    let takes_text = operation
        .params
        .iter()
        .any(|param| param.name == port && is_text(&param.ty));
    let text = || Value::from(typed);
    if takes_text {
        return text();
    }
    serde_json::from_str(typed).unwrap_or_else(|_| text())
}

/// Where the call may connect, and whether this machine is among it, which only the command line can say.
fn destinations(interface: &Interface, allowed: &[String]) -> Result<(Vec<String>, bool)> {
    let meta = interface.meta.as_ref();
    let suggested = meta.and_then(|meta| meta.needs.http.as_ref());
    let all = match (allowed.is_empty(), suggested) {
        (false, _) => allowed,
        (true, Some(http)) => http.destinations.as_slice(),
        (true, None) => &[],
    };
    let mut written = Vec::new();
    for one in all
        .iter()
        .filter(|one| !(one.contains('*') && allowed.is_empty()))
    {
        let one = destination(one).map_err(|error| Usage(format!("--allow: {error}")))?;
        if one.contains('*') {
            return Err(Usage(format!("--allow: name one place instead of `{one}`")).into());
        }
        written.push(one);
    }
    if let Some(http) = suggested.filter(|_| written.is_empty()) {
        return Err(Usage(format!(
            "this connector connects to {}: give --allow https://NAME for the place of this call",
            http.destinations.join(", ")
        ))
        .into());
    }
    let loopback = !allowed.is_empty() && written.iter().any(|one| is_local(one));
    Ok((written, loopback))
}

/// Whether a destination, `scheme://name:port`, is on this machine.
fn is_local(destination: &str) -> bool {
    let place = destination
        .split_once("://")
        .and_then(|(_, place)| place.rsplit_once(':'));
    place.is_some_and(|(name, _)| {
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| AddressKind::of(address) == AddressKind::Loopback)
    })
}

fn secrets(pairs: &[String]) -> Result<BTreeMap<String, Zeroizing<String>>> {
    let mut secrets = BTreeMap::new();
    for pair in pairs {
        let (slot, variable) = pair
            .split_once('=')
            .ok_or_else(|| Usage(format!("`{pair}` is no secret: write --secret slot=VARIABLE")))?;
        let value = std::env::var(variable).map_err(|_| {
            Usage(format!(
                "--secret: the variable {variable} of the environment holds no text"
            ))
        })?;
        secrets.insert(slot.to_owned(), Zeroizing::new(value));
    }
    Ok(secrets)
}

fn answer(called: &Called) -> Value {
    let mut answer = json!({
        "elapsed_us": u64::try_from(called.usage.elapsed.as_micros()).unwrap_or(u64::MAX),
        "peak_memory_bytes": called.usage.peak_memory_bytes,
        "used": called.usage.used,
        "trace": called.trace,
    });
    if let Some(fields) = answer.as_object_mut() {
        match &called.outcome {
            Ok(output) => fields.insert("output".to_owned(), output.clone()),
            Err(failure) => fields.insert("failure".to_owned(), json!(failure)),
        };
    }
    answer
}

fn print(called: &Called) {
    match &called.outcome {
        Ok(output) => say!("{output:#}"),
        Err(failure) => say!("✗ {}", one_line(&told(failure))),
    }
    let requests: u32 = called.usage.used.iter().map(|one| one.count).sum();
    say!(
        "{} · {} of memory · {}",
        milliseconds(u64::try_from(called.usage.elapsed.as_micros()).unwrap_or(u64::MAX)),
        time::size(called.usage.peak_memory_bytes),
        counted(usize::try_from(requests).unwrap_or(usize::MAX), "request"),
    );
    for note in &called.trace {
        say!(
            "{:>8} ms  {:<8}  {}",
            note.at_ms,
            note.what,
            one_line(&note.detail)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_every_name_it_has() {
        for local in [
            "http://localhost:80",
            "http://127.0.0.1:8080",
            "https://127.8.0.1:443",
            "http://[::1]:80",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "http://example.com:80",
            "http://10.0.0.1:80",
            "http://localhost.example:80",
            "http://[2001:db8::1]:80",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
