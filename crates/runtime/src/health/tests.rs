use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_ready_before_it_says_so() {
    let health = Health::default();
    let pods = health.condition("watch-pods");
    let nodes = health.condition("watch-nodes");
    pods.hold();
    let report = health.report(Scope::Ready);
    assert!(!report.passed());
    assert_eq!(
        report.verbose("readyz"),
        "[+]watch-pods ok\n[-]watch-nodes failed: not yet\nreadyz check failed\n"
    );
    nodes.hold();
    assert!(health.report(Scope::Ready).passed());
    nodes.fail("forbidden to list nodes");
    assert!(
        health
            .report(Scope::Ready)
            .verbose("readyz")
            .contains("forbidden to list nodes")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_may_well_be_alive() {
    let health = Health::default();
    let _pods = health.condition("watch-pods");
    assert!(health.report(Scope::Live).passed());
    assert!(!health.report(Scope::Ready).passed());
}

#[tokio::test(start_paused = true)]
async fn a_core_loop_that_stops_beating_is_neither_alive_nor_ready() {
    let health = Health::default();
    let heartbeat = health.heartbeat("core", Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(9)).await;
    heartbeat.beat();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(health.report(Scope::Live).passed());
    tokio::time::sleep(Duration::from_secs(2)).await;
    for scope in [Scope::Live, Scope::Ready] {
        let report = health.report(scope);
        assert!(!report.passed());
        assert!(
            report
                .verbose("livez")
                .starts_with("[-]core failed: no sign of life for 11 s")
        );
    }
    heartbeat.beat();
    assert!(health.report(Scope::Live).passed());
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_now_is_shown_beside_the_result_and_does_not_change_it() {
    let health = Health::default();
    let pods = health.condition("pods read");
    let trouble = Arc::new(Mutex::new(Some("forbidden".to_owned())));
    let asked = Arc::clone(&trouble);
    pods.trouble(move || lock(&asked).clone());
    let report = health.report(Scope::Ready);
    assert!(!report.passed());
    assert_eq!(
        report.verbose("readyz"),
        "[-]pods read failed: not yet; last error: forbidden\nreadyz check failed\n"
    );
    pods.hold();
    *lock(&trouble) = Some("connection refused".to_owned());
    let report = health.report(Scope::Ready);
    assert!(report.passed());
    assert!(
        report
            .verbose("readyz")
            .contains("[+]pods read ok; last error: connection refused\n")
    );
    pods.remark(|| Some("absent".to_owned()));
    let report = health.report(Scope::Ready).verbose("readyz");
    assert!(
        report.contains("[+]pods read ok; absent; last error: connection refused\n"),
        "{report}"
    );
    pods.remark(|| None);
    *lock(&trouble) = None;
    assert!(
        health
            .report(Scope::Ready)
            .verbose("readyz")
            .contains("[+]pods read ok\n")
    );
}
