//! Who of several that want the same keeps it.

use std::net::IpAddr;

use hashbrown::HashMap;
use quaymaster_api::{Problem, ServiceReservationSpec};
use quaymaster_model::{ObjectKey, Text, Timestamp};

use crate::index::Reservation;
use crate::{Class, Value};

/// A reservation as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Its namespace and name.
    pub key: &'a ObjectKey,
    /// `metadata.creationTimestamp`
    pub created: Option<Timestamp>,
    /// `spec`
    pub spec: &'a ServiceReservationSpec,
    /// Since when it waits for a Service of the name; none while there is one.
    pub idle_since: Option<Timestamp>,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It holds.
    Kept {
        /// The Service that it is for.
        service: ObjectKey,
        /// What is kept.
        reservation: Reservation,
        /// When its time is over, if no Service comes.
        until: Option<Timestamp>,
    },
    /// No Service came in time.
    Expired,
    /// An older one has what it asks for.
    Conflict {
        /// The older one.
        with: ObjectKey,
        /// The value; none where it is for the same Service.
        over: Option<Value>,
    },
    /// It cannot be understood.
    Invalid(String),
}

/// What becomes of each of several reservations, in the order given: of two that are for one Service, or that want the same value,
/// the older one keeps all that it asks for, and the other one nothing; of equally old ones the first by namespace and name does.
pub fn settle(wishes: &[Wish<'_>], now: Timestamp) -> Vec<Settled> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|place| {
        let wish = &wishes[*place];
        (wish.created.is_none(), wish.created, wish.key)
    });
    let mut services: HashMap<ObjectKey, ObjectKey> = HashMap::new();
    let mut values: HashMap<Value, ObjectKey> = HashMap::new();
    let mut settled: Vec<Option<Settled>> = wishes.iter().map(|_| None).collect();
    for place in order {
        let wish = &wishes[place];
        settled[place] = Some(one(wish, now, &mut services, &mut values));
    }
    settled.into_iter().flatten().collect()
}

/// The Service that a reservation is for.
pub fn service(wish: &ObjectKey, spec: &ServiceReservationSpec) -> ObjectKey {
    ObjectKey::new(wish.namespace.clone(), Text::new(&spec.service_name))
}

fn one(
    wish: &Wish<'_>,
    now: Timestamp,
    services: &mut HashMap<ObjectKey, ObjectKey>,
    values: &mut HashMap<Value, ObjectKey>,
) -> Settled {
    let addresses = match wish.spec.addresses() {
        Ok(addresses) => addresses,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
            return Settled::Invalid(problems.join("; "));
        }
    };
    let until = wish.idle_since.and_then(|since| {
        let seconds = wish.spec.expire_after_seconds?;
        Some(Timestamp(since.0.saturating_add(seconds.into())))
    });
    if until.is_some_and(|until| until <= now) {
        return Settled::Expired;
    }
    let service = service(wish.key, wish.spec);
    if let Some(with) = services.get(&service) {
        return Settled::Conflict {
            with: with.clone(),
            over: None,
        };
    }
    let reservation = reservation(wish.spec, &addresses);
    let wanted = reservation.values();
    if let Some((value, with)) = wanted.iter().find_map(|value| Some((*value, values.get(value)?))) {
        return Settled::Conflict {
            with: with.clone(),
            over: Some(value),
        };
    }
    services.insert(service.clone(), wish.key.clone());
    values.extend(wanted.into_iter().map(|value| (value, wish.key.clone())));
    Settled::Kept {
        service,
        reservation,
        until,
    }
}

fn reservation(spec: &ServiceReservationSpec, addresses: &[IpAddr]) -> Reservation {
    let ports = spec.node_ports.iter();
    Reservation {
        addresses: addresses.iter().copied().map(Value::from).collect(),
        node_ports: ports
            .map(|port| (port.port_name.clone(), Value::port(port.node_port)))
            .collect(),
        health_check: spec.health_check_node_port.map(Value::port),
    }
}

