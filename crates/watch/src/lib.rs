//! The list-and-watch driver: keeps a consumer level with one collection of an apiserver.
//!
//! It is generic over what is read. A [`Reader`] turns the bytes of a list page or of one watch frame into
//! records; [`Watch`] does the rest: streaming list with a fallback to paged lists, bookmarks, HTTP 410,
//! time limits, backoff, and it reports the result as [`Batch`]es over a bounded channel. It works on response
//! bytes, because `kube_runtime::watcher` decodes inside kube-client, where no other reader can be placed.
//!
//! # What a consumer gets
//!
//! A sequence of [`Item`]s: `Restart`, the objects of a list, `Synced`, then changes as they happen, until a new
//! `Restart`. An object that vanished while the watch was down is *not* reported as a deletion by the server;
//! it is the one that was not seen between `Restart` and `Synced`. A store that counts its `Restart`s, marks what it
//! sees with that number, and at `Synced` drops what bears another one, needs no second copy and no care for lists
//! that break half-way.
//!
//! # What need not be there
//!
//! Of an [optional](Source::optional) collection the consumer is told `Absent` while the server does not serve it, which is
//! as good as an empty list, and a `Restart` when it does. Of all others a 404 is a failure like any other: a server that
//! begins or ends may answer so of what it has.
//!
//! # What it survives
//!
//! Every request has a time limit, each watch has its own backoff and runs in its own task, one undecodable
//! object never stops the others, and memory is bounded by one page or one frame.
//!
//! # Example
//!
//! ```no_run
//! # use quaymaster_watch::{Batch, Config, Reader, Source, StreamingSupport, Watch, client_config};
//! # async fn example<R: Reader>(reader: R, config: kube::Config) -> Result<(), kube::Error>
//! # where R::Record: 'static {
//! let client = kube::Client::try_from(client_config(config))?;
//! let source = Source::new("pods", "/api/v1/pods");
//! let watch = Watch::new(client, source, reader, Config::default(), StreamingSupport::default());
//! let stats = watch.stats();
//! let (sender, mut batches) = tokio::sync::mpsc::channel(64);
//! let cancel = tokio_util::sync::CancellationToken::new();
//! tokio::spawn(watch.run(sender, |batch| batch, cancel));
//! while let Some(batch) = batches.recv().await {
//!     let _: Batch<R::Record> = batch;
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod batch;
mod config;
mod driver;
mod error;
mod frames;
mod source;
mod stats;

pub use backoff::{Backoff, BackoffConfig, FailureKind};
pub use batch::{Batch, Item};
pub use config::{Config, client_config};
pub use driver::{Ended, StreamingSupport, Watch};
pub use error::{Cause, Verb, WatchError};
pub use frames::{Cut, FrameSplitter};
pub use quaymaster_model::ResourceVersion;
pub use quaymaster_wire::{DecodeError, Frame, Framing, Gone, Page, Reader, Status, Unreadable};
pub use source::Source;
pub use stats::{Mode, Stats};
