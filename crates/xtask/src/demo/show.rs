//! What is printed of slices.

use std::collections::BTreeMap;

use super::cluster::{EndpointSeen, Snapshot};

/// Endpoints of one slice that a table shows.
const SHOWN: usize = 8;

/// One line for each Service whose slices changed.
#[derive(Debug)]
pub(crate) struct Changes {
    last: BTreeMap<String, String>,
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
        let mut lines: Vec<String> = now
            .iter()
            .filter(|(service, summary)| self.last.get(*service) != Some(summary))
            .map(|(service, summary)| format!("{service}: {summary}"))
            .collect();
        let gone = self.last.keys().filter(|service| !now.contains_key(*service));
        lines.extend(gone.map(|service| format!("{service}: gone")));
        self.last = now;
        lines
    }
}

/// Services, and slices of Services that are gone, each with its totals.
fn summaries(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let names = snapshot
        .services
        .keys()
        .chain(snapshot.slices.iter().map(|slice| &slice.service));
    names
        .map(|service| {
            let slices = snapshot.slices_of(service);
            let all: Vec<&EndpointSeen> = slices.iter().flat_map(|slice| &slice.endpoints).collect();
            let ready = all.iter().filter(|endpoint| endpoint.ready).count();
            let mut text = format!("{}, {ready} ready", plural(slices.len(), "slice"));
            let terminating = all.iter().filter(|endpoint| endpoint.terminating).count();
            let unready = all.len() - ready - terminating;
            for (count, state) in [(unready, "not ready"), (terminating, "terminating")] {
                if count > 0 {
                    text = format!("{text}, {count} {state}");
                }
            }
            (service.clone(), text)
        })
        .collect()
}

/// The slices of these Services, an endpoint a line.
pub(crate) fn table<'a>(snapshot: &Snapshot, services: impl Iterator<Item = &'a str>) {
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
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("    {}", cells.join("  ").trim_end());
    }
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
