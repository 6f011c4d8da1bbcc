//! An HTTP/1.1 server on loopback that answers by a script and notes every call that the script does not have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What a call must be to match a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The first page of a list.
    List,
    /// A later page, by its token.
    Page(String),
    /// A watch from this version.
    Watch(String),
    /// A watch with initial events.
    WatchList,
    /// A creation.
    Post,
}

pub(crate) fn watch(version: &str) -> Call {
    Call::Watch(version.to_owned())
}

pub(crate) fn page(token: &str) -> Call {
    Call::Page(token.to_owned())
}

#[derive(Clone)]
pub(crate) enum Reply {
    /// A whole response.
    Whole {
        code: u16,
        headers: String,
        body: String,
    },
    /// Headers of success, then parts of a chunked body.
    Stream(Vec<Part>),
    /// Never answers.
    Hang,
}

#[derive(Clone)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    Pause(Duration),
    /// The connection breaks.
    Cut,
    /// Stays open until the client leaves.
    Hold,
}

/// One request that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) call: Call,
    pub(crate) query: HashMap<String, String>,
    /// The header `Accept`.
    pub(crate) accept: String,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct State {
    steps: Vec<(Call, Reply)>,
    next: usize,
    /// Answered at any time and as often as asked: by path.
    always: Vec<(String, Call, Reply)>,
    /// Whether a step may be asked for again after its turn.
    repeats: bool,
    seen: Vec<Seen>,
    unexpected: Vec<String>,
    connections: usize,
}

pub(crate) struct Server {
    pub(crate) uri: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Every call must be the next step; [`Server::finish`] fails on any other, and on steps left over.
    pub(crate) async fn strict(steps: Vec<(Call, Reply)>) -> Self {
        Self::start(State {
            steps,
            ..State::default()
        })
        .await
    }

    /// Steps advance in order, but an earlier step is answered again when asked for again.
    pub(crate) async fn repeating(steps: Vec<(Call, Reply)>) -> Self {
        Self::start(State {
            steps,
            repeats: true,
            ..State::default()
        })
        .await
    }

    /// No order: each call of a path is answered whenever it comes.
    pub(crate) async fn always(always: Vec<(&str, Call, Reply)>) -> Self {
        let always = always
            .into_iter()
            .map(|(path, call, reply)| (path.to_owned(), call, reply))
            .collect();
        Self::start(State {
            always,
            ..State::default()
        })
        .await
    }

    async fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    state.lock().unwrap().connections += 1;
                    // An error means that the client has left.
                    let _ = serve(socket, &state).await;
                    state.lock().unwrap().connections -= 1;
                });
            }
        });
        Self { uri, state }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn count(&self, call: &Call) -> usize {
        self.seen().iter().filter(|seen| seen.call == *call).count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Fails on calls beyond the script and on calls that never came. Waits for the last ones.
    pub(crate) async fn finish(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            {
                let state = self.state.lock().unwrap();
                assert!(
                    state.unexpected.is_empty(),
                    "calls beyond the script: {:?}",
                    state.unexpected
                );
                if state.next == state.steps.len() {
                    break;
                }
                let missing: Vec<&Call> = state.steps[state.next..].iter().map(|(call, _)| call).collect();
                assert!(Instant::now() < deadline, "calls that never came: {missing:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // One more may be on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let state = self.state.lock().unwrap();
        assert!(
            state.unexpected.is_empty(),
            "calls beyond the script: {:?}",
            state.unexpected
        );
    }
}

impl State {
    fn answer(&mut self, seen: Seen) -> Reply {
        let (path, call) = (seen.path.clone(), seen.call.clone());
        self.seen.push(seen);
        if let Some((.., reply)) = self.always.iter().find(|rule| rule.0 == path && rule.1 == call) {
            return reply.clone();
        }
        match self.steps.get(self.next) {
            Some((expected, reply)) if *expected == call => {
                self.next += 1;
                return reply.clone();
            }
            _ => {}
        }
        if self.repeats {
            let earlier = self.steps[..self.next]
                .iter()
                .rev()
                .find(|(earlier, _)| *earlier == call);
            if let Some((_, reply)) = earlier {
                return reply.clone();
            }
        }
        self.unexpected.push(format!("{call:?} of {path}"));
        error(404, "NotFound", "not in the script")
    }
}

async fn serve(mut socket: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
        let raw = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |value| value.trim().parse().unwrap());
        while buffer.len() < head_end + length {
            socket.read_buf(&mut buffer).await?;
        }
        buffer.drain(..head_end + length);
        let reply = state.lock().unwrap().answer(parse(&raw));
        match reply {
            Reply::Whole { code, headers, body } => {
                let response = format!(
                    "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                    body.len()
                );
                socket.write_all(response.as_bytes()).await?;
            }
            Reply::Hang => return until_left(&mut socket).await,
            Reply::Stream(parts) => {
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
                socket.write_all(head.as_bytes()).await?;
                for part in parts {
                    match part {
                        Part::Bytes(bytes) => {
                            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                            chunk.extend(bytes);
                            chunk.extend(b"\r\n");
                            socket.write_all(&chunk).await?;
                            socket.flush().await?;
                        }
                        Part::Pause(time) => tokio::time::sleep(time).await,
                        Part::Cut => return Ok(()),
                        Part::Hold => return until_left(&mut socket).await,
                    }
                }
                socket.write_all(b"0\r\n\r\n").await?;
            }
        }
    }
}

async fn until_left(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut byte = [0];
    while socket.read(&mut byte).await? > 0 {}
    Ok(())
}

fn parse(head: &str) -> Seen {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: HashMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let call = if method == "POST" {
        Call::Post
    } else if query.contains_key("sendInitialEvents") {
        Call::WatchList
    } else if query.contains_key("watch") {
        Call::Watch(query.get("resourceVersion").cloned().unwrap_or_default())
    } else if let Some(token) = query.get("continue") {
        Call::Page(token.clone())
    } else {
        Call::List
    };
    let accept = head
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("accept"))
        })
        .map_or("", |(_, value)| value.trim());
    Seen {
        path: path.to_owned(),
        call,
        query,
        accept: accept.to_owned(),
        at: Instant::now(),
    }
}

/// A `Status` as the apiserver writes it.
pub(crate) fn error(code: u16, reason: &str, message: &str) -> Reply {
    Reply::Whole {
        code,
        headers: String::new(),
        body: status(code, reason, message),
    }
}

pub(crate) fn status(code: u16, reason: &str, message: &str) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}","reason":"{reason}","code":{code}}}"#
    )
}

pub(crate) fn gone() -> Reply {
    error(410, "Expired", "too old resource version: 10 (20)")
}
