//! How much is held in memory.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use quaymaster_model::{Interner, InternerSizes};
use quaymaster_runtime::metrics::Registry;
use quaymaster_world::{Sizes, World};

/// Gauges of the world, which only the core can ask.
#[derive(Debug)]
pub(crate) struct WorldMetrics {
    entries: Family<[(&'static str, &'static str); 1], Gauge>,
    bytes: Gauge,
}

impl WorldMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let (entries, bytes) = (Family::default(), Gauge::default());
        let metrics = Self { entries, bytes };
        registry.register(
            "quaymaster_world_entries",
            "Entries of the tables and indexes of what was read, by table",
            metrics.entries.clone(),
        );
        registry.register(
            "quaymaster_world_bytes",
            "Estimate of the memory of what was read, without shared strings, label sets and port lists",
            metrics.bytes.clone(),
        );
        metrics
    }

    pub(crate) fn show(&self, world: &World) {
        let Sizes {
            pods,
            services,
            nodes,
            namespaces,
            slices,
            endpoints_in_slices,
            endpoints,
            service_cidrs,
            ip_addresses,
            service_ip_pools,
            node_port_pools,
            service_reservations,
            allocation_claims,
            nodes_with_pods,
            services_with_slices,
            tombstones,
            membership,
            bytes,
        } = world.sizes();
        for (table, count) in [
            ("pods", pods),
            ("services", services),
            ("nodes", nodes),
            ("namespaces", namespaces),
            ("endpointslices", slices),
            ("endpoints_in_slices", endpoints_in_slices),
            ("endpoints", endpoints),
            ("servicecidrs", service_cidrs),
            ("ipaddresses", ip_addresses),
            ("serviceippools", service_ip_pools),
            ("nodeportpools", node_port_pools),
            ("servicereservations", service_reservations),
            ("allocationclaims", allocation_claims),
            ("nodes_with_pods", nodes_with_pods),
            ("services_with_slices", services_with_slices),
            ("tombstones", tombstones),
            ("pod_label_sets", membership.groups),
            ("service_label_set_links", membership.links),
            ("label_pairs", membership.label_pairs),
        ] {
            self.entries.get_or_create(&[("table", table)]).set(gauge(count));
        }
        self.bytes.set(gauge(bytes));
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Sizes of the shared values, read when metrics are asked for.
#[derive(Debug)]
pub(crate) struct InternerCollector(pub(crate) Arc<Interner>);

impl Collector for InternerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let InternerSizes {
            texts,
            label_sets,
            container_ports,
            port_sets,
        } = self.0.sizes();
        let mut family = encoder.encode_descriptor(
            "quaymaster_interner_entries",
            "Distinct values that records share, by table",
            None,
            MetricType::Gauge,
        )?;
        for (table, count) in [
            ("texts", texts),
            ("label_sets", label_sets),
            ("container_ports", container_ports),
            ("port_sets", port_sets),
        ] {
            ConstGauge::new(gauge(count)).encode(family.encode_family(&[("table", table)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node_json, read, service_json};

    #[test]
    fn what_is_held_shows_by_table_and_goes_down_again() {
        let registry = Registry::new();
        let interner = Arc::new(Interner::new());
        let kept = interner.text("kept");
        registry.register_collector(InternerCollector(interner));
        let metrics = WorldMetrics::register(&registry);
        let mut world = World::new();
        world.apply_node(read(&node_json("n1", 3)), &mut crate::fixtures::nobody);
        world.apply_service(read(&service_json("web", "u-1", 3)), &mut crate::fixtures::nobody);
        metrics.show(&world);
        let text = registry.encode();
        for line in [
            r#"quaymaster_world_entries{table="nodes"} 1"#,
            r#"quaymaster_world_entries{table="services"} 1"#,
            r#"quaymaster_world_entries{table="tombstones"} 0"#,
            r#"quaymaster_interner_entries{table="texts"} 1"#,
            r#"quaymaster_interner_entries{table="port_sets"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let full = world.sizes().bytes;
        assert!(
            text.contains(&format!("quaymaster_world_bytes {full}\n")),
            "{text}"
        );
        world.delete_node("n1", &mut crate::fixtures::nobody);
        metrics.show(&world);
        assert!(
            registry
                .encode()
                .contains(r#"quaymaster_world_entries{table="nodes"} 0"#)
        );
        drop(kept);
    }
}
