//! What decides.

use std::fmt;
use std::pin::Pin;

use crate::response::Response;
use crate::review::Request;

/// What decides on requests.
pub trait Admission: Send + Sync + 'static {
    /// The paths that are served. Reviews that come for another are answered with 404, which the apiserver treats
    /// by the webhook's `failurePolicy`.
    fn paths(&self) -> &'static [&'static str];

    /// Decides on a request that came for `path`, one of [`Admission::paths`].
    ///
    /// Called on a worker thread of the runtime, so it must not wait for anything but short locks; what has to wait
    /// is [`Outcome::Later`]. A request may come twice, with another uid each time: the apiserver repeats updates
    /// that met a conflict, and may reinvoke mutating webhooks.
    fn review(&self, path: &'static str, request: &Request<'_>) -> Outcome;
}

/// A decision, or the way to it.
pub enum Outcome {
    /// Decided. Costs nothing over the [`Response`].
    Ready(Response),
    /// Decided when this ends. It owns what it needs of the request.
    ///
    /// It is dropped at its next point of waiting when the apiserver gives up, which closes the connection, and
    /// when the server stops; at the latest after [`Settings::review_timeout`](crate::Settings::review_timeout).
    /// [`Request::timeout`] says how long the apiserver waits.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Outcome {
    /// An outcome that takes its time.
    pub fn later(decision: impl Future<Output = Response> + Send + 'static) -> Self {
        Self::Later(Box::pin(decision))
    }
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self::Ready(response)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(response) => f.debug_tuple("Ready").field(response).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