impl Value {
    /// The name of its sort with itself, for people: `address 10.96.8.9`.
    pub fn told(self) -> String {
        match self.class {
            Class::V4 | Class::V6 => format!("address {self}"),
            Class::Port => format!("node port {self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Text::new("team"), Text::new(name))
    }

    fn spec(json: &str) -> ServiceReservationSpec {
        serde_json::from_str(json).unwrap()
    }

    fn settled(wishes: &[(&str, i64, &str, Option<i64>)]) -> Vec<Settled> {
        let keys: Vec<ObjectKey> = wishes.iter().map(|wish| key(wish.0)).collect();
        let specs: Vec<ServiceReservationSpec> = wishes.iter().map(|wish| spec(wish.2)).collect();
        let wishes: Vec<Wish<'_>> = wishes
            .iter()
            .zip(keys.iter().zip(&specs))
            .map(|((_, created, _, idle), (key, spec))| Wish {
                key,
                created: Some(Timestamp(*created)),
                spec,
                idle_since: idle.map(Timestamp),
            })
            .collect();
        settle(&wishes, NOW)
    }

    fn conflict(settled: &Settled) -> Option<(String, Option<String>)> {
        match settled {
            Settled::Conflict { with, over } => Some((with.to_string(), over.map(Value::told))),
            _ => None,
        }
    }

    #[test]
    fn of_two_for_one_service_or_one_value_the_older_keeps_all_that_it_asks_for() {
        let web = r#"{"serviceName":"web","clusterIPs":["10.96.8.9"],"nodePorts":[{"portName":"a","nodePort":30001}]}"#;
        let also = r#"{"serviceName":"web","clusterIPs":["10.96.8.10"]}"#;
        let other = r#"{"serviceName":"db","nodePorts":[{"nodePort":30001}]}"#;
        let free = r#"{"serviceName":"db","clusterIPs":["10.96.8.10"]}"#;
        let settled = settled(&[
            ("also", 3, also, None),
            ("other", 4, other, None),
            ("web", 1, web, None),
            ("free", 5, free, None),
        ]);
        assert_eq!(conflict(&settled[0]), Some(("team/web".to_owned(), None)));
        assert_eq!(
            conflict(&settled[1]),
            Some(("team/web".to_owned(), Some("node port 30001".to_owned())))
        );
        assert!(matches!(&settled[2], Settled::Kept { reservation, .. } if reservation.values().len() == 2));
        // What is refused reserves nothing.
        assert!(matches!(&settled[3], Settled::Kept { service, .. } if *service == key("db")));
    }

    #[test]
    fn one_that_waits_too_long_for_its_service_makes_room_for_the_next() {
        let first = r#"{"serviceName":"web","clusterIPs":["10.96.8.9"],"expireAfterSeconds":60}"#;
        let second = r#"{"serviceName":"db","clusterIPs":["10.96.8.9"]}"#;
        let of = |idle| settled(&[("a", 1, first, idle), ("b", 2, second, None)]);
        for (idle, kept) in [(Some(941), true), (Some(940), false), (None, true)] {
            let settled = of(idle);
            assert_eq!(settled[0] == Settled::Expired, !kept, "{idle:?}");
            assert_eq!(conflict(&settled[1]).is_some(), kept, "{idle:?}");
        }
        let Settled::Kept { until, .. } = &of(Some(941))[0] else {
            panic!("it holds");
        };
        assert_eq!(*until, Some(Timestamp(1001)));
    }

    #[test]
    fn what_cannot_be_understood_keeps_nothing_and_says_where() {
        let settled = settled(&[(
            "a",
            1,
            r#"{"serviceName":"web","clusterIPs":["10.96.08.9"]}"#,
            None,
        )]);
        let Settled::Invalid(problem) = &settled[0] else {
            panic!("{settled:?}");
        };
        assert!(problem.starts_with("spec.clusterIPs[0]: "), "{problem}");
    }
}
