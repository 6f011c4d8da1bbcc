use std::process::Command;
use std::time::Duration;

use super::*;

#[tokio::test]
async fn the_first_signal_cancels_and_lets_the_process_live() {
    let token = on_signal(|| ()).unwrap();
    assert!(!token.is_cancelled());
    // This very process; it has a handler now, and the next line would not be reached without one.
    let killed = Command::new("kill")
        .arg("-TERM")
        .arg(std::process::id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    tokio::time::timeout(Duration::from_secs(10), token.cancelled())
        .await
        .unwrap();
}
