//! One child process with a log file, ended with its handle.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{procfs, spawn};

/// How often a process that was asked to end is looked at.
const EXIT_POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping the handle kills it; so does the end of this process, however it comes.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Server {
    /// Starts `command` with standard output and error appended to `log`.
    ///
    /// The process gets a group of its own: a Ctrl-C at the terminal reaches this process only, which then ends its
    /// servers in order.
    pub fn start(name: impl Into<String>, mut command: Command, log: impl Into<PathBuf>) -> io::Result<Self> {
        let log = log.into();
        let output = File::options().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let child = spawn::spawn(command, Signal::KILL)?;
        Ok(Self {
            name: name.into(),
            child,
            log,
            status: None,
        })
    }

    /// The name given at start, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file that gets what the server prints.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of the log; empty when it cannot be read.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// How the process ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Sends a signal to the process and to what it has started itself, as a wrapper does; nothing happens when the process
    /// has ended.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        // Once reaped, the number may belong to another process.
        if self.exited().is_some() {
            return Ok(());
        }
        let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) else {
            return Err(io::Error::other("process id out of range"));
        };
        Ok(kill_process_group(pid, signal)?)
    }

    /// Freezes the process (SIGSTOP): its connections stay open and nobody answers.
    pub fn pause(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the process (SIGKILL) and waits for its end.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.reap()
    }

    /// Asks the process to end (SIGTERM) and waits; past `grace` it is killed.
    ///
    /// The status tells which it was: a killed process has the signal 9.
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        match self.wait(grace).await {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Waits for the process to end by itself; `None` when it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    /// Resident memory now and at its peak.
    pub fn memory(&self) -> io::Result<procfs::Memory> {
        procfs::memory(self.pid())
    }

    /// CPU time used so far, user and system together.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        procfs::cpu_time(self.pid())
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let status = self.child.wait()?;
        self.status = Some(status);
        Ok(status)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process dies with this one at the latest.
        let _ = self.kill();
    }
}

/// Says how a process ended, for messages.
pub(crate) fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The last `lines` lines of a text file; empty when it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
