//! Lists in pages.

use std::cmp::Ordering;

use super::{Driver, Outcome, ReceiverGone};
use crate::batch::{Batch, Item};
use crate::error::{Cause, Verb, chain};
use crate::stats::Mode;
use quaymaster_model::ResourceVersion;
use quaymaster_wire::{Page, Reader, Unreadable};

impl<R, M, W> Driver<R, M, W>
where
    R: Reader,
    M: Send,
    W: FnMut(Batch<R::Record>) -> M + Send,
{
    /// One list, page by page; each page is delivered before the next is asked for.
    pub(super) async fn list_by_pages(&mut self) -> Result<Outcome, ReceiverGone> {
        let mut token: Option<Box<str>> = None;
        let mut version = None;
        loop {
            let page = match self.page(self.page_size, token.as_deref()).await {
                Ok(page) => page,
                Err(cause) => {
                    if let Cause::PageTooLarge { .. } = cause {
                        self.page_size = (self.page_size / 2).max(1);
                    }
                    return Ok(Outcome::Failed {
                        position: None,
                        error: self.error(Verb::List, cause),
                    });
                }
            };
            if token.is_none() {
                if let Some(version) = &page.version {
                    self.note_loss(version);
                }
                self.begin_list(Mode::Paged);
                self.report.recovered();
                // Every page carries the version of the first.
                version = page.version;
            }
            self.take_page(page.records, page.unreadable);
            token = page.next.filter(|token| !token.is_empty());
            if token.is_some() {
                self.deliver().await?;
                continue;
            }
            let Some(version) = version else {
                return Ok(Outcome::Failed {
                    position: None,
                    error: self.error(Verb::List, Cause::NoVersion),
                });
            };
            self.items.push(Item::Synced(version.clone()));
            self.deliver().await?;
            self.end_list(&version);
            if self.refused {
                // Pages work where the stream did not: it was the stream that the server refused.
                self.streaming.refuse();
            }
            return Ok(Outcome::Next {
                position: Some(version),
            });
        }
    }

    /// Gives `position` back, unless the server's history has not come that far.
    ///
    /// When etcd was restored from a snapshot, a watch from a version of the lost future stays open and silent, and events
    /// up to that version are withheld. Only the version of a fresh read tells.
    pub(super) async fn confirm(&mut self, position: ResourceVersion) -> Option<ResourceVersion> {
        // A failure proves nothing; the watch that follows meets it as well and reports it.
        let present = self.page(1, None).await.ok().and_then(|page| page.version);
        let behind = present
            .as_ref()
            .is_some_and(|present| present.compare(&position) == Some(Ordering::Less));
        if behind {
            self.report.went_back(&position, present.as_ref());
            self.history_lost = true;
            return None;
        }
        Some(position)
    }

    async fn page(&mut self, limit: u32, token: Option<&str>) -> Result<Page<R::Record>, Cause> {
        let request = self.source.list_request(R::ACCEPT, limit, token);
        let body = self.fetch(request).await?;
        let page = self.reader.page(&body)?;
        self.stats.received(page.records.len(), body.len());
        Ok(page)
    }

    fn take_page(&mut self, records: Vec<R::Record>, unreadable: Vec<Unreadable>) {
        self.items.reserve(records.len() + unreadable.len() + 1);
        self.items.extend(records.into_iter().map(Item::Apply));
        for object in unreadable {
            self.stats.undecodable();
            self.report
                .undecodable(object.key.as_ref(), &chain(&object.error));
            self.items.extend(object.key.map(Item::Unreadable));
        }
    }
}
