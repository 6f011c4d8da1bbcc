//! What is printed of slices.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{EndpointSeen, Snapshot};

/// Endpoints of one slice that a table shows.
const SHOWN: usize = 8;

/// One line for each Service whose slices changed.
#[derive(Debug)]
pub(crate) struct Changes {
    last: BTreeMap<String, Summary>,
}

/// The slices of one Service in a few words.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    totals: String,
    /// The Pods that stand in them.
    pods: BTreeSet<String>,
}

impl Changes {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            last: summaries(snapshot),
        }
    }

    /// What changed since the last call.
    pub(crate) fn since(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let now = summaries(snapshot);
        let mut lines = Vec::new();
        for (service, summary) in &now {
            let last = self.last.get(service);
            if last == Some(summary) {
                continue;
            }
            let before = last.map(|last| &last.pods);
            let came = summary
                .pods
                .iter()
                .filter(|pod| before.is_none_or(|last| !last.contains(*pod)));
            let went = before
                .into_iter()
                .flatten()
                .filter(|pod| !summary.pods.contains(*pod));
            let moved: Vec<String> = [(came.count(), "came"), (went.count(), "went")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{} {what}", plural(count, "Pod")))
                .collect();
            let separator = if moved.is_empty() { "" } else { "; " };
            lines.push(format!(
                "{service}: {}{separator}{}",
                summary.totals,
                moved.join(", ")
            ));
        }
        let gone = self.last.keys().filter(|service| !now.contains_key(*service));
        lines.extend(gone.map(|service| format!("{service}: gone")));
        self.last = now;
        lines
    }
}

/// Of Services, and of slices whose Service is gone.
fn summaries(snapshot: &Snapshot) -> BTreeMap<String, Summary> {
    let names = snapshot
        .services
        .keys()
        .chain(snapshot.slices.iter().map(|slice| &slice.service));
    names
        .map(|service| {
            let slices = snapshot.slices_of(service);
            let all: Vec<&EndpointSeen> = slices.iter().flat_map(|slice| &slice.endpoints).collect();
            let ready = all.iter().filter(|endpoint| endpoint.ready).count();
            let terminating = all.iter().filter(|endpoint| endpoint.terminating).count();
            // Of a Service that publishes Pods whatever their state, a terminating one is ready too.
            let unready = all
                .iter()
                .filter(|endpoint| !endpoint.ready && !endpoint.terminating)
                .count();
            let mut totals = format!("{}, {ready} ready", plural(slices.len(), "slice"));
            for (count, state) in [(unready, "not ready"), (terminating, "terminating")] {
                if count > 0 {
                    totals = format!("{totals}, {count} {state}");
                }
            }
            let pods = all.iter().map(|endpoint| endpoint.pod.clone()).collect();
            (service.clone(), Summary { totals, pods })
        })
        .collect()
}

/// The slices of these Services, an endpoint a line.
pub(crate) fn table<'a>(snapshot: &Snapshot, services: impl Iterator<Item = &'a str>) -> String {
    let mut rows: Vec<[String; 6]> =
        vec![["SLICE", "PORTS", "ADDRESS", "POD", "NODE", "STATE"].map(str::to_owned)];
    for slice in services.flat_map(|service| snapshot.slices_of(service)) {
        let ports = if slice.ports.is_empty() {
            "-".to_owned()
        } else {
            slice.ports.join(", ")
        };
        let mut first = [slice.name.clone(), ports];
        if slice.endpoints.is_empty() {
            let [name, ports] = first;
            rows.push([
                name,
                ports,
                "-".into(),
                "-".into(),
                "-".into(),
                "no endpoints".into(),
            ]);
            continue;
        }
        for endpoint in slice.endpoints.iter().take(SHOWN) {
            let [name, ports] = std::mem::take(&mut first);
            rows.push([
                name,
                ports,
                endpoint.addresses.join(","),
                endpoint.pod.clone(),
                place(endpoint),
                state(endpoint).to_owned(),
            ]);
        }
        if let Some(more) = slice.endpoints.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let mut row: [String; 6] = Default::default();
            row[2] = format!("and {more} more");
            rows.push(row);
        }
    }
    let widths: Vec<usize> = (0..6)
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        table.push_str("    ");
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn place(endpoint: &EndpointSeen) -> String {
    let node = endpoint.node.as_deref().unwrap_or("-");
    match &endpoint.zone {
        Some(zone) => format!("{node} {zone}"),
        None => node.to_owned(),
    }
}

fn state(endpoint: &EndpointSeen) -> &'static str {
    match (endpoint.ready, endpoint.serving, endpoint.terminating) {
        (_, true, true) => "terminating, serving",
        (_, false, true) => "terminating",
        (true, ..) => "ready",
        (false, ..) => "not ready",
    }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
