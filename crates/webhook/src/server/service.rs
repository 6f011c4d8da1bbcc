//! One request.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use super::Shared;
use super::activity::{Activity, Phase};
use crate::admission::{Admission, Outcome};
use crate::review;

/// What is answered in place of a review; the apiserver treats it by the webhook's `failurePolicy`, and quotes the text.
struct Failure {
    status: StatusCode,
    /// For metrics.
    cause: &'static str,
    text: String,
    /// The rest of the request is not read, so nothing can follow it.
    close: bool,
}

impl Failure {
    fn new(status: StatusCode, cause: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            cause,
            text: text.into(),
            close: false,
        }
    }

    fn closing(status: StatusCode, cause: &'static str, text: impl Into<String>) -> Self {
        Self {
            close: true,
            ..Self::new(status, cause, text)
        }
    }
}

pub(super) async fn answer<A: Admission>(
    request: Request<Incoming>,
    shared: &Shared<A>,
    activity: &Activity,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _in_flight = shared.metrics.request();
    activity.enter(Phase::Body);
    let answered = reviewed(request, shared, activity).await;
    activity.enter(Phase::Response);
    let (mut response, close) = match answered {
        Ok(body) => {
            let mut response = Response::new(Full::from(body));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (response, false)
        }
        Err(failure) => {
            shared.metrics.failed(failure.cause);
            tracing::debug!(status = failure.status.as_u16(), failure.text, "no review");
            let mut response = Response::new(Full::from(failure.text));
            *response.status_mut() = failure.status;
            response.headers_mut().insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            (response, failure.close)
        }
    };
    if close || shared.shutdown.is_cancelled() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The body of the response.
async fn reviewed<A: Admission>(
    request: Request<Incoming>,
    shared: &Shared<A>,
    activity: &Activity,
) -> Result<Vec<u8>, Failure> {
    let path = request.uri().path();
    let known = shared.admission.paths().iter().find(|known| **known == path);
    let Some(&path) = known else {
        // What is not known is not read either.
        let text = format!("there is no webhook at {path:?}");
        return Err(Failure::closing(StatusCode::NOT_FOUND, "path", text));
    };
    if request.method() != Method::POST {
        let text = format!("admission reviews come by POST, not by {}", request.method());
        return Err(Failure::closing(StatusCode::METHOD_NOT_ALLOWED, "method", text));
    }
    let waits = waits(request.uri());
    let mut held = Held::new(&shared.held);
    let limit = shared.settings.read_timeout;
    let body = timeout(limit, read(request.into_body(), shared, &mut held))
        .await
        .map_err(|_| {
            let text = format!("the request did not come within {} s", limit.as_secs_f64());
            Failure::closing(StatusCode::REQUEST_TIMEOUT, "slow", text)
        })??;
    activity.enter(Phase::Review);
    let began = Instant::now();
    let mut review = review::Request::decode(&body)
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, "malformed", error.to_string()))?;
    review.timeout = waits;
    let response = match shared.admission.review(path, &review) {
        Outcome::Ready(response) => response,
        Outcome::Later(decision) => {
            let limit = shared.settings.review_timeout;
            timeout(limit, decision).await.map_err(|_| {
                let text = format!("no decision within {} s", limit.as_secs_f64());
                Failure::new(StatusCode::GATEWAY_TIMEOUT, "late", text)
            })?
        }
    };
    let encoded = response.encode(&review.uid);
    shared.metrics.answered(path, &response, began.elapsed());
    Ok(encoded)
}

/// The whole body, and no more than may be.
async fn read<A>(mut body: Incoming, shared: &Shared<A>, held: &mut Held<'_>) -> Result<Bytes, Failure> {
    let max = shared.settings.max_body;
    let declared = body.size_hint().lower();
    if declared > max as u64 {
        if declared <= 2 * max as u64 {
            discard(body, 2 * max).await;
        }
        return Err(too_large(max));
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let text = format!("the body cannot be read: {error}");
            Failure::closing(StatusCode::BAD_REQUEST, "malformed", text)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if held.bytes + data.len() > max {
            discard(body, 2 * max).await;
            return Err(too_large(max));
        }
        if held.grow(data.len()) > shared.settings.max_bodies {
            let text = "too many requests are being read";
            return Err(Failure::closing(
                StatusCode::SERVICE_UNAVAILABLE,
                "overload",
                text,
            ));
        }
        // Most come in one piece, which is taken as it is.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                let rest = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(max);
                whole.reserve(first.len() + data.len() + rest);
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn too_large(max: usize) -> Failure {
    let text = format!("the body is larger than {max} bytes");
    Failure::closing(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
}

/// Takes what still comes, within reason: who is still sending when the connection is closed gets to see that in place of
/// the answer.
async fn discard(mut body: Incoming, mut most: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match most.checked_sub(bytes) {
            Some(left) => most = left,
            None => return,
        }
    }
}

/// Bytes of a body, counted among those of all requests as long as it lives.
struct Held<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Held<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        Self { all, bytes: 0 }
    }

    /// The bytes of all requests with these.
    fn grow(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How long the apiserver waits, which it says in whole seconds of at most 30
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go`).
fn waits(uri: &Uri) -> Option<Duration> {
    let value = uri
        .query()?
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="))?;
    value.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
