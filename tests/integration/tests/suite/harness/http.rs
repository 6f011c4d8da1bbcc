//! Plain HTTP on loopback, for the binary's health and metrics and for servers that pretend.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::SOON;

/// Status and body of a GET, or `None` when nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    tokio::time::timeout(SOON, ask(port, path)).await.ok()?.ok()
}

async fn ask(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// A port that nobody listens on at this moment, and that no connection or listener of another test gets by chance.
pub(crate) fn free_port() -> u16 {
    quaymaster_testkit::ports::free().expect("loopback has free ports")
}

/// A server that gives each request the same answer, on the port it returns. It ends with the runtime.
pub(crate) async fn serve(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}
