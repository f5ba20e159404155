//! `flowforge-host install`: user, folder, enrolment, unit, start; or the unit alone, printed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use flowforge_host::joining::read_token;
use flowforge_host::unit::{UNIT_FOLDER, UNIT_NAME, Unit};

use crate::arguments::WayArguments;

/// Where a host that was installed keeps what it has.
pub(crate) const DATA_DIR: &str = "/var/lib/flowforge";
/// The configuration that install writes, if there is something to say.
const CONFIG_FILE: &str = "host.toml";

#[derive(Args)]
pub(crate) struct InstallArguments {
    /// The file with the token that `flowforge host token` printed; removed once it was used.
    #[arg(long, value_name = "FILE", env = "FLOWFORGE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The host's data folder.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// The user that the host runs as; made if absent.
    #[arg(long, value_name = "NAME", default_value = "flowforge")]
    user: String,
    #[command(flatten)]
    way: WayArguments,
    /// Folder of the unit; for images that are built elsewhere.
    #[arg(long, value_name = "DIR", default_value = UNIT_FOLDER)]
    unit_dir: PathBuf,
    /// Print the unit and change nothing.
    #[arg(long)]
    print: bool,
}

impl InstallArguments {
    fn check(&self) -> anyhow::Result<()> {
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if self.user.is_empty() || self.user.len() > 32 || !self.user.bytes().all(shape) {
            bail!(
                "user is `{}`: expected 1 to 32 characters of a-z, 0-9, - and _",
                self.user
            );
        }
        if !self.data_dir.is_absolute() {
            bail!(
                "data-dir is `{}`: a service needs an absolute path",
                self.data_dir.display()
            );
        }
        Ok(())
    }

    fn config(&self) -> Option<String> {
        let mut table = toml::Table::new();
        if let Some(proxy) = &self.way.proxy {
            table.insert("proxy".to_owned(), proxy.clone().into());
        }
        (!table.is_empty()).then(|| table.to_string())
    }
}

pub(crate) fn install(arguments: &InstallArguments) -> anyhow::Result<ExitCode> {
    arguments.check()?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let name = match &arguments.token_file {
        Some(path) => read_token(path)?.name,
        None => "of this machine".to_owned(),
    };
    let config = arguments.config();
    let config_path = arguments.data_dir.join(CONFIG_FILE);
    let unit = Unit {
        name: &name,
        user: &arguments.user,
        program: &program,
        data_dir: &arguments.data_dir,
        config: config.is_some().then_some(config_path.as_path()),
    };
    if arguments.print {
        std::io::stdout().write_all(unit.text().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(token_file) = &arguments.token_file else {
        bail!(
            "--token-file is not given: ask for a token at the control plane, flowforge host token --name NAME"
        );
    };
    if !rustix::process::geteuid().is_root() {
        bail!(
            "install makes a user and a service, so it needs root: sudo flowforge-host install …; --print shows the unit instead"
        );
    }
    carry_out(arguments, &program, token_file, config.as_deref(), &unit.text())
}

/// Every step may be repeated: an installation that broke off is gone on with by the same command.
fn carry_out(
    arguments: &InstallArguments,
    program: &Path,
    token_file: &Path,
    config: Option<&str>,
    unit: &str,
) -> anyhow::Result<ExitCode> {
    let (user, data_dir) = (arguments.user.as_str(), arguments.data_dir.as_os_str());
    let mut out = std::io::stdout();
    let is_known = Command::new("id")
        .args(["-u", user])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot ask for the user: id")?
        .success();
    if !is_known {
        let mut make = Command::new("useradd");
        make.args([
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            "--home-dir",
        ])
        .arg(data_dir)
        .arg(user);
        run(&mut make, None)?;
    }
    writeln!(
        out,
        " ✓ user           {user}{}",
        if is_known { ", was there" } else { "" }
    )?;
    let mut folder = Command::new("install");
    folder
        .args(["-d", "-m", "0700", "-o", user, "-g", user])
        .arg(data_dir);
    run(&mut folder, None)?;
    if let Some(config) = config {
        let mut write = Command::new("install");
        write
            .args(["-m", "0600", "-o", user, "-g", user, "/dev/stdin"])
            .arg(arguments.data_dir.join(CONFIG_FILE));
        run(&mut write, Some(config.as_bytes()))?;
    }
    writeln!(out, " ✓ folder         {}", arguments.data_dir.display())?;
    // The token's file may be readable by root alone, so it is handed over.
    let token = zeroize::Zeroizing::new(std::fs::read(token_file)?);
    let mut enrol = Command::new("runuser");
    enrol.args(["-u", user, "--"]).arg(program);
    enrol
        .args(["enrol", "--token-file", "-", "--data-dir"])
        .arg(data_dir);
    if let Some(proxy) = &arguments.way.proxy {
        // Not as an argument: a command line can be read by everybody.
        enrol.env("FLOWFORGE_PROXY", proxy);
    }
    out.flush()?;
    run(&mut enrol, Some(&token))?;
    flowforge_host::joining::forget_token(token_file)?;
    let path = arguments.unit_dir.join(UNIT_NAME);
    std::fs::write(&path, unit).with_context(|| format!("cannot write {}", path.display()))?;
    run(Command::new("systemctl").arg("daemon-reload"), None)?;
    run(
        Command::new("systemctl").args(["enable", "--now", UNIT_NAME]),
        None,
    )?;
    writeln!(out, " ✓ service        {}, enabled and started", path.display())?;
    writeln!(
        out,
        "   next: sudo -u {user} {} status --data-dir {}",
        program.display(),
        arguments.data_dir.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command of this machine; what it says goes through.
fn run(command: &mut Command, input: Option<&[u8]>) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // One that reads nothing says why itself.
        let _ = pipe.write_all(input);
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    if !status.success() {
        bail!(
            "{name} failed ({status}); mend what it says above, then repeat the command: what is done stays done"
        );
    }
    Ok(())
}
