//! Servers that follow a script, for tests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Answers with status, headers and body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// Never answers.
    Hang,
}

impl Step {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer(200, Vec::new(), body.to_owned())
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The encoding that the answer is wanted in.
    pub(crate) accept: String,
    /// What the body is.
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// A client whose server, in this process and without sockets, follows a script; time may be paused. A request
/// beyond the script panics in the connection and gives an error that names it.
pub(crate) fn client(script: impl IntoIterator<Item = Step>) -> (kube::Client, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
    let log = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (log, script) = (Arc::clone(&log), Arc::clone(&script));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let header = |name| {
                let value: Option<&http::HeaderValue> = head.headers.get(name);
                value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
            };
            log.lock().unwrap().push(Seen {
                method: head.method.to_string(),
                path: head.uri.to_string(),
                accept: header(http::header::ACCEPT),
                content_type: header(http::header::CONTENT_TYPE),
                body: String::from_utf8(body.to_vec()).unwrap(),
            });
            let step = script.lock().unwrap().pop_front();
            match step.unwrap_or(Step::Answer(599, Vec::new(), "beyond the script".to_owned())) {
                Step::Hang => std::future::pending().await,
                Step::Answer(code, headers, body) => {
                    let mut response = Response::builder().status(StatusCode::from_u16(code).unwrap());
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                }
            }
        }
    });
    (kube::Client::new(service, "default"), seen)
}

/// A server on a loopback port that sends `answer` to each connection once it has read the end of a request's head,
/// and closes it; `None` closes at once. Returns its address and the heads it read.
pub(crate) async fn raw_server(answer: Option<&'static [u8]>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut byte = [0; 512];
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut byte).await {
                    Ok(n) if n > 0 => head.extend_from_slice(&byte[..n]),
                    _ => break,
                }
                // A TLS greeting has no such end.
                if head.first().is_some_and(|b| !b.is_ascii_alphabetic()) {
                    break;
                }
            }
            log.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&head).into_owned());
            if let Some(answer) = answer {
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (address, heads)
}
