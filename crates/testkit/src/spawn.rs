//! Starting children that cannot outlive this process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// One child to be started by the spawner thread.
struct Request {
    command: Command,
    reply: mpsc::SyncSender<io::Result<Child>>,
}

/// The way to the spawner thread, which is started by the first request and never ends.
static SPAWNER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);

/// Starts `command` so that the kernel sends it `death_signal` when this process ends, however it ends.
///
/// The kernel ties the signal to the *thread* that forked, so every child is forked by one thread that lives as
/// long as the process. The signal does not reach grandchildren.
pub(crate) fn spawn(mut command: Command, death_signal: Signal) -> io::Result<Child> {
    let parent = getpid();
    // SAFETY: between fork and exec only two system calls are made, prctl and getppid; neither allocates nor takes
    // a lock, and building the error from a raw number does not either.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(death_signal))?;
            // The parent may have died between fork and prctl: then no signal would ever come.
            if getppid() == Some(parent) {
                Ok(())
            } else {
                Err(rustix::io::Errno::SRCH.into())
            }
        });
    }
    let (reply, answer) = mpsc::sync_channel(1);
    sender()?
        .send(Request { command, reply })
        .map_err(|_| spawner_gone())?;
    answer.recv().map_err(|_| spawner_gone())?
}

/// As `Command::output`, of a child that is started by [`spawn`]; what it says on standard error goes where this says.
pub(crate) fn output(mut command: Command, stderr: Stdio, death_signal: Signal) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    spawn(command, death_signal)?.wait_with_output()
}

fn sender() -> io::Result<mpsc::Sender<Request>> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(sender) = &*spawner {
        return Ok(sender.clone());
    }
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for Request { mut command, reply } in requests {
                // The asker waits for the answer, so it can only be gone with the whole process.
                let _ = reply.send(command.spawn());
            }
        })?;
    *spawner = Some(sender.clone());
    Ok(sender)
}

fn spawner_gone() -> io::Error {
    io::Error::other("the thread that starts child processes is gone")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::time::Duration;

    use super::*;
    use crate::procfs;

    /// Set for the copy of this test binary that is to be killed.
    const CHILD: &str = "QUAYMASTER_TESTKIT_CHILD";

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_command_says_comes_with_its_exit_code() {
        let told = output(shell("echo a; echo b >&2; exit 3"), Stdio::piped(), Signal::KILL).unwrap();
        assert_eq!((&*told.stdout, &*told.stderr), (&b"a\n"[..], &b"b\n"[..]));
        assert_eq!(told.status.code(), Some(3));
    }

    /// Not a test by itself: the process that the next test kills.
    #[test]
    #[ignore = "run by another test, in a process of its own"]
    fn child_that_is_to_be_killed() {
        if std::env::var_os(CHILD).is_some() {
            let waits = "echo; echo started $$ >&2; exec sleep 600";
            output(shell(waits), Stdio::inherit(), Signal::KILL).unwrap();
        }
    }

    #[test]
    fn a_command_whose_output_is_awaited_ends_with_the_process_that_waits() {
        let mut waiting = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spawn::tests::child_that_is_to_be_killed", "--ignored"])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
        let command = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("started ")?.parse().ok())
            .expect("the process ended before it started its command");
        assert!(procfs::is_running(command));
        waiting.kill().unwrap();
        waiting.wait().unwrap();
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            !procfs::is_running(command)
        });
        assert!(gone, "process {command} is left");
    }
}
