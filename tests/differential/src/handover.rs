//! One controller takes the objects of the other over, and gives them back.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use quaymaster_oracle::names::MIRRORING_CONTROLLER;
use quaymaster_testkit::audit::Entry;
use serde_json::Value;

use crate::kept::slices::{ambiguous_mirrors, wrong_mirrors};
use crate::plane::{Holder, Plane, Refused};
use crate::snapshot::Unowned;

/// Longest wait for quiet.
const LIMIT: Duration = Duration::from_mins(2);
/// Where a slice names its Service.
const SERVICE: &str = "/metadata/labels/kubernetes.io~1service-name";
/// Where a slice names who keeps it.
const MANAGER: &str = "/metadata/labels/endpointslice.kubernetes.io~1managed-by";
/// Where an object names its version.
const VERSION: &str = "/metadata/resourceVersion";

/// What was written as holders changed at rest.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    what: &'static str,
    /// By kube-controller-manager, started over objects it had written last or already looked at.
    baseline: Writes,
    /// By quaymaster as it took over; `None` where it held before.
    taken: Option<Writes>,
    /// Placeholders without owner that kube-controller-manager left, by Service; quaymaster creates one and deletes
    /// the other.
    unowned: BTreeMap<String, Vec<Unowned>>,
    /// What kube-controller-manager left as it was because the apiserver refused what it asked for; quaymaster puts that
    /// right.
    refused: Refused,
    /// Endpoints whose mirrored slices kube-controller-manager left as is forgiven to it; quaymaster puts them right.
    mirrors: BTreeSet<String>,
    /// Endpoints of which kube-controller-manager mirrors now this and now that.
    ambiguous: BTreeSet<String>,
    /// By kube-controller-manager as it got them back.
    back: Writes,
    /// Services with hints by annotation. Where kube-controller-manager does not know its nodes yet as it starts, it
    /// takes these hints off and puts them back a second later, or it does not, start by start.
    auto: BTreeSet<String>,
}

/// Writes of one holder from its start to its end.
#[derive(Clone, Debug, Default)]
struct Writes {
    total: usize,
    /// By path of the Service, or name of the ServiceCIDR.
    by_service: BTreeMap<String, Vec<Write>>,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own of one request"
)]
struct Write {
    /// Resource, verb and address type: which of a Service's equal slices is written first may differ.
    kind: [String; 3],
    /// Name of the object; empty where a creation was refused.
    name: String,
    /// Whether a slice without endpoints and ports was asked for.
    placeholder: bool,
    /// Whether a slice that mirrors Endpoints was asked for. A delete does not say.
    mirrors: bool,
    /// Whether the object was as asked for already, so that nothing was stored.
    nothing: bool,
    /// Whether the apiserver would have none of it.
    invalid: bool,
    words: String,
}

impl Write {
    fn is(&self, resource: &str, verb: &str) -> bool {
        let [of, asked, _] = &self.kind;
        of == resource && asked == verb
    }

    /// Whether kube-controller-manager may make it again at every look.
    fn at_every_look(&self) -> bool {
        self.is("endpoints", "update")
            || self.is("servicecidrs", "patch")
            || self.mirrors && self.is("endpointslices", "update")
    }
}

impl Writes {
    /// Those that have no counterpart there, one for one. One update of Endpoints, or of a slice that mirrors some, or one
    /// patch of a ServiceCIDR stands for any number: those that kube-controller-manager takes for changed though they are not
    /// are written at every look (in 1.33 each ServiceCIDR is), and how often it looks as it starts is a matter of which it
    /// reads first.
    fn beyond<'a>(&'a self, there: &'a Self) -> impl Iterator<Item = (&'a String, &'a Write)> {
        self.by_service.iter().flat_map(|(service, writes)| {
            let mut counterparts: Vec<&[String; 3]> = there
                .by_service
                .get(service)
                .into_iter()
                .flatten()
                .map(|write| &write.kind)
                .collect();
            writes.iter().filter_map(move |write| {
                match counterparts.iter().position(|kind| **kind == write.kind) {
                    Some(found) => {
                        if !write.at_every_look() {
                            counterparts.swap_remove(found);
                        }
                        None
                    }
                    None => Some((service, write)),
                }
            })
        })
    }
}

impl Handover {
    /// Writes of hints by annotation that kube-controller-manager does not make when it is restarted over its own.
    fn hints_by_annotation(&self) -> usize {
        let back = self.back.beyond(&self.baseline);
        back.filter(|(service, write)| self.may_be_hints(service, write))
            .count()
    }

