use super::*;

fn of(cluster: &str, context: &str, user: &str) -> Result<Option<Uri>, Fault> {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {context}}}]\n\
         clusters: [{{name: k, cluster: {cluster}}}]\n\
         users: [{{name: u, user: {user}}}]\n"
    );
    check(&Kubeconfig::from_yaml(&text).unwrap())
}

const CLUSTER: &str = "{server: 'https://api:6443'}";
const CONTEXT: &str = "{cluster: k, user: u}";

#[test]
fn addresses_need_scheme_host_and_a_port_that_is_one() {
    for server in [
        "127.0.0.1:6443",
        "api",
        "ftp://api:6443",
        "https://:6443",
        "https://api:99999",
        "https://api:x",
        "https://",
        "/path",
        "",
    ] {
        let fault = of(&format!("{{server: '{server}'}}"), CONTEXT, "{}").unwrap_err();
        assert!(matches!(fault, Fault::Server { .. }), "{server}: {fault}");
        assert!(fault.to_string().contains("server of cluster k"), "{fault}");
    }
    for server in [
        "https://api",
        "http://127.0.0.1:8080",
        "HTTPS://API:6443/base",
        "https://[::1]:6443",
        "https://[::1]",
    ] {
        assert_eq!(
            of(&format!("{{server: '{server}'}}"), CONTEXT, "{}"),
            Ok(None),
            "{server}"
        );
    }
}

#[test]
fn a_token_that_no_header_can_hold_is_a_fault_that_does_not_show_it() {
    for (token, found) in [
        (r"secret\n", "line break"),
        (r"secret\r\n", "line break"),
        (r"sec\x01ret", "control character"),
    ] {
        let fault = of(CLUSTER, CONTEXT, &format!("{{token: \"{token}\"}}")).unwrap_err();
        let text = fault.to_string();
        assert!(text.contains("token of user u") && text.contains(found), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(of(CLUSTER, CONTEXT, "{token: secret}"), Ok(None));
}

#[test]
fn a_user_or_cluster_that_the_context_names_has_to_be_there() {
    let text = |context| of(CLUSTER, context, "{}").unwrap_err().to_string();
    assert_eq!(
        text("{cluster: k, user: w}"),
        "context c names user w, which the file lacks"
    );
    assert_eq!(
        text("{cluster: x, user: u}"),
        "context c names cluster x, which the file lacks"
    );
    for nobody in ["{cluster: k}", "{cluster: k, user: ''}"] {
        assert_eq!(of(CLUSTER, nobody, "{}"), Ok(None), "{nobody}");
    }
}

#[test]
fn the_kubeconfigs_own_proxy_is_given_and_one_that_cannot_be_used_is_a_fault() {
    let with = |url| {
        of(
            &format!("{{server: 'https://127.0.0.1:1', proxy-url: '{url}'}}"),
            CONTEXT,
            "{}",
        )
    };
    assert_eq!(
        with("http://proxy:1"),
        Ok(Some("http://proxy:1".parse().unwrap()))
    );
    assert_eq!(with(""), Ok(None));
    let text = with("socks5://user:secret@proxy:1").unwrap_err().to_string();
    assert!(
        text.contains("proxy-url of cluster k") && !text.contains("secret"),
        "{text}"
    );
}
