//! Leads, or waits to: the requests, the watch and the clock around a [`Candidate`], whose rules are in `quaymaster-election`.

mod lease;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::coordination::v1;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use quaymaster_election::{Answer, Candidate, Lease, Role, Settings, Step};
use tokio_util::sync::CancellationToken;

use crate::permit::{Tenure, Terms};

/// What a leader is elected by.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Who this process is: another name for each process there ever is.
    pub identity: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// How long things may take.
    pub settings: Settings,
}

/// How a contest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it was asked to. A Lease that was held is given back, if the apiserver could be reached in time.
    Asked,
    /// It led, and does no more: somebody else may lead already.
    Lost,
}

/// Stands for election until `cancel`, or until a term that it had is lost, and begins `terms` as it leads.
///
/// `client` is to be one of its own: requests that wait behind others would lose the Lease.
pub async fn stand(client: Client, contest: Contest, terms: Terms, cancel: CancellationToken) -> Ended {
    let api: Api<v1::Lease> = Api::namespaced(client, &contest.namespace);
    let mut stand = Stand {
        candidate: Candidate::new(contest.identity.clone(), contest.settings),
        told: Told::default(),
        tenure: None,
        holder: None,
        api,
        contest,
        terms,
    };
    stand.run(cancel).await
}

struct Stand {
    candidate: Candidate,
    told: Told,
    tenure: Option<Tenure>,
    /// Who holds the Lease, as it was logged.
    holder: Option<String>,
    api: Api<v1::Lease>,
    contest: Contest,
    terms: Terms,
}

/// The version that is known: a watch may tell an older one after an answer told a newer one.
#[derive(Debug, Default)]
struct Told(u64);

impl Told {
    /// Whether it is news.
    fn is_news(&mut self, version: &str) -> bool {
        // Versions can be compared (KEP-5504).
        let version = version.parse().unwrap_or(u64::MAX);
        let news = version >= self.0;
        if news {
            self.0 = version;
        }
        news
    }
}

type Request = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Stand {
    async fn run(&mut self, cancel: CancellationToken) -> Ended {
        let mut request: Option<Request> = None;
        let mut changes = pin!(changes(&self.api, &self.contest));
        loop {
            let now = Instant::now();
            if !self.follow(now) {
                return Ended::Lost;
            }
            let mut wake = match self.candidate.next(now) {
                Step::Wait(until) => until,
                step => {
                    self.candidate.began(step.clone(), now);
                    request = Some(self.send(step));
                    now + self.contest.settings.retry()
                }
            };
            if let Role::Leads(deadline) = self.candidate.role(now) {
                wake = wake.min(deadline);
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return self.resign(request.take()).await,
                answer = answered(&mut request) => {
                    request = None;
                    self.hear(answer);
                }
                change = changes.next() => self.see(change).await,
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// Begins, extends or ends the term as the candidate says. `false` where it has ended.
    fn follow(&mut self, now: Instant) -> bool {
        match (self.candidate.role(now), &self.tenure) {
            (Role::Leads(deadline), None) => {
                tracing::info!(lease = self.lease(), identity = self.contest.identity, "leading");
                self.tenure = Some(self.terms.begin(self.told.0, now, deadline));
            }
            (Role::Leads(deadline), Some(tenure)) => {
                if !tenure.extend(now, deadline) {
                    return self.lost();
                }
            }
            (Role::StandsBy, Some(_)) => return self.lost(),
            (Role::StandsBy, None) => {}
        }
        let holder = self.candidate.holder().map(str::to_owned);
        if holder != self.holder && self.tenure.is_none() {
            if let Some(holder) = &holder {
                tracing::info!(lease = self.lease(), holder, "standing by");
            }
            self.holder = holder;
        }
        true
    }

    fn lost(&mut self) -> bool {
        // First of all nothing more is written.
        self.tenure = None;
        let holder = self.candidate.holder().unwrap_or("nobody");
        tracing::error!(
            lease = self.lease(),
            holder,
            "the lease is lost: it could not be renewed in time, or somebody else took it"
        );
        false
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.contest.namespace, self.contest.name)
    }

    fn hear(&mut self, answer: Answer) {
        let answer = match answer {
            Answer::Stored(lease) if self.told.is_news(&lease.version) => Answer::Stored(lease),
            Answer::Read(lease) if self.told.is_news(&lease.version) => Answer::Read(lease),
            // The watch was faster, and knows of a later change.
            Answer::Stored(_) | Answer::Read(_) => Answer::Conflict,
            other => other,
        };
        self.candidate.answered(answer, Instant::now());
    }

    async fn see(&mut self, change: Option<Change>) {
        let now = Instant::now();
        match change {
            Some(Change::There(lease)) => {
                if self.told.is_news(&lease.version) {
                    self.candidate.told(Some(lease), now);
                }
            }
            Some(Change::Gone(version)) => {
                if self.told.is_news(&version) {
                    self.candidate.told(None, now);
                }
            }
            None => pending().await,
        }
    }

    /// Begins a step. No answer takes longer than the time in which the next step is due.
    fn send(&self, step: Step) -> Request {
        let (api, contest) = (self.api.clone(), self.contest.clone());
        let limit = contest.settings.retry() * 2;
        Box::pin(async move {
            let answer = lease::request(&api, &contest, step);
            tokio::time::timeout(limit, answer)
                .await
                .unwrap_or(Answer::Failed)
        })
    }

    /// Ends the term, then gives the Lease back, so that the next one need not wait.
    async fn resign(&mut self, request: Option<Request>) -> Ended {
        if let Some(request) = request {
            // A renewal under way decides by which version it can be given back.
            let answer = tokio::time::timeout(GIVE_BACK, request)
                .await
                .unwrap_or(Answer::Failed);
            self.hear(answer);
        }
        let version = self.candidate.resign(Instant::now());
        let led = self.tenure.take().is_some();
        if let Some(version) = version.filter(|_| led) {
            let given_back = lease::give_back(&self.api, &self.contest, &version);
            match tokio::time::timeout(GIVE_BACK, given_back).await {
                Ok(Ok(())) => tracing::info!(lease = self.lease(), "the lease is given back"),
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.lease(), %error, "the lease could not be given back");
                }
                Err(_) => tracing::warn!(lease = self.lease(), "the lease could not be given back in time"),
            }
        }
        Ended::Asked
    }
}

/// How long giving the Lease back may take.
const GIVE_BACK: Duration = Duration::from_secs(1);

async fn answered(request: &mut Option<Request>) -> Answer {
    match request {
        Some(request) => request.await,
        None => pending().await,
    }
}

/// What a watch tells.
enum Change {
    There(Lease),
    /// Deleted, at this version.
    Gone(String),
}

/// The Lease as it changes. Without a watch it is asked for as its time runs out.
fn changes(api: &Api<v1::Lease>, contest: &Contest) -> impl Stream<Item = Change> + use<> {
    // A watch that hangs is begun anew soon.
    let config = watcher::Config::default()
        .fields(&format!("metadata.name={}", contest.name))
        .timeout(10);
    let pause = contest.settings.retry();
    watcher(api.clone(), config).filter_map(move |event| async move {
        match event {
            Ok(Event::InitApply(lease) | Event::Apply(lease)) => Some(Change::There(lease::read(&lease))),
            Ok(Event::Delete(lease)) => Some(Change::Gone(lease::read(&lease).version)),
            // That there is none is asked, since a list may be older than what is known.
            Ok(Event::Init | Event::InitDone) => None,
            Err(error) => {
                tracing::debug!(%error, "the lease cannot be watched");
                tokio::time::sleep(pause).await;
                None
            }
        }
    })
}