    fn may_be_hints(&self, service: &str, write: &Write) -> bool {
        self.auto.contains(service) && write.is("endpointslices", "update")
    }

    fn puts_right(&self, service: &str, write: &Write) -> bool {
        let Refused { slices, endpoints } = &self.refused;
        match write.kind[0].as_str() {
            "endpointslices" => {
                let [_, verb, _] = &write.kind;
                let mirrored = (write.mirrors || verb == "delete") && self.mirrors.contains(service);
                mirrored || slices.contains(service)
            }
            "endpoints" => endpoints.contains(service) && !write.is("endpoints", "delete"),
            _ => false,
        }
    }

    /// Writes beyond these: quaymaster gives placeholders their owners, with one create and one delete each, and
    /// puts right what kube-controller-manager was refused, and
    /// kube-controller-manager writes what it writes restarted over its own objects, and hints by annotation. And
    /// placeholders that quaymaster left without owner.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(taken) = &self.taken {
            let services: BTreeSet<&String> = taken.by_service.keys().chain(self.unowned.keys()).collect();
            for service in services {
                let writes = taken.by_service.get(service).into_iter().flatten();
                let writes: Vec<&Write> = writes.filter(|write| !self.puts_right(service, write)).collect();
                let unowned = self.unowned.get(service).map_or(&[][..], Vec::as_slice);
                faults.extend(not_for_owners(service, &writes, unowned));
            }
        }
        let back = self.back.beyond(&self.baseline);
        let back = back.filter(|(service, write)| !self.may_be_hints(service, write));
        let back = back.filter(|(service, write)| {
            let any = write.nothing || self.ambiguous.contains(*service);
            !(write.mirrors && any)
        });
        // A restart of it may have been taken for at rest before it asked for them: what is refused is not seen by who waits.
        let back = back.filter(|(_, write)| !(write.invalid && write.is("endpoints", "update")));
        faults.extend(back.map(|(_, write)| write.words.clone()));
        faults
            .iter()
            .map(|fault| format!("{}: {fault}", self.what))
            .collect()
    }
}

/// What of the writes for a Service is not one create of a placeholder and one delete of the former for each that lacked its
/// owner, and what of these is missing. The garbage collector may be faster with the delete.
fn not_for_owners(service: &str, writes: &[&Write], unowned: &[Unowned]) -> Vec<String> {
    let mut to_create: Vec<&Unowned> = unowned.iter().collect();
    let mut to_delete = to_create.clone();
    let mut faults = Vec::new();
    for write in writes {
        let [_, _, family] = &write.kind;
        let counterpart = if write.is("endpointslices", "create") && write.placeholder {
            let found = to_create.iter().position(|one| one.family == *family);
            found.map(|found| to_create.swap_remove(found))
        } else if write.is("endpointslices", "delete") {
            let found = to_delete.iter().position(|one| one.slice == write.name);
            found.map(|found| to_delete.swap_remove(found))
        } else {
            None
        };
        if counterpart.is_none() {
            faults.push(write.words.clone());
        }
    }
    let left = to_create.into_iter().filter(|one| !one.terminating);
    faults.extend(left.map(|one| {
        let Unowned { slice, family, .. } = one;
        format!("no new placeholder of Service {service} ({family}) for {slice}, which has no owner")
    }));
    faults
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.what)?;
        if let Some(taken) = &self.taken {
            write!(
                f,
                "{} writes by quaymaster taking over ({} placeholders had no owner), ",
                taken.total,
                self.unowned.values().flatten().count()
            )?;
        }
        write!(
            f,
            "{} by kube-controller-manager getting back, {} restarted over its own; beyond those {} for hints by annotation",
            self.back.total,
            self.baseline.total,
            self.hints_by_annotation()
        )
    }
}

/// Where kube-controller-manager held: a restart of it as baseline, quaymaster, and back.
pub(crate) async fn from_kcm(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let before = plane.refused()?;
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    let refused = before.and(plane.refused()?);
    let snapshot = plane.snapshot().await?;
    let unowned = snapshot.unowned_placeholders();
    let mirrors = wrong_mirrors(&snapshot, plane.mirroring(), &refused.slices);
    let taken = if plane.subject().is_kcm() {
        None
    } else {
        Some(writes(plane, Holder::Subject, quiet).await?)
    };
    let back = writes(plane, Holder::Kcm, quiet).await?;
    Ok(Handover {
        what: "take-over and hand-back",
        baseline,
        taken,
        unowned,
        refused,
        mirrors,
        ambiguous: ambiguous_mirrors(&snapshot, plane.mirroring().minor),
        back,
        auto: plane.snapshot().await?.auto_services(),
    })
}

