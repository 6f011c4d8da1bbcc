//! CPU time, to the nanosecond.

use std::io;
use std::time::Duration;

/// CPU time of all threads of another process since it began, also of those that have ended, to the nanosecond.
///
/// `/proc/PID/stat` counts in ticks of 10 ms, and `/proc/PID/task/*/schedstat` forgets threads that end.
pub(crate) fn time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a local variable of the right type, which outlives the call.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    read(clock)
}

/// CPU time of this thread since it began. On a busy machine, what others take in between does not count.
pub(crate) fn of_this_thread() -> io::Result<Duration> {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a local variable of the right type, which outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
    let nanoseconds = u32::try_from(time.tv_nsec).map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_threads_that_ended_counts() {
        let pid = std::process::id();
        let before = time(pid).unwrap();
        let spent = std::thread::spawn(|| {
            let spend = Duration::from_millis(50);
            let begun = of_this_thread().unwrap();
            let mut value = 0_u64;
            while of_this_thread().unwrap().saturating_sub(begun) < spend {
                value = std::hint::black_box(value + 1);
            }
            spend
        });
        let spent = spent.join().unwrap();
        assert!(time(pid).unwrap().saturating_sub(before) >= spent);
    }
}
