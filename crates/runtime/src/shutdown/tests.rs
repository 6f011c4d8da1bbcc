use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use super::*;

/// Longer than a signal takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Set in the process that [`the_second_signal_ends_the_process_with_its_status_after_what_is_left_to_do`] starts.
const CHILD: &str = "QUAYMASTER_TEST_SIGNALS";

fn terminate_this_process() {
    let killed = Command::new("kill")
        .arg("-TERM")
        .arg(std::process::id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
}

#[tokio::test]
async fn the_first_signal_cancels_and_lets_the_process_live() {
    let token = on_signal(|| panic!("one signal is no haste")).unwrap();
    assert!(!token.is_cancelled());
    // This very process; it has a handler now, and the next line would not be reached without one.
    terminate_this_process();
    tokio::time::timeout(LIMIT, token.cancelled()).await.unwrap();
}

#[test]
fn the_second_signal_ends_the_process_with_its_status_after_what_is_left_to_do() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shutdown::tests::two_signals", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{text}");
    assert_eq!(text, "leaving\n");
}

#[tokio::test]
async fn two_signals() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let token = on_signal(|| io::stderr().write_all(b"leaving\n").unwrap()).unwrap();
    terminate_this_process();
    tokio::time::timeout(LIMIT, token.cancelled()).await.unwrap();
    terminate_this_process();
    tokio::time::sleep(LIMIT).await;
}
