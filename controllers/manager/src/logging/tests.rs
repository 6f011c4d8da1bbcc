use quaymaster_testkit::logs::Lines;

use super::*;

/// What is logged at this level while a client of kube's fails to connect.
async fn logged(level: &str) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry()
        .with(filter(&super::level(level).unwrap()).unwrap())
        .with(tracing_subscriber::fmt::layer().with_writer(lines.clone()));
    let guard = lines.gather_by(subscriber);
    tracing::error!("ours");
    // Bound and closed again: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut config = kube::Config::new(format!("http://{free}").parse().unwrap());
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    assert!(client.apiserver_version().await.is_err(), "nothing answers");
    drop(guard);
    lines.text()
}

#[tokio::test]
async fn kubes_line_for_each_failed_connection_is_not_logged_unless_its_crate_is_named() {
    for level in ["info", "debug", "info,quaymaster=debug"] {
        let text = logged(level).await;
        assert!(text.contains("ours"), "{text}");
        assert!(!text.contains(NOISE), "{level}: {text}");
    }
    for level in [
        "info,kube_client=info",
        "error,kube_client::client=error",
        "kube_client=trace,error",
    ] {
        let text = logged(level).await;
        assert!(
            text.contains("ERROR") && text.contains(NOISE),
            "{level}: kube logs this from elsewhere now? {text}"
        );
    }
}

#[test]
fn of_kubes_lines_about_tls_only_the_one_that_is_said_at_each_connection_is_left_out() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry()
        .with(filter(&super::level("info").unwrap()).unwrap())
        .with(WithoutUnchecked)
        .with(tracing_subscriber::fmt::layer().with_writer(lines.clone()));
    let guard = lines.gather_by(subscriber);
    tracing::warn!(target: "kube_client::client::tls::rustls_tls", "Server cert bypassed");
    tracing::warn!(target: "kube_client::client::tls::rustls_tls", path = "ca", "failed to reload CA bundle");
    tracing::warn!("Server cert bypassed, by another");
    drop(guard);
    let text = lines.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("reload") && text.contains("by another"), "{text}");
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    assert!(is_coloured(true, None));
    assert!(is_coloured(true, Some(OsStr::new(""))));
    assert!(!is_coloured(true, Some(OsStr::new("1"))));
    assert!(!is_coloured(false, None));
}

/// Whether this process is the one that [`a_panic_is_a_log_line_like_others`] starts.
const CHILD: &str = "QUAYMASTER_TEST_PANICS";

#[test]
fn a_panic_is_a_log_line_like_others() {
    for (level, event) in [("error", true), ("off", false)] {
        let output = std::process::Command::new(env::current_exe().unwrap())
            .args(["--exact", "logging::tests::panics", "--nocapture"])
            .env(CHILD, level)
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(text.starts_with('{'), event, "{text}");
        let rest = if event {
            r#""level":"ERROR","message":"panicked at"#
        } else {
            "quaymaster: thread somebody panicked at"
        };
        assert!(text.contains(rest) && text.contains("somebody"), "{text}");
        assert!(
            text.contains("tests.rs:") && text.contains(": no more of 3"),
            "{text}"
        );
    }
}

#[test]
fn panics() {
    let Ok(level) = env::var(CHILD) else {
        return;
    };
    let flags = LoggingFlags {
        log_format: Format::Json,
        log_level: super::level(&level).unwrap(),
    };
    start(&flags).unwrap();
    let three = 3;
    let panicking = std::thread::Builder::new()
        .name("somebody".to_owned())
        .spawn(move || panic!("no more of {three}"));
    assert!(panicking.unwrap().join().is_err());
}