/// Where the subject held: to kube-controller-manager, and a restart of that as baseline.
pub(crate) async fn from_subject(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let back = writes(plane, Holder::Kcm, quiet).await?;
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    let snapshot = plane.snapshot().await?;
    Ok(Handover {
        what: if plane.subject().is_kcm() {
            "hand-back of what the right side built"
        } else {
            "hand-back of what quaymaster built"
        },
        baseline,
        taken: None,
        unowned: BTreeMap::new(),
        refused: Refused::default(),
        mirrors: BTreeSet::new(),
        ambiguous: ambiguous_mirrors(&snapshot, plane.mirroring().minor),
        back,
        auto: snapshot.auto_services(),
    })
}

/// Writes of a controller from its start until it is quiet.
async fn writes(plane: &mut Plane, holder: Holder, quiet: Duration) -> Result<Writes> {
    let before = plane.snapshot().await?;
    let mut services = before.owners();
    let mut versions = before.slice_versions();
    let mark = plane.mark()?;
    plane.hold(holder).await?;
    if !plane.recorder.quiet(quiet, LIMIT).await {
        bail!("{holder:?} still writes after {LIMIT:?}");
    }
    plane.release().await?;
    services.extend(plane.snapshot().await?.owners());
    let mut writes = Writes::default();
    for entry in plane.kept_writes(mark, holder)? {
        let path = if entry.namespace().is_empty() {
            entry.name().to_owned()
        } else {
            format!("{}/{}", entry.namespace(), entry.name())
        };
        let version = stored(&entry).map(str::to_owned);
        let nothing = entry.verb == "update" && version.is_some() && version == versions.get(&path).cloned();
        if let Some(version) = version.filter(|_| entry.resource() == "endpointslices") {
            versions.insert(path.clone(), version);
        }
        let service = match entry.resource() {
            // What was refused is in no snapshot.
            "endpointslices" => services
                .get(&path)
                .cloned()
                .unwrap_or_else(|| format!("{}/{}", entry.namespace(), service_asked(&entry))),
            _ => path,
        };
        let family = asked(&entry, "/addressType").to_owned();
        let write = Write {
            kind: [entry.resource().to_owned(), entry.verb.clone(), family],
            name: entry.name().to_owned(),
            placeholder: is_placeholder(&entry),
            mirrors: asked(&entry, MANAGER) == MIRRORING_CONTROLLER,
            nothing,
            invalid: entry.code() == 422,
            words: words(&entry),
        };
        writes.total += 1;
        writes.by_service.entry(service).or_default().push(write);
    }
    Ok(writes)
}

/// Name of the Service of the slice that was to be written.
pub(crate) fn service_asked(entry: &Entry) -> &str {
    asked(entry, SERVICE)
}

/// A piece of the slice that was to be written; empty where there is none.
fn asked<'a>(entry: &'a Entry, pointer: &str) -> &'a str {
    let body = entry.request_object.as_ref();
    let piece = body.and_then(|body| body.pointer(pointer)?.as_str());
    piece.unwrap_or_default()
}

/// Whether a slice without endpoints and ports was asked for.
fn is_placeholder(entry: &Entry) -> bool {
    let none = |pointer| {
        let body = entry.request_object.as_ref();
        let list = body.and_then(|body| body.pointer(pointer)?.as_array());
        list.is_none_or(Vec::is_empty)
    };
    entry.request_object.as_ref().is_some_and(Value::is_object) && none("/endpoints") && none("/ports")
}

/// The version that an object got by a write.
fn stored(entry: &Entry) -> Option<&str> {
    entry.response_object.as_ref()?.pointer(VERSION)?.as_str()
}

/// A write in one line.
pub(crate) fn words(entry: &Entry) -> String {
    format!(
        "{} of {} {}/{} by {}, answered {}",
        entry.verb,
        entry.resource(),
        entry.namespace(),
        entry.name(),
        entry.user_agent.split('/').next().unwrap_or_default(),
        entry.code()
    )
}
