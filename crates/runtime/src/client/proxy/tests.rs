use super::*;

const PROXY: &str = "http://proxy.example:3128";

fn chosen(server: &str, variables: &[(&str, &str)]) -> Result<Option<Uri>, ConnectError> {
    of_environment(&server.parse().unwrap(), |name| {
        let (_, value) = variables.iter().find(|(set, _)| *set == name)?;
        Some((*value).to_owned())
    })
}

fn is_proxied(server: &str, exceptions: &str) -> bool {
    chosen(server, &[("HTTPS_PROXY", PROXY), ("NO_PROXY", exceptions)])
        .unwrap()
        .is_some()
}

#[test]
fn the_variable_of_the_servers_scheme_counts_and_capitals_come_first() {
    let both = [
        ("HTTP_PROXY", "http://plain:1"),
        ("HTTPS_PROXY", "http://tls:2"),
        ("https_proxy", "http://small:3"),
    ];
    let named = |server, variables: &[(&str, &str)]| {
        chosen(server, variables)
            .unwrap()
            .map(|uri| Shown(&uri).to_string())
    };
    assert_eq!(named("https://api:6443", &both).as_deref(), Some("http://tls:2"));
    assert_eq!(named("http://api:6443", &both).as_deref(), Some("http://plain:1"));
    let small = [("HTTPS_PROXY", ""), ("https_proxy", "small:3")];
    assert_eq!(
        named("https://api:6443", &small).as_deref(),
        Some("http://small:3")
    );
    assert_eq!(named("https://api:6443", &[]), None);
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    for server in [
        "https://127.0.0.1:6443",
        "https://127.8.8.8:6443",
        "https://[::1]:6443",
        "https://localhost:6443",
    ] {
        assert!(!is_proxied(server, ""), "{server}");
    }
    assert!(is_proxied("https://api.example:6443", ""));
    assert!(is_proxied("https://localhost.example:6443", ""));
}

#[test]
fn no_proxy_is_compared_with_the_server_and_not_with_the_proxy() {
    assert!(is_proxied("https://api.example:6443", "proxy.example"));
    assert!(is_proxied("https://api.example:6443", "127.0.0.1,localhost"));
    assert!(!is_proxied(
        "https://api.example:6443",
        "127.0.0.1, API.example ,"
    ));
}

#[test]
fn entries_of_no_proxy_mean_what_they_mean_to_go() {
    for (server, entry, proxied) in [
        ("https://api.example:6443", "*", false),
        ("https://api.example:6443", "example", false),
        ("https://api.example:6443", ".example", false),
        ("https://api.example:6443", "*.example", false),
        ("https://api.example:6443", ".api.example", true),
        ("https://api.example:6443", "pi.example", true),
        ("https://api.example:6443", "api.example:6443", false),
        ("https://api.example:6443", "api.example:443", true),
        ("https://api.example", "api.example:443", false),
        ("https://10.0.0.1:6443", "10.0.0.0/8", false),
        ("https://10.0.0.1:6443", "10.0.0.1", false),
        ("https://10.0.0.1:6443", "10.0.0.1:6443", false),
        ("https://api.example:6443", "*api.example", true),
        ("https://api.example:6443", "*.api.example", true),
        ("https://api.example:6443", "api.example,", false),
        ("https://api.example:6443", "other,,", true),
        ("https://192.168.0.1:6443", "10.0.0.0/8", true),
        ("https://[fd00::1]:6443", "fd00::/8", false),
        ("https://[fd00::1]:6443", "fd00::1", false),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", false),
        ("https://[fd00::1]:6443", "fd00::2", true),
    ] {
        assert_eq!(is_proxied(server, entry), proxied, "{server} with {entry}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_with_the_variable_and_without_its_password() {
    for value in ["socks5://user:secret@proxy:1", "http://", "http://a b:secret@c"] {
        let line = chosen("https://api:6443", &[("https_proxy", value)])
            .unwrap_err()
            .line();
        assert!(
            line.contains("https_proxy") && line.contains("NO_PROXY"),
            "{line}"
        );
        assert!(!line.contains("secret"), "{line}");
        assert!(
            chosen("https://127.0.0.1:6443", &[("https_proxy", value)])
                .unwrap()
                .is_none()
        );
    }
    let uri = parse("http://user:secret@proxy:3128").unwrap();
    assert_eq!(Shown(&uri).to_string(), "http://proxy:3128");
}
