use super::*;

fn pods() -> Source {
    Source::new("pods", "/api/v1/pods")
}

#[test]
fn a_list_asks_for_a_page_of_the_most_recent_state_and_escapes_its_token() {
    let request = pods()
        .list_request("application/json", 500, Some("a+b/c="))
        .unwrap();
    assert_eq!(request.uri(), "/api/v1/pods?limit=500&continue=a%2Bb%2Fc%3D");
    assert_eq!(request.headers()[ACCEPT], "application/json");
    assert_eq!(request.headers()[ACCEPT_ENCODING], "identity");
}

#[test]
fn a_resumed_watch_names_its_version_and_a_first_one_asks_for_initial_events() {
    let version = ResourceVersion::parse("42").unwrap();
    let resumed = pods()
        .watch_request("x", Begin::After(&version), Duration::from_secs(290))
        .unwrap();
    assert_eq!(
        resumed.uri(),
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=42"
    );
    let first = pods()
        .watch_request("x", Begin::Initial, Duration::from_millis(10))
        .unwrap();
    assert_eq!(
        first.uri(),
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan"
    );
}

#[test]
fn selectors_are_part_of_every_request() {
    let source = pods().labels("app in (a,b)").fields("status.phase!=Failed");
    let selectors = "labelSelector=app%20in%20%28a%2Cb%29&fieldSelector=status.phase%21%3DFailed";
    let list = source.list_request("x", 1, None).unwrap();
    assert_eq!(
        list.uri().to_string(),
        format!("/api/v1/pods?{selectors}&limit=1")
    );
    let watch = source
        .watch_request("x", Begin::Initial, Duration::from_secs(9))
        .unwrap();
    assert!(
        watch
            .uri()
            .to_string()
            .starts_with(&format!("/api/v1/pods?{selectors}&watch=true"))
    );
}
