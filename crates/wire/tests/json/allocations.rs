//! How much is allocated to read a Pod: a budget, since it is what a relist of a large cluster is made of.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use quaymaster_model::{Interner, PodRecord};
use quaymaster_wire::json::Json;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A Pod of a Deployment as a cluster has it; one name per Pod, all else shared with its siblings.
fn pod(index: usize) -> Vec<u8> {
    include_str!("pod.json")
        .replace("NAME", &format!("web-5d4f8c7b9-{index:05}"))
        .replace("UID", &format!("3f2a8d1c-0b4e-4c1a-9d3e-{index:012}"))
        .replace("ADDRESS", &format!("10.0.{}.{}", index / 250, index % 250))
        .into_bytes()
}

/// Measured: 8 (labels twice, as pairs and as a set; ports twice; their list; the name, shared by count; what the
/// hash tables grow by, now and then). A field that starts to copy what it reads shows up here.
const BUDGET: usize = 12;

#[test]
fn reading_another_pod_of_a_workload_stays_within_its_allocations() {
    const PODS: usize = 500;
    let decoder = Json::<PodRecord>::new(Arc::new(Interner::new()));
    let first = decoder.object(&pod(0)).unwrap();
    let documents: Vec<_> = (1..=PODS).map(pod).collect();
    let mut records = Vec::with_capacity(PODS);
    let before = COUNT.get();
    for document in &documents {
        records.push(decoder.object(document).unwrap());
    }
    let each = (COUNT.get() - before).div_ceil(PODS);
    assert!(records.iter().all(|record| record.labels.same(&first.labels)));
    println!("{each} allocations for a Pod");
    assert!(each <= BUDGET, "{each} allocations for a Pod, {BUDGET} allowed");
}
