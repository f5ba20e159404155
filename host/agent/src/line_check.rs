//! Why does it not connect: each thing that enrolment and the line need, tried in its order, and nothing changed.

use std::path::Path;
use std::sync::Arc;

use flowforge_protocol::invitation::Invitation;
use serde::Serialize;

use crate::clock::Clock;
use crate::data_dir;
use crate::join::line_address;
use crate::link::control::LinkError;
use crate::link::graphql::GraphQlLink;
use crate::link::line::{Line, Way};

/// File systems on which another machine can take the lock of a file away: `f_type` and name.
const SHARED: [(u64, &str); 4] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
];

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, and what to do if it is not.
    pub detail: String,
}

impl Finding {
    /// Of what a look brought.
    #[must_use]
    pub fn of(name: &'static str, result: Result<String, String>) -> Self {
        let ok = result.is_ok();
        let detail = result.unwrap_or_else(|wrong| wrong);
        Self { name, ok, detail }
    }
}

/// What a look at the line goes by.
pub struct LineCheck<'a> {
    /// The data folder that the host has or will have.
    pub data_dir: &'a Path,
    /// The invitation that it is to enrol with.
    pub invitation: &'a Invitation,
    /// The way to the control plane.
    pub way: Way,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl LineCheck<'_> {
    /// Looks at everything; tells the control plane nothing of the invitation.
    pub async fn run(&self) -> Vec<Finding> {
        let mut found = vec![self.name().await];
        if let Some(proxy) = &self.way.proxy {
            found.push(Finding::of(
                "proxy",
                Ok(format!("{proxy} is asked for every connection")),
            ));
        }
        let (tls, time_ms) = self.server().await;
        let is_reached = tls.ok;
        found.push(tls);
        if is_reached {
            found.push(self.clock(time_ms));
        }
        found.push(self.invitation());
        found.push(Finding::of("disk", disk(self.data_dir)));
        found.push(user());
        found
    }

    async fn name(&self) -> Finding {
        let server = line_address(&self.invitation.server);
        let name = server.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
        let port = server
            .as_ref()
            .and_then(url::Url::port_or_known_default)
            .unwrap_or(443);
        let result = match (name, &self.way.proxy) {
            (None, _) => Err(format!(
                "the token names `{}`, which is no address",
                self.invitation.server
            )),
            (Some(name), Some(_)) => Ok(format!("{name}:{port}, looked up by the proxy")),
            (Some(name), None) => {
                match tokio::net::lookup_host((name.trim_matches(['[', ']']), port)).await {
                    Ok(addresses) => {
                        let addresses: Vec<String> =
                            addresses.map(|address| address.ip().to_string()).collect();
                        Ok(format!("{name}:{port} → {}", addresses.join(", ")))
                    }
                    Err(error) => Err(format!(
                        "{name} has no address here: {error}; mend the name service, or put it into /etc/hosts"
                    )),
                }
            }
        };
        Finding::of("name", result)
    }

    /// Whether the control plane of the token is there, and its time.
    async fn server(&self) -> (Finding, Option<u64>) {
        let line = Line::stranger(
            self.data_dir,
            self.way.clone(),
            Arc::clone(&self.clock),
            self.invitation.anchor,
        );
        let Some(server) = line_address(&self.invitation.server) else {
            return (Finding::of("server", Err("it has no address".to_owned())), None);
        };
        let link = match GraphQlLink::on_line(server, line) {
            Ok(link) => link,
            Err(error) => return (Finding::of("server", Err(error.to_string())), None),
        };
        match link.server_time().await {
            Ok(time_ms) => {
                let said =
                    "it is the one in the token (TLS 1.3, its certificate is signed as the token says)";
                (Finding::of("server", Ok(said.to_owned())), time_ms)
            }
            Err(LinkError::Unreachable(reason)) => (Finding::of("server", Err(reason)), None),
            Err(error) => (Finding::of("server", Err(error.to_string())), None),
        }
    }

    fn clock(&self, server_ms: Option<u64>) -> Finding {
        use flowforge_protocol::job::CLOCK_TOLERANCE_MS;
        let Some(server_ms) = server_ms else {
            return Finding::of("clock", Err("the server did not say what time it is".to_owned()));
        };
        let now_ms = self.clock.now_ms();
        let apart_ms = now_ms.abs_diff(server_ms);
        let side = if now_ms < server_ms { "behind" } else { "ahead of" };
        let said = format!("{} s {side} the server's", apart_ms / 1_000);
        Finding::of(
            "clock",
            if apart_ms <= CLOCK_TOLERANCE_MS {
                Ok(said)
            } else {
                Err(format!("{said}; set it first"))
            },
        )
    }

    fn invitation(&self) -> Finding {
        let left_ms = self.invitation.expires_at_ms.saturating_sub(self.clock.now_ms());
        let name = &self.invitation.name;
        Finding::of(
            "token",
            match left_ms / 60_000 {
                0 if left_ms == 0 => {
                    Err("it is not good any more; ask for a new one: flowforge host token".to_owned())
                }
                minutes => Ok(format!(
                    "for host {name}, good for {} min by this machine's clock; whether it was used, only enrolment tells",
                    minutes.max(1)
                )),
            },
        )
    }
}

/// Whether the data folder's disk will do: writable, this machine's own. What does not exist is not made.
fn disk(data_dir: &Path) -> Result<String, String> {
    let existing = data_dir
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let stat = rustix::fs::statfs(existing).map_err(|error| format!("{}: {error}", existing.display()))?;
    let kind = u64::try_from(stat.f_type).unwrap_or(0);
    if let Some((_, name)) = SHARED.iter().find(|(shared, _)| *shared == kind) {
        return Err(format!(
            "{} is on {name}: another machine can write there at the same time, so a journal is not safe; use a disk of this \
             machine",
            data_dir.display()
        ));
    }
    let free_mb = stat
        .f_bavail
        .saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(0))
        / (1 << 20);
    if rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_err() {
        return Err(format!(
            "cannot write {} (read-only, or not this user's); nothing was enrolled, the token is still good",
            existing.display()
        ));
    }
    if existing != data_dir {
        return Ok(format!("{} can be made, {free_mb} MiB free", data_dir.display()));
    }
    let written = data_dir::can_write(data_dir)?;
    Ok(format!("{written}, {free_mb} MiB free"))
}

fn user() -> Finding {
    let uid = rustix::process::geteuid();
    let said = if uid.is_root() {
        "root; a host needs no root, and install makes a user for it".to_owned()
    } else {
        format!("uid {}, not root", uid.as_raw())
    };
    Finding::of("user", Ok(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let home = tempfile::tempdir().expect("folder");
        let folder = home.path().join("a/b");
        let said = disk(&folder).expect("can be made");
        assert!(
            said.contains("can be made") && said.contains("MiB free"),
            "{said}"
        );
        assert!(!home.path().join("a").exists());
    }
}
