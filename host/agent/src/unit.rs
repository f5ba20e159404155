//! The systemd unit of a host: what it may do on its machine, and nothing else.

use std::path::Path;

/// What stands in a unit.
#[derive(Debug, Clone)]
pub struct Unit<'a> {
    /// Name of the host, for people.
    pub name: &'a str,
    /// The user that it runs as.
    pub user: &'a str,
    /// This program.
    pub program: &'a Path,
    /// The host's data folder.
    pub data_dir: &'a Path,
    /// A configuration file, if there is one.
    pub config: Option<&'a Path>,
}

/// Where systemd looks for units of this machine's own.
pub const UNIT_FOLDER: &str = "/etc/systemd/system";
/// Name of the unit.
pub const UNIT_NAME: &str = "flowforge-host.service";

/// A word of a command line as systemd reads it.
fn quoted(word: &str) -> String {
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{escaped}\"")
}

impl Unit<'_> {
    /// The text of the unit.
    ///
    /// Connectors are compiled to machine code here, so memory that was written is made executable: that one wall of
    /// systemd's (`MemoryDenyWriteExecute`) cannot stand.
    #[must_use]
    pub fn text(&self) -> String {
        let data_dir = self.data_dir.display().to_string();
        let mut start = format!(
            "{} --data-dir {}",
            quoted(&self.program.display().to_string()),
            quoted(&data_dir)
        );
        if let Some(config) = self.config {
            start.push_str(&format!(" --config {}", quoted(&config.display().to_string())));
        }
        let user = self.user;
        // A line feed would begin another line of the unit.
        let name: String = self.name.chars().filter(|c| !c.is_control()).collect();
        let path = data_dir.replace('%', "%%");
        format!(
            "[Unit]
Description=FlowForge host {name}
Documentation=man:systemd.exec(5)
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=exec
User={user}
Group={user}
ExecStart={start}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2
KillSignal=SIGTERM
TimeoutStopSec=60
UMask=0077
LimitCORE=0
ReadWritePaths={path}
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=all
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged

[Install]
WantedBy=multi-user.target
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_reads_as_reviewed() {
        let unit = Unit {
            name: "press-7\nExecStart=/bin/sh",
            user: "flowforge",
            program: Path::new("/usr/local/bin/flowforge-host"),
            data_dir: Path::new("/var/lib/flowforge"),
            config: Some(Path::new("/var/lib/flowforge/50% \"off\".toml")),
        };
        let text = unit.text();
        assert!(!text.lines().any(|line| line == "ExecStart=/bin/sh"), "{text}");
        insta::assert_snapshot!("unit", text);
    }
}
