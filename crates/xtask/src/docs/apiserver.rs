//! A pretended apiserver with one Service, which refuses the first slice and takes the second.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

/// Writes so far.
static WRITES: AtomicUsize = AtomicUsize::new(0);

/// Answers one request and closes the connection.
pub(super) fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (code, body) = reply(request.trim(), &body);
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {code} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn reply(request: &str, body: &[u8]) -> (u16, Value) {
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match (method, path) {
        ("GET", "/version") => (
            200,
            json!({ "major": "1", "minor": "37", "gitVersion": "v1.37.0" }),
        ),
        // Lists are given in one page; watches and streaming lists are refused.
        ("GET", _) if query.contains("watch=") => status(400, "BadRequest"),
        ("GET", "/api/v1/services") => (200, list(&[service()])),
        ("GET", _) => (200, list(&[])),
        ("POST", path) if path.ends_with("/endpointslices") => {
            if WRITES.fetch_add(1, Ordering::Relaxed) == 0 {
                return status(500, "InternalError");
            }
            let mut slice: Value = serde_json::from_slice(body).unwrap_or_default();
            slice["metadata"]["uid"] = json!("b");
            slice["metadata"]["resourceVersion"] = json!("3");
            (201, slice)
        }
        _ => status(403, "Forbidden"),
    }
}

fn list(items: &[Value]) -> Value {
    json!({ "metadata": { "resourceVersion": "2" }, "items": items })
}

fn service() -> Value {
    json!({
        "metadata": { "name": "a", "namespace": "default", "uid": "a", "resourceVersion": "1" },
        "spec": {
            "selector": { "app": "a" },
            "clusterIP": "10.0.0.1",
            "ipFamilies": ["IPv4"],
            "trafficDistribution": "PreferClose",
            "ports": [{ "port": 80, "targetPort": 80, "protocol": "TCP" }],
        },
    })
}

fn status(code: u16, reason: &str) -> (u16, Value) {
    let status =
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason });
    (code, status)
}
