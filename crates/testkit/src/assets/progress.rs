//! Long steps that show they are alive.

use std::fs::File;
use std::io::{self, IsTerminal, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::spawn;

/// How often the command is looked at; the delay it adds to a step.
const POLL: Duration = Duration::from_millis(50);
/// How often a terminal's line is drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// How often a line goes to something else than a terminal: often enough for CI systems that end silent jobs.
const LINE: Duration = Duration::from_secs(30);

/// One command with a name, its output kept in a file.
pub(super) struct Step<'a> {
    pub(super) label: &'a str,
    pub(super) log: &'a Path,
}

impl Step<'_> {
    /// Runs the command to its end, showing the seconds; `false` when it failed.
    ///
    /// It stays in this process's group, so that Ctrl-C reaches it and what it started.
    pub(super) fn run(&self, mut command: Command) -> io::Result<bool> {
        let output = File::create(self.log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        // Go removes its work folder on an interrupt.
        let mut child = spawn::spawn(command, Signal::INT)?;
        let begun = Instant::now();
        let terminal = io::stderr().is_terminal();
        let pace = if terminal { TICK } else { LINE };
        let mut shown = begun;
        self.show(terminal, "...");
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(POLL);
            if shown.elapsed() >= pace {
                shown = Instant::now();
                self.show(terminal, &format!("{} s", begun.elapsed().as_secs()));
            }
        };
        let outcome = if status.success() { "done" } else { "failed" };
        self.show(
            terminal,
            &format!("{outcome} after {:.1} s", begun.elapsed().as_secs_f64()),
        );
        if terminal {
            say("");
        }
        Ok(status.success())
    }

    fn show(&self, terminal: bool, state: &str) {
        if terminal {
            // Back to the line's begin, and away with what stood there.
            let _ = write!(io::stderr().lock(), "\r\x1b[K{} {state}", self.label);
        } else {
            say(&format!("{} {state}", self.label));
        }
    }
}

/// One line on standard error; a closed one is no reason to stop.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
