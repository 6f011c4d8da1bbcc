use std::io::{self, Write as _};

use super::cause::{find_cause, root_cause};
use super::*;
use crate::scripted::{self, Step};
use crate::version::discover_version;

const SERVER: &str = "https://api.example";
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn agent() -> UserAgent {
    UserAgent {
        version: "0.1.0".into(),
        controller: "endpointslice".into(),
        holder: "pod-1".into(),
    }
}

fn kubeconfig(server: &str, user: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: u, user: {user}}}]\n"
    )
    .unwrap();
    file
}

async fn connect(server: &str, user: &str) -> Result<crate::version::ServerVersion, ConnectError> {
    let file = kubeconfig(server, user);
    let connection = Connection::load(&Source::Kubeconfig(file.path().to_owned()))?;
    let client = connection.client(&agent())?;
    discover_version(&client, &connection.server(), SECOND * 30).await
}

async fn answer(step: Step) -> Result<crate::version::ServerVersion, ConnectError> {
    let (client, _) = scripted::client([step]);
    discover_version(&client, SERVER, SECOND).await
}

fn is_one_line(error: &ConnectError) -> String {
    let line = error.line();
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
    line
}

#[tokio::test]
async fn the_version_is_read() {
    let version = answer(Step::ok(r#"{"major":"1","minor":"37","gitVersion":"v1.37.1"}"#))
        .await
        .unwrap();
    assert_eq!(
        (version.major, version.minor, version.git_version.as_str()),
        (1, 37, "v1.37.1")
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart_and_only_some_may_heal() {
    let table = [
        (
            Step::Answer(401, vec![], String::new()),
            "does not accept the credentials (401",
            false,
        ),
        (
            Step::Answer(403, vec![], String::new()),
            "forbids reading /version (403",
            true,
        ),
        (
            Step::Answer(404, vec![], String::new()),
            "is not a Kubernetes apiserver",
            false,
        ),
        (
            Step::Answer(429, vec![], String::new()),
            "answered /version with status 429",
            true,
        ),
        (
            Step::Answer(503, vec![], String::new()),
            "answered /version with status 503",
            true,
        ),
        (
            Step::ok("<html>welcome</html>"),
            "is not a Kubernetes apiserver",
            false,
        ),
        (Step::Hang, "did not answer within 1 s", true),
    ];
    for (step, expected, may_heal) in table {
        let error = answer(step).await.unwrap_err();
        let line = is_one_line(&error);
        assert!(line.contains(expected) && line.contains(SERVER), "{line}");
        assert_eq!(error.may_heal(), may_heal, "{line}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let path = PathBuf::from("/nonexistent/kubeconfig");
    let error = Connection::load(&Source::Kubeconfig(path)).unwrap_err();
    assert_eq!(
        is_one_line(&error),
        "cannot read the kubeconfig /nonexistent/kubeconfig: No such file or directory (os error 2) \
         (check --kubeconfig or $KUBECONFIG and the file's permissions)"
    );
    assert!(!error.may_heal());
}

#[tokio::test]
async fn a_kubeconfig_that_makes_no_sense_is_one_line_too() {
    for text in [
        "{",
        "[1, 2]",
        "apiVersion: v1\nkind: Config\n",
        "current-context: c\ncontexts: []\n",
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let error = Connection::load(&Source::Kubeconfig(file.path().to_owned())).unwrap_err();
        assert!(
            matches!(error, ConnectError::KubeconfigInvalid { .. }),
            "{text}: {error:?}"
        );
        assert!(is_one_line(&error).contains(&file.path().display().to_string()));
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_none_is_an_error_of_the_credentials() {
    let user = "{client-certificate-data: aGVsbG8=, client-key-data: aGVsbG8=}";
    let error = connect("https://127.0.0.1:1", user).await.unwrap_err();
    assert!(matches!(error, ConnectError::Credentials { .. }), "{error:?}");
    is_one_line(&error);
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_may_heal() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(&format!("https://{address}"), "{}").await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.may_heal());
    let line = is_one_line(&error);
    let expected =
        format!("cannot reach the apiserver at https://{address}: Connection refused (os error 111)");
    assert!(line.starts_with(&expected), "{line}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_server_and_named_without_its_password_when_it_refuses() {
    let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let (address, heads) = scripted::raw_server(Some(answer)).await;
    let server = format!("https://api.example:6443', proxy-url: 'http://joe:secret@{address}");
    let file = kubeconfig(&server, "{}");
    let connection = Connection::load(&Source::Kubeconfig(file.path().to_owned())).unwrap();
    let client = connection.client(&agent()).unwrap();
    let error = discover_version(&client, &connection.server(), SECOND * 30)
        .await
        .unwrap_err();
    let error = connection.explain(error);
    let line = is_one_line(&error);
    let expected = format!(
        "cannot reach the apiserver at https://api.example:6443 through the proxy http://{address}: "
    );
    assert!(line.starts_with(&expected) && error.may_heal(), "{line}");
    let heads = heads.lock().unwrap();
    assert!(heads[0].starts_with("CONNECT api.example:6443 "), "{}", heads[0]);
    assert!(
        heads[0].to_lowercase().contains("proxy-authorization: basic "),
        "{}",
        heads[0]
    );
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_tls_failure() {
    let (address, _) = scripted::raw_server(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let error = connect(&format!("https://{address}"), "{}").await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert!(is_one_line(&error).starts_with(&format!(
        "no TLS connection to the apiserver at https://{address}: "
    )));
}

#[tokio::test]
async fn plain_http_to_a_port_for_tls_is_told_with_what_to_change() {
    let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let (address, _) = scripted::raw_server(Some(answer)).await;
    let error = connect(&format!("http://{address}"), "{}").await.unwrap_err();
    assert!(matches!(error, ConnectError::PlainHttp { .. }), "{error:?}");
    let line = is_one_line(&error);
    assert!(
        line.contains(&format!("http://{address}")) && line.contains("write https://"),
        "{line}"
    );
    assert!(!error.may_heal());
}

#[test]
fn advice_about_tls_names_the_setting_that_is_to_be_changed() {
    use rustls::CertificateError as Fault;

    let given = TlsSettings {
        in_pod: false,
        authority: true,
        server_name: true,
    };
    let defaults = TlsSettings::default();
    let in_pod = TlsSettings {
        in_pod: true,
        ..defaults
    };
    for (fault, settings, expected) in [
        (Fault::NotValidForName, given, "tls-server-name of that cluster"),
        (Fault::NotValidForName, defaults, "server of that cluster"),
        (
            Fault::UnknownIssuer,
            given,
            "certificate-authority, or certificate-authority-data,",
        ),
        (
            Fault::BadSignature,
            given,
            "certificate-authority, or certificate-authority-data,",
        ),
        (Fault::UnknownIssuer, defaults, "has no certificate-authority"),
        (
            Fault::UnknownIssuer,
            in_pod,
            "ca.crt of the Pod's service account",
        ),
        (Fault::Expired, given, "renew the apiserver's certificate"),
    ] {
        let error = rustls::Error::InvalidCertificate(fault.clone());
        let hint = tls::hint(&error, settings);
        assert!(hint.contains(expected), "{fault:?}: {hint}");
    }
}

#[tokio::test]
async fn requests_say_who_sends_them_and_are_not_repeated() {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let (address, heads) = scripted::raw_server(Some(answer)).await;
    let error = connect(&format!("http://{address}"), "{token: secret}")
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Refused { code: 503, .. }),
        "{error:?}"
    );
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 1, "503 must not be retried below the caller");
    let head = &heads[0];
    assert!(
        head.contains("user-agent: quaymaster/0.1.0 (endpointslice; holder=pod-1)\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Bearer secret\r\n"), "{head}");
    assert!(!is_one_line(&error).contains("secret"));
}

#[test]
fn a_holder_that_may_not_stand_in_a_header_is_made_to() {
    let agent = UserAgent {
        holder: "böse\r\nx: y".into(),
        ..agent()
    };
    assert_eq!(
        agent.header(),
        "quaymaster/0.1.0 (endpointslice; holder=b_se__x: y)"
    );
}

#[test]
fn the_innermost_cause_is_found_through_io_errors() {
    let inner = rustls::Error::General("why".to_owned());
    let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
    assert_eq!(
        find_cause::<rustls::Error>(&error),
        Some(&rustls::Error::General("why".to_owned()))
    );
    assert_eq!(root_cause(&error).to_string(), "unexpected error: why");
}

#[tokio::test]
async fn what_is_no_apiserver_or_not_there_is_told_with_kubeconfig_context_and_cluster() {
    let (address, _) =
        scripted::raw_server(Some(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    for (address, words) in [
        (address, "is not a Kubernetes apiserver"),
        (nobody.to_string(), "cannot reach the apiserver"),
    ] {
        let file = kubeconfig(&format!("http://{address}"), "{}");
        let connection = Connection::load(&Source::Kubeconfig(file.path().to_owned())).unwrap();
        let client = connection.client(&agent()).unwrap();
        let error = discover_version(&client, &connection.server(), SECOND * 30)
            .await
            .unwrap_err();
        let line = is_one_line(&connection.explain(error));
        let origin = format!(
            "by the kubeconfig {}, context c, cluster k",
            file.path().display()
        );
        for part in [words, &*origin, &*address] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[tokio::test]
async fn who_may_not_read_the_version_is_told_by_the_apiservers_name_with_the_kubeconfigs_user_and_what_fits()
{
    for (name, said, hint) in [
        (
            "joe",
            " to joe (403 Forbidden)",
            "bind the ClusterRole system:public-info-viewer",
        ),
        (
            "system:anonymous",
            " to system:anonymous (403 Forbidden)",
            "give the user a token",
        ),
        ("a\\nb", "/version (403 Forbidden)", "bind the ClusterRole"),
    ] {
        let body = format!(
            r#"{{"kind":"Status","message":"forbidden: User \"{name}\" cannot get path \"/version\"","code":403}}"#
        );
        let length = body.len();
        let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {length}\r\n\r\n{body}");
        let (address, _) = scripted::raw_server(Some(answer.leak().as_bytes())).await;
        let file = kubeconfig(&format!("http://{address}"), "{}");
        let connection = Connection::load(&Source::Kubeconfig(file.path().to_owned())).unwrap();
        let client = connection.client(&agent()).unwrap();
        let error = discover_version(&client, &connection.server(), SECOND * 30)
            .await
            .unwrap_err();
        let line = is_one_line(&connection.explain(error));
        let origin = format!("by the kubeconfig {}, context c, user u", file.path().display());
        for part in [said, &*origin, hint] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
