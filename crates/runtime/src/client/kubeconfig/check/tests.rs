use super::*;

fn of(cluster: &str, context: &str, user: &str) -> Result<Option<Uri>, Fault> {
    whole(cluster, context, user).map(|(_, proxy)| proxy)
}

fn whole(cluster: &str, context: &str, user: &str) -> Result<(Config, Option<Uri>), Fault> {
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

/// The certificate of no authority; only its form matters here.
const PEM: &str = "words before\n-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";

#[test]
fn an_authority_without_a_certificate_is_a_fault_of_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let authority = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let cluster = format!(
            "{{server: 'https://api', certificate-authority: '{}'}}",
            path.display()
        );
        whole(&cluster, CONTEXT, "{}")
    };
    let key = PEM.replace("CERTIFICATE", "PRIVATE KEY");
    for nothing in ["", "hello", &key] {
        let fault = authority(nothing).unwrap_err();
        assert!(
            matches!(fault, Fault::NoCertificate { .. }) && fault.is_of_cluster(),
            "{fault}"
        );
    }
    let (config, _) = authority(&format!("{PEM}{PEM}")).unwrap();
    assert_eq!(config.root_cert, Some(vec![b"hello".to_vec(); 2]));

    let data = |data: &str| {
        let cluster = format!("{{server: 'https://api', certificate-authority-data: '{data}'}}");
        whole(&cluster, CONTEXT, "{}")
    };
    let fault = data("not base64!").unwrap_err();
    assert!(
        matches!(fault, Fault::Authority { .. }) && fault.to_string().contains("cluster k"),
        "{fault}"
    );
    assert_eq!(data("").unwrap().0.root_cert, None, "empty is not there");
}

#[test]
fn what_the_cluster_and_the_user_say_is_in_the_configuration() {
    let (config, proxy) = whole(
        "{server: 'https://api:6443', tls-server-name: other, insecure-skip-tls-verify: true, disable-compression: true}",
        CONTEXT,
        "{token: secret}",
    )
    .unwrap();
    assert_eq!(config.cluster_url, "https://api:6443/");
    assert_eq!(config.tls_server_name.as_deref(), Some("other"));
    assert!(config.accept_invalid_certs && config.disable_compression && proxy.is_none());
    let token = config.auth_info.token.unwrap();
    assert_eq!(token.expose_secret(), "secret");
    assert!(
        whole(CLUSTER, "{cluster: k}", "{token: secret}")
            .unwrap()
            .0
            .auth_info
            .token
            .is_none()
    );
}

#[test]
fn an_exec_command_is_told_of_the_cluster_only_where_it_asks() {
    for asks in [true, false] {
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Never, provideClusterInfo: {asks}}}}}"
        );
        let (config, _) = whole(CLUSTER, CONTEXT, &user).unwrap();
        let told = config.auth_info.exec.unwrap().cluster;
        let server = told.and_then(|cluster| cluster.server);
        assert_eq!(server.as_deref(), asks.then_some("https://api:6443"));
    }
}

#[test]
fn a_current_context_has_to_be_there() {
    let of = |text: &str| {
        let text = format!("apiVersion: v1\nkind: Config\n{text}");
        check(&Kubeconfig::from_yaml(&text).unwrap()).unwrap_err()
    };
    assert_eq!(of(""), Fault::NoContext);
    let context = "gone".to_owned();
    assert_eq!(of("current-context: gone\n"), Fault::UnknownContext { context });
    let cluster = "k".to_owned();
    assert_eq!(
        whole("{}", CONTEXT, "{}").unwrap_err(),
        Fault::NoServer { cluster }
    );
}
