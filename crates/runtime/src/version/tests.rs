use super::*;

fn parse(major: &str, minor: &str) -> Option<ServerVersion> {
    ServerVersion::parse(format!(r#"{{"major":"{major}","minor":"{minor}","gitVersion":"v1.x"}}"#).as_bytes())
}

#[test]
fn versions_are_judged_by_the_supported_range() {
    let table = [
        ("1", "32", None),
        ("0", "99", None),
        ("1", "33", Some(Support::Tested)),
        ("1", "33+", Some(Support::Tested)),
        ("1", "37", Some(Support::Tested)),
        ("1", "38", Some(Support::Newer)),
        ("2", "0", Some(Support::Newer)),
    ];
    for (major, minor, expected) in table {
        assert_eq!(
            parse(major, minor).unwrap().support().ok(),
            expected,
            "{major}.{minor}"
        );
    }
}

#[test]
fn an_old_version_is_refused_in_one_clear_line() {
    let body = br#"{"major":"1","minor":"31","gitVersion":"v1.31.4"}"#;
    let refusal = ServerVersion::parse(body).unwrap().support().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the apiserver is Kubernetes v1.31.4, older than 1.33, the oldest supported version: upgrade the cluster"
    );
}

#[test]
fn what_is_not_a_version_is_not_taken_for_one() {
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"major":1,"minor":33}"#,
        r#"{"major":"1","minor":"+"}"#,
        "[]",
    ] {
        assert_eq!(ServerVersion::parse(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn a_missing_git_version_is_made_from_the_numbers() {
    let version = ServerVersion::parse(br#"{"major":"1","minor":"36+"}"#).unwrap();
    assert_eq!(version.git_version, "v1.36");
}
