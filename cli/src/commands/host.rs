//! `flowforge host`: the machines that execute runs.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, Usage, list, next, number, result, short, text};
use crate::say;
use crate::table::Table;
use crate::time;

const LIST: &str = "{ hosts { id name connected busy standing standingReason lastHeardMs registeredAtMs openRuns \
    identityKey labels certificate { generation expiresAtMs } } }";
const SHOW: &str = "query($named: String!) { host(named: $named) { id name connected busy standing standingReason \
    lastHeardMs registeredAtMs openRuns identityKey labels certificate { generation expiresAtMs } } }";
const INVITE: &str = "mutation($input: InviteHostInput!) { inviteHost(input: $input) { __typename \
    ... on InviteHostSuccess { token expiresAtMs server } ... on Problem { message code } } }";
const DECIDE: &str = "mutation($input: DecideHostInput!) { decideHost(input: $input) { __typename \
    ... on DecideHostSuccess { host { id name standing standingReason openRuns } } ... on Problem { message code } } }";

/// See, invite and dismiss the hosts that execute runs
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// List the hosts and when each was last heard
    #[command(after_help = "Example:\n  flowforge host list")]
    List,
    /// Show one host: what it does, what was decided about it, and its certificate
    #[command(after_help = "Example:\n  flowforge host show press-7")]
    Show {
        /// Name or id, or the first characters of its id
        host: String,
    },
    /// Invite a host of another machine: print a token that is good for one
    ///
    /// The token holds the address and the fingerprint of this server, and a secret. It is printed once.
    #[command(
        after_help = "Example:\n  flowforge host token --name press-7 > token\n  flowforge host token --name press-7 --expires 7d --output json\n  flowforge host token --name press-8 --pool presses --label eu > token"
    )]
    Token {
        /// Name that the host gets: 1 to 64 characters of a-z, 0-9 and -
        #[arg(long, value_name = "NAME")]
        name: String,
        /// How long the token is good: 1m to 30d
        #[arg(long, value_name = "TIME", default_value = "1h")]
        expires: String,
        /// The pool that the host belongs to
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// A label that the host has, for workflows that ask for it in `runs_on`; may be given several times
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
    },
    /// Let a host finish what it has and give it nothing new
    #[command(
        after_help = "Example:\n  flowforge host drain press-7 --reason \"new disk\"\n  flowforge host drain press-7 --undo"
    )]
    Drain {
        /// Name or id, or the first characters of its id
        host: String,
        /// Give it new work again
        #[arg(long)]
        undo: bool,
        /// Why, for people
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Refuse a host's calls from now on; work that it has accepted goes on there
    #[command(after_help = "Example:\n  flowforge host revoke press-7 --reason stolen --yes")]
    Revoke {
        /// Name or id, or the first characters of its id
        host: String,
        /// Why, for people
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
pub(crate) async fn run(command: HostCommand, global: &Global) -> Result<Exit> {
    match command {
        HostCommand::List => show_all(global).await,
        HostCommand::Show { host } => show(global, &host).await,
        HostCommand::Token {
            name,
            expires,
            pool,
            labels,
        } => {
            let input = json!({ "name": name, "pool": pool, "labels": labels });
            token(global, input, &expires).await
        }
        HostCommand::Drain { host, undo, reason } => {
            let decision = if undo { "UNDRAIN" } else { "DRAIN" };
            decide(global, &host, decision, reason.as_deref()).await
        }
        HostCommand::Revoke { host, reason, yes } => {
            if !yes {
                bail!(Usage(format!(
                    "nothing that {host} says is taken any more once it is revoked; to go on: flowforge host revoke {host} --yes"
                )));
            }
            decide(global, &host, "REVOKE", reason.as_deref()).await
        }
    }
}

async fn show_all(global: &Global) -> Result<Exit> {
    let data = global.api()?.ask(LIST, Value::Null).await?;
    let hosts = data.get("hosts").cloned().unwrap_or_default();
    result(global, &hosts, |hosts| {
        let mut table = Table::new(&["id", "name", "state", "last heard", "open runs"]);
        for host in list(hosts, "") {
            table.row([
                short(text(host, "/id")),
                text(host, "/name"),
                &state(host),
                &last_heard(number(host, "/lastHeardMs")),
                &number(host, "/openRuns").to_string(),
            ]);
        }
        table.print(
            "no host has joined · next: flowforge-host --data-dir DIR --join SERVER-DATA/host-join.json, or on another machine: \
             flowforge host token --name NAME",
        );
    });
    if !list(&hosts, "").is_empty() {
        next(global, "flowforge run list");
    }
    Ok(Exit::Done)
}

async fn show(global: &Global, named: &str) -> Result<Exit> {
    let data = global.api()?.ask(SHOW, json!({ "named": named })).await?;
    let host = data.get("host").cloned().unwrap_or_default();
    if host.is_null() {
        bail!("no host is called `{named}`, or several are: flowforge host list");
    }
    result(global, &host, |host| {
        say!("{} · {}", text(host, "/name"), state(host));
        say!("  id           {}", text(host, "/id"));
        say!("  last heard   {}", last_heard(number(host, "/lastHeardMs")));
        say!("  first seen   {}", time::date(number(host, "/registeredAtMs")));
        say!("  open runs    {}", number(host, "/openRuns"));
        let labels: Vec<&str> = list(host, "/labels").iter().filter_map(Value::as_str).collect();
        if !labels.is_empty() {
            say!("  labels       {}", labels.join(", "));
        }
        match text(host, "/standingReason") {
            "" => {}
            reason => say!("  decided      {}", crate::table::one_line(reason)),
        }
        match host
            .get("certificate")
            .filter(|certificate| !certificate.is_null())
        {
            Some(certificate) => say!(
                "  certificate  number {}, good until {}",
                number(certificate, "/generation"),
                time::date(number(certificate, "/expiresAtMs"))
            ),
            None => say!("  certificate  none: it is on the server's own machine"),
        }
        say!("  identity     {}", text(host, "/identityKey"));
    });
    Ok(Exit::Done)
}

async fn token(global: &Global, mut input: Value, expires: &str) -> Result<Exit> {
    let Some(life_ms) = life_ms(expires) else {
        bail!(Usage(format!(
            "expires is `{expires}`: expected a number and its unit, 1m to 30d, as 30m, 1h or 7d"
        )));
    };
    let name = text(&input, "/name").to_owned();
    if let Some(input) = input.as_object_mut() {
        input.insert("lifeMs".to_owned(), life_ms.into());
    }
    let made = global.api()?.change("inviteHost", INVITE, input).await?;
    result(global, &made, |made| {
        // The token alone on stdout, so that it can be put into a file.
        say!("{}", text(made, "/token"));
        eprintln!(
            "good for one host until {}, which will call {}; it is shown only now",
            time::date(number(made, "/expiresAtMs")),
            text(made, "/server")
        );
        eprintln!(
            "next, on {name}: flowforge-host check --token-file FILE, then sudo flowforge-host install --token-file FILE"
        );
    });
    Ok(Exit::Done)
}

async fn decide(global: &Global, host: &str, decision: &str, reason: Option<&str>) -> Result<Exit> {
    let input = json!({ "host": host, "decision": decision, "reason": reason });
    let done = global.api()?.change("decideHost", DECIDE, input).await?;
    let host = done.get("host").cloned().unwrap_or_default();
    result(global, &host, |host| {
        let runs = number(host, "/openRuns");
        let what = match decision {
            "DRAIN" => format!("finishes its {runs} open runs and gets nothing new"),
            "UNDRAIN" => "gets new work again".to_owned(),
            _ => format!("is refused from now on; it had {runs} open runs"),
        };
        say!("{} {what}", text(host, "/name"));
    });
    next(global, &format!("flowforge host show {}", text(&host, "/name")));
    Ok(Exit::Done)
}

/// `30m`, `1h`, `7d` in milliseconds.
fn life_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let unit_ms = match unit {
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms)
}

fn state(host: &Value) -> String {
    let is = |key: &str| host.get(key).and_then(Value::as_bool).unwrap_or_default();
    let line = match (is("connected"), is("busy")) {
        (true, false) => "connected",
        (true, true) => "connected, takes nothing new",
        (false, _) => "not connected",
    };
    match text(host, "/standing") {
        "DRAINING" => format!("{line}, draining"),
        "REVOKED" => "revoked".to_owned(),
        "CLONED" => "refused: two machines showed its certificate".to_owned(),
        "LEFT" => "left".to_owned(),
        _ => line.to_owned(),
    }
}

fn last_heard(ms: u64) -> String {
    if ms == 0 {
        "never".to_owned()
    } else {
        format!("{} ago", time::elapsed(time::now_ms().saturating_sub(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_a_unit() {
        assert_eq!(life_ms("30m"), Some(1_800_000));
        assert_eq!(life_ms("7d"), Some(604_800_000));
        for wrong in ["", "7", "d", "1w", "-1h", "99999999999999999999d"] {
            assert_eq!(life_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_decided_comes_before_the_state_of_the_line() {
        let host = |standing: &str| json!({ "connected": true, "busy": false, "standing": standing });
        assert_eq!(state(&host("ACTIVE")), "connected");
        assert_eq!(state(&host("DRAINING")), "connected, draining");
        assert_eq!(state(&host("REVOKED")), "revoked");
    }
}
