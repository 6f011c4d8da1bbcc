//! Watches: resumed ones, and those that begin with a streaming list.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::{Duration, Instant, timeout_at};

use super::{Driver, LAG_ATTEMPTS, Outcome, ReceiverGone};
use crate::batch::{Batch, Item};
use crate::error::{Cause, Verb, chain, shortened};
use crate::frames::{Cut, FrameSplitter};
use crate::source::Begin;
use crate::stats::Mode;
use quaymaster_model::ResourceVersion;
use quaymaster_wire::{Frame, Reader, Unreadable};

/// A stream that ends sooner, and without a frame, has failed. Otherwise a server or proxy that closes every watch at once
/// would be asked again without pause (as in kubernetes/client-go `tools/cache/reflector.go`).
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// An open watch.
struct Stream {
    splitter: FrameSplitter,
    /// Where to resume; `None` until a streaming list is complete.
    position: Option<ResourceVersion>,
    /// Whether a streaming list is under way.
    initial: bool,
    frames: u64,
    /// What the server said when it gave the watch up, or what makes it useless.
    fault: Option<Cause>,
    opened: Instant,
    deadline: Instant,
}

impl<R, M, W> Driver<R, M, W>
where
    R: Reader,
    M: Send,
    W: FnMut(Batch<R::Record>) -> M + Send,
{
    /// A watch from a version on.
    pub(super) async fn resume(&mut self, position: ResourceVersion) -> Result<Outcome, ReceiverGone> {
        let timeout = self.agreed_timeout();
        let request = self
            .source
            .watch_request(R::ACCEPT, Begin::After(&position), timeout);
        match self.open(request).await {
            Ok(body) => {
                let mut stream = self.opened(timeout, Some(position));
                let end = self.follow(&mut stream, body).await?;
                Ok(self.closed(stream, end).await)
            }
            Err(cause @ Cause::Expired(_)) if self.expiry.is_due(Instant::now()) => {
                Ok(Outcome::Stale(self.error(Verb::Watch, cause)))
            }
            Err(cause) => {
                let lagging = matches!(cause, Cause::VersionTooLarge(_));
                self.lags = if lagging { self.lags + 1 } else { 0 };
                let never_issued = cause.is_unknown_version() || self.lags >= LAG_ATTEMPTS;
                self.history_lost |= never_issued;
                let list = cause.demands_list() || never_issued;
                let position = (!list).then_some(position);
                Ok(Outcome::Failed {
                    position,
                    error: self.error(Verb::Watch, cause),
                })
            }
        }
    }

    /// A streaming list, and the watch that it goes over into.
    pub(super) async fn list_by_stream(&mut self) -> Result<Outcome, ReceiverGone> {
        let timeout = self.agreed_timeout();
        let request = self.source.watch_request(R::ACCEPT, Begin::Initial, timeout);
        match self.open(request).await {
            Ok(body) => {
                let mut stream = self.opened(timeout, None);
                self.begin_list(Mode::Streaming);
                let end = self.follow(&mut stream, body).await?;
                if stream.initial {
                    self.broken_lists += 1;
                }
                Ok(self.closed(stream, end).await)
            }
            Err(cause) if cause.may_reject_streaming() => {
                if cause.rejects_streaming() {
                    self.streaming.refuse();
                }
                self.refused = true;
                Ok(Outcome::Refused(self.error(Verb::Watch, cause)))
            }
            Err(cause) => {
                if matches!(cause, Cause::TimedOut { .. }) {
                    self.broken_lists += 1;
                }
                Ok(Outcome::Failed {
                    position: None,
                    error: self.error(Verb::Watch, cause),
                })
            }
        }
    }

    /// Spread over a tenth, so that watches opened together are not all renewed together.
    fn agreed_timeout(&self) -> Duration {
        let longest = self.config.watch_timeout;
        longest.mul_f64(1.0 - 0.1 * rand::random::<f64>())
    }

    fn opened(&mut self, timeout: Duration, position: Option<ResourceVersion>) -> Stream {
        self.stats.stream_opened();
        self.lags = 0;
        let opened = Instant::now();
        Stream {
            splitter: FrameSplitter::new(R::FRAMING, self.config.max_frame_bytes),
            initial: position.is_none(),
            position,
            frames: 0,
            fault: None,
            opened,
            deadline: opened + timeout + self.config.close_grace,
        }
    }

    /// Delivers what the stream brings until it ends; `Ok(None)` is an end in order.
    async fn follow(&mut self, stream: &mut Stream, mut body: Body) -> Result<Option<Cause>, ReceiverGone> {
        loop {
            match self.next_chunk(stream, &mut body).await {
                Ok(Some(chunk)) => {
                    self.decode(stream, &chunk);
                    self.deliver().await?;
                    if stream.position.is_some() {
                        self.stats.synced();
                    }
                    if let Some(fault) = stream.fault.take() {
                        return Ok(Some(fault));
                    }
                }
                Ok(None) => return Ok(stream.splitter.is_inside_frame().then_some(Cause::CutFrame)),
                Err(cause) => return Ok(Some(cause)),
            }
        }
    }

    async fn next_chunk(&mut self, stream: &Stream, body: &mut Body) -> Result<Option<Bytes>, Cause> {
        // Counted from here: time spent waiting for the consumer is not the server's silence.
        let limit = if stream.initial {
            self.config.initial_silence_limit
        } else {
            self.config.silence_limit
        };
        let until = stream.deadline.min(Instant::now() + limit);
        loop {
            return match timeout_at(until, body.frame()).await {
                Err(_) if until == stream.deadline => Err(Cause::Overdue {
                    grace: self.config.close_grace,
                }),
                Err(_) => Err(Cause::Silent { limit }),
                Ok(None) => Ok(None),
                Ok(Some(Err(error))) => Err(Cause::Broken(Box::new(error))),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Ok(Some(data)),
                    // Trailers mean nothing to a watch.
                    Err(_) => continue,
                },
            };
        }
    }

    fn decode(&mut self, stream: &mut Stream, chunk: &[u8]) {
        let Self {
            reader,
            items,
            stats,
            report,
            broken_lists,
            told,
            expiry,
            history_lost,
            ..
        } = self;
        let Stream {
            splitter,
            position,
            initial,
            frames,
            fault,
            ..
        } = stream;
        let mut objects = 0;
        splitter.push(chunk, |frame| {
            *frames += 1;
            if fault.is_some() {
                return;
            }
            let frame = match frame {
                Cut::Whole(frame) => frame,
                Cut::TooLarge { bytes } => {
                    stats.undecodable();
                    report.frame_too_large(bytes);
                    return;
                }
            };
            let reached = match reader.frame(frame) {
                Ok(Frame::Object { record, version }) => {
                    objects += 1;
                    items.push(Item::Apply(record));
                    version
                }
                Ok(Frame::Gone { object, version }) => {
                    objects += 1;
                    items.push(Item::Delete(object));
                    version
                }
                Ok(Frame::Bookmark {
                    version,
                    initial_events_end,
                }) => {
                    if *initial && initial_events_end {
                        let Some(version) = &version else {
                            *fault = Some(Cause::NoVersion);
                            return;
                        };
                        let told_before = told.as_ref().filter(|told| version.is_older_than(told));
                        if let Some(told_before) = told_before.filter(|_| !*history_lost) {
                            // Found out at the end of the list, whose consumer took it for one of the same history.
                            report.went_back(told_before, Some(version));
                            *history_lost = true;
                            *fault = Some(Cause::HistoryLost);
                            return;
                        }
                        *initial = false;
                        *broken_lists = 0;
                        *history_lost = false;
                        expiry.listed(Instant::now());
                        items.push(Item::Synced(version.clone()));
                    }
                    version
                }
                Ok(Frame::Error(status)) => {
                    *fault = Some(Cause::from_status(status));
                    return;
                }
                Ok(Frame::Unreadable(Unreadable { key, version, error })) => {
                    stats.undecodable();
                    report.undecodable(key.as_ref(), &chain(&error));
                    items.extend(key.map(Item::Unreadable));
                    version
                }
                Ok(Frame::Unknown(kind)) => {
                    stats.undecodable();
                    report.undecodable(None, &shortened(format!("unknown type of event {kind:?}")));
                    None
                }
                Err(error) => {
                    stats.undecodable();
                    report.undecodable(None, &chain(&error));
                    None
                }
            };
            // Initial events come in no order of versions, so none of them is a place to resume from.
            if !*initial && reached.is_some() {
                told.clone_from(&reached);
                *position = reached;
            }
        });
        stats.received(objects, chunk.len());
        if fault.is_none() {
            // Not on headers alone: a stream that opens and breaks, over and over, has not recovered.
            report.recovered();
        }
    }

    /// Where to go on after a stream has ended.
    async fn closed(&mut self, stream: Stream, end: Option<Cause>) -> Outcome {
        let life = stream.opened.elapsed();
        let end = match end {
            None if stream.frames == 0 && life < SHORTEST_LIFE => Some(Cause::ClosedAtOnce),
            end => end,
        };
        let mut position = stream.position;
        if end.as_ref().is_some_and(Cause::demands_list) {
            position = None;
        }
        if stream.frames == 0
            && life >= self.config.doubt_after
            && let Some(version) = position.take()
        {
            position = self.confirm(version).await;
        }
        // Not in the middle of a streaming list: what expired there is no version that was good for a while.
        let at_once = !stream.initial && self.expiry.is_due(Instant::now());
        match end {
            Some(cause @ Cause::Expired(_)) if at_once => Outcome::Stale(self.error(Verb::Watch, cause)),
            None if !stream.initial => Outcome::Next { position },
            // The server closed in the middle of a list: that is no orderly end.
            None => Outcome::Failed {
                position,
                error: self.error(Verb::Watch, Cause::CutList),
            },
            Some(cause) => Outcome::Failed {
                position,
                error: self.error(Verb::Watch, cause),
            },
        }
    }
}
