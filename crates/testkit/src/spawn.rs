//! Starting children that cannot outlive this process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
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
