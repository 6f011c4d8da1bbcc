//! One request: sent within its time limit, its answer sorted.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use quaymaster_wire::{Reader, Status};
use tokio::time::timeout;

use super::Driver;
use crate::batch::Batch;
use crate::error::Cause;

/// More of an error body is not read: the message is for a log line.
const MAX_ERROR_BYTES: usize = 64 << 10;

impl<R, M, W> Driver<R, M, W>
where
    R: Reader,
    M: Send,
    W: FnMut(Batch<R::Record>) -> M + Send,
{
    /// Sends a watch request; gives its open body.
    pub(super) async fn open(&mut self, request: Result<Request<Body>, http::Error>) -> Result<Body, Cause> {
        let limit = self.config.start_limit;
        within(limit, async {
            let response = self.send(request).await?;
            self.accept(response).await
        })
        .await
    }

    /// Sends a list request; gives the whole page.
    pub(super) async fn fetch(
        &mut self,
        request: Result<Request<Body>, http::Error>,
    ) -> Result<Vec<u8>, Cause> {
        let (limit, most) = (self.config.page_limit, self.config.max_page_bytes);
        within(limit, async {
            let response = self.send(request).await?;
            let body = self.accept(response).await?;
            collect(body, most)
                .await?
                .ok_or(Cause::PageTooLarge { limit: most })
        })
        .await
    }

    async fn send(&mut self, request: Result<Request<Body>, http::Error>) -> Result<Response<Body>, Cause> {
        let request = request.map_err(Cause::Invalid)?;
        self.client
            .send(request)
            .await
            .map_err(|error| Cause::Request(Box::new(error)))
    }

    async fn accept(&mut self, response: Response<Body>) -> Result<Body, Cause> {
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Ok(body);
        }
        // What matters is the code; a body that breaks off or is too long only costs the message.
        let text = collect(body, MAX_ERROR_BYTES)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        // A proxy answers with a page of its own.
        let mut status = Status::decode(&text).unwrap_or_else(|_| Status {
            reason: parts.status.canonical_reason().unwrap_or("unknown").into(),
            message: excerpt(&text).into(),
            ..Status::default()
        });
        status.code = parts.status.as_u16();
        status.retry_after = retry_after(&parts.headers).max(status.retry_after);
        Err(Cause::from_status(status))
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    timeout(limit, work)
        .await
        .unwrap_or(Err(Cause::TimedOut { limit }))
}

/// The whole body, or `None` where it is longer than `most` bytes.
async fn collect(mut body: Body, most: usize) -> Result<Option<Vec<u8>>, Cause> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Cause::Broken(Box::new(error)))?;
        if let Ok(data) = frame.into_data() {
            if data.len() > most - bytes.len() {
                return Ok(None);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Some(bytes))
}

/// The header in seconds; the apiserver does not send dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The first characters of a body that is no `Status`.
fn excerpt(text: &[u8]) -> String {
    const CHARACTERS: usize = 200;
    String::from_utf8_lossy(text)
        .trim()
        .chars()
        .take(CHARACTERS)
        .collect()
}
