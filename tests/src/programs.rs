//! The real programs, as processes of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a program may take to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a program may take to end after it was asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a condition outside this process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs in this folder.
    ///
    /// # Errors
    /// Names the program that is not there.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        for name in ["flowforge", "flowforge-host"] {
            if !folder.join(name).is_file() {
                bail!(
                    "{} is missing: build it with `cargo xtask build`",
                    folder.join(name).display()
                );
            }
        }
        Ok(Self {
            folder: fs::canonicalize(folder)?,
        })
    }

    /// The programs that belong to this one: in the folder it was started from, or where `FLOWFORGE_PROGRAMS` says.
    ///
    /// # Errors
    /// As [`Programs::in_folder`].
    pub fn beside_this_one() -> Result<Self> {
        if let Some(folder) = std::env::var_os("FLOWFORGE_PROGRAMS") {
            return Self::in_folder(Path::new(&folder));
        }
        let own = std::env::current_exe().context("this program does not know where it is")?;
        // Tests live one folder below the programs.
        let folder = own
            .ancestors()
            .skip(1)
            .take(2)
            .find(|folder| folder.join("flowforge").is_file());
        Self::in_folder(folder.context("flowforge is not built: cargo xtask build")?)
    }

    /// The path of a program.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A running program. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    stdout: PathBuf,
}

impl Running {
    /// Starts a command; what it prints goes to `FOLDER/NAME.log` and `FOLDER/NAME.out`, after what is there.
    ///
    /// # Errors
    /// The program cannot be started, or the folder cannot be written.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (log, stdout) = (
            folder.join(format!("{name}.log")),
            folder.join(format!("{name}.out")),
        );
        let errors = File::options().create(true).append(true).open(&log)?;
        let output = File::create(&stdout)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            stdout,
        })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line that the program prints, and gives it.
    ///
    /// # Errors
    /// It ended, or printed nothing in time; the error shows the end of its log.
    pub fn first_line(&mut self) -> Result<String> {
        let until = Instant::now() + READY_TIMEOUT;
        loop {
            let text = fs::read_to_string(&self.stdout).unwrap_or_default();
            if let Some((line, _)) = text.split_once('\n') {
                return Ok(line.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}):\n{}",
                    self.name,
                    self.end_of_log()
                );
            }
            if Instant::now() > until {
                bail!(
                    "{} was not ready in {} s:\n{}",
                    self.name,
                    READY_TIMEOUT.as_secs(),
                    self.end_of_log()
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether it has printed anything, as a server does when it is ready.
    #[must_use]
    pub fn has_printed(&self) -> bool {
        fs::metadata(&self.stdout).is_ok_and(|file| file.len() > 0)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it as a power cut does: SIGKILL.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// It did not end in time; it is killed then.
    pub fn stop(mut self) -> Result<ExitStatus> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let until = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                bail!(
                    "{} did not end in {} s:\n{}",
                    self.name,
                    STOP_TIMEOUT.as_secs(),
                    self.end_of_log()
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to end as Ctrl-C does (SIGINT) and waits until it has.
    ///
    /// # Errors
    /// The system refuses.
    pub fn interrupt(mut self) -> Result<ExitStatus> {
        Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()?;
        Ok(self.child.wait()?)
    }

    /// Sends it a signal, by its name without `SIG`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()?;
        if !sent.success() {
            bail!("{} did not get the signal {name}", self.name);
        }
        Ok(())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn end_of_log(&self) -> String {
        const LINES: usize = 20;
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(LINES);
        lines.get(start..).unwrap_or_default().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
