//! Limits of one watch, with their reasons.

use std::time::Duration;

use crate::backoff::BackoffConfig;

/// How one watch behaves. The default suits every collection.
#[derive(Clone, Debug)]
pub struct Config {
    /// Objects in one page of a paged list. Halved by the driver where a page exceeds [`Config::max_page_bytes`].
    pub page_size: u32,
    /// The largest page that is held. It bounds the memory of a paged list.
    pub max_page_bytes: usize,
    /// The largest watch frame that is held; a larger one is skipped and counted as undecodable.
    pub max_frame_bytes: usize,
    /// Whether to try a streaming list (KEP-3157) first.
    pub prefer_streaming: bool,
    /// For one page, headers and body.
    pub page_limit: Duration,
    /// From a watch request to the headers of its response.
    pub start_limit: Duration,
    /// How long the server is asked to keep a watch open, at most; each watch asks for up to a tenth less.
    pub watch_timeout: Duration,
    /// How long a watch may outlive what was agreed before it is taken for dead.
    pub close_grace: Duration,
    /// The longest silence in an established watch.
    pub silence_limit: Duration,
    /// The longest silence before a streaming list is complete.
    pub initial_silence_limit: Duration,
    /// A watch that lived so long without one frame is not trusted: before it is resumed, the server's present
    /// version is asked for.
    pub doubt_after: Duration,
    /// Delays after failures.
    pub backoff: BackoffConfig,
}

/// The page size of client-go (kubernetes/client-go `tools/pager/pager.go`).
const PAGE_SIZE: u32 = 500;

/// 500 objects of half a megabyte. A usual page of Pods has 3 to 5 MB.
const MAX_PAGE_BYTES: usize = 256 << 20;

/// The apiserver accepts requests of 3 MB (kubernetes/apiserver `pkg/server/config.go`), etcd 1.5 MB; JSON written
/// from protobuf may be a few times larger.
const MAX_FRAME_BYTES: usize = 16 << 20;

/// The apiserver gives up other than watch requests after 60 s (`--request-timeout`).
const PAGE_LIMIT: Duration = Duration::from_mins(1);

/// A watch may wait a quarter of `--request-timeout` in the queue of priority and fairness, and some seconds until the
/// watch cache is fresh enough. Then its headers are sent at once.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Below the five minutes after which many load balancers cut a connection; `kube_runtime::watcher` uses the same.
const WATCH_TIMEOUT: Duration = Duration::from_secs(290);

/// Covers the way of the last bytes over a slow link, and a paused server.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

/// Bookmarks come about every minute (kubernetes/apiserver `pkg/storage/cacher`), unless nothing at all happened.
/// Two that did not come make the connection suspect; a reconnect costs little.
const SILENCE_LIMIT: Duration = Duration::from_secs(130);

/// Initial events come from the watch cache without pause, once it is fresh (3 s at most).
const INITIAL_SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// One interval of bookmarks.
const DOUBT_AFTER: Duration = Duration::from_mins(1);

impl Default for Config {
    fn default() -> Self {
        Self {
            page_size: PAGE_SIZE,
            max_page_bytes: MAX_PAGE_BYTES,
            max_frame_bytes: MAX_FRAME_BYTES,
            prefer_streaming: true,
            page_limit: PAGE_LIMIT,
            start_limit: START_LIMIT,
            watch_timeout: WATCH_TIMEOUT,
            close_grace: CLOSE_GRACE,
            silence_limit: SILENCE_LIMIT,
            initial_silence_limit: INITIAL_SILENCE_LIMIT,
            doubt_after: DOUBT_AFTER,
            backoff: BackoffConfig::default(),
        }
    }
}

/// Switches off what kube-client does behind its callers' backs: retries of its own.
///
/// With them a POST is repeated on 429, 503 and 504, so that one creation can make two objects, and one call can
/// take minutes (kube-rs/kube#2082). Watches and queues retry by their own rules, which know what was asked.
/// To be applied to every configuration from which a client is made.
#[must_use]
pub fn client_config(mut config: kube::Config) -> kube::Config {
    config.default_retry = false;
    config
}
