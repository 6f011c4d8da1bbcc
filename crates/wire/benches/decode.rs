//! Time to read a Pod: into the compact record, into the full API type, and to skip it whole.
//!
//! All three in one run and interleaved, since only their ratio carries over to another machine.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use quaymaster_model::{Interner, PodRecord};
use quaymaster_wire::json::PodDecoder;
use serde::de::IgnoredAny;

/// Pods of one page, as a list has them.
const PODS: usize = 500;
/// Rounds; the fastest counts, since others of the machine only ever add time.
const ROUNDS: usize = 20;

fn pod(index: usize) -> Vec<u8> {
    include_str!("../tests/json/pod.json")
        .replace("NAME", &format!("web-5d4f8c7b9-{index:05}"))
        .replace("UID", &format!("3f2a8d1c-0b4e-4c1a-9d3e-{index:012}"))
        .replace("ADDRESS", &format!("10.0.{}.{}", index / 250, index % 250))
        .into_bytes()
}

fn timed<T>(pods: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> Option<T>) -> Duration {
    let start = Instant::now();
    let held: Vec<T> = pods.iter().filter_map(|pod| read(pod)).collect();
    let elapsed = start.elapsed();
    assert_eq!(black_box(held).len(), pods.len(), "every Pod is readable");
    elapsed
}

fn main() {
    let pods: Vec<Vec<u8>> = (0..PODS).map(pod).collect();
    let page = [&b"{\"metadata\":{},\"items\":["[..], &pods.join(&b','), b"]}"].concat();
    let decoder = PodDecoder::new(Arc::new(Interner::new()));
    let [mut slim, mut full, mut skip, mut paged] = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        slim = slim.min(timed::<PodRecord>(&pods, |bytes| decoder.object(bytes).ok()));
        full = full.min(timed::<Pod>(&pods, |bytes| serde_json::from_slice(bytes).ok()));
        skip = skip.min(timed::<IgnoredAny>(&pods, |bytes| {
            serde_json::from_slice(bytes).ok()
        }));
        let start = Instant::now();
        let read = decoder.page(&page).map_or(0, |page| page.records.len());
        paged = paged.min(start.elapsed());
        assert_eq!(read, PODS, "every Pod of the page is readable");
    }
    let each = |total: Duration| total.as_nanos() / PODS as u128;
    println!(
        "{PODS} Pods of {} bytes of JSON, best of {ROUNDS} rounds, ns per Pod:",
        pods[0].len()
    );
    println!("  compact record           {:>8}", each(slim));
    println!("  compact record, a page   {:>8}", each(paged));
    println!("  k8s-openapi              {:>8}", each(full));
    println!("  skipped unread           {:>8}", each(skip));
    println!(
        "  k8s-openapi / compact    {:>8.1}",
        full.as_secs_f64() / slim.as_secs_f64()
    );
}
