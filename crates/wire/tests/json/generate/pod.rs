//! Pods.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerState, ContainerStateRunning, ContainerStatus, EmptyDirVolumeSource,
    EnvVar, EnvVarSource, HTTPGetAction, Pod, PodCondition, PodIP, PodSpec, PodStatus, Probe,
    SecretKeySelector, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;

use super::{address, list, maybe, metadata, one_of, strings, text, time};

fn port() -> impl Strategy<Value = ContainerPort> {
    (
        maybe(text()),
        maybe(one_of(&["TCP", "UDP", "SCTP", "QUIC", ""])),
        any::<i32>(),
        maybe(any::<i32>()),
    )
        .prop_map(|(name, protocol, container_port, host_port)| ContainerPort {
            name,
            protocol,
            container_port,
            host_port,
            host_ip: None,
        })
}

fn env() -> impl Strategy<Value = EnvVar> {
    (text(), maybe(text()), any::<bool>()).prop_map(|(name, value, from)| EnvVar {
        name,
        value,
        value_from: from.then(|| EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                key: "ports".into(),
                name: "status".into(),
                optional: Some(true),
            }),
            ..EnvVarSource::default()
        }),
    })
}

fn container() -> impl Strategy<Value = Container> {
    (
        text(),
        list(port()),
        list(env()),
        maybe(one_of(&["Always", "Never", ""])),
        any::<bool>(),
    )
        .prop_map(|(name, ports, env, restart_policy, probed)| Container {
            name,
            ports,
            env,
            restart_policy,
            image: Some("registry.example/app:1".into()),
            liveness_probe: probed.then(|| Probe {
                http_get: Some(HTTPGetAction {
                    path: Some("/healthz".into()),
                    port: IntOrString::String("http".into()),
                    ..HTTPGetAction::default()
                }),
                ..Probe::default()
            }),
            volume_mounts: Some(vec![VolumeMount {
                mount_path: "/data".into(),
                name: "data".into(),
                ..VolumeMount::default()
            }]),
            ..Container::default()
        })
}

fn spec() -> impl Strategy<Value = PodSpec> {
    (
        prop::collection::vec(container(), 0..3),
        list(container()),
        maybe(text()),
        maybe(text()),
        maybe(text()),
        strings(),
    )
        .prop_map(
            |(containers, init_containers, node_name, hostname, subdomain, node_selector)| PodSpec {
                containers,
                init_containers,
                node_name,
                hostname,
                subdomain,
                node_selector,
                restart_policy: Some("Always".into()),
                tolerations: Some(vec![Toleration::default()]),
                volumes: Some(vec![Volume {
                    name: "data".into(),
                    empty_dir: Some(EmptyDirVolumeSource::default()),
                    ..Volume::default()
                }]),
                ..PodSpec::default()
            },
        )
}

fn condition() -> impl Strategy<Value = PodCondition> {
    (
        one_of(&["Ready", "ContainersReady", "PodScheduled"]),
        one_of(&["True", "False", "Unknown", "true"]),
        maybe(time()),
        maybe(text()),
    )
        .prop_map(|(type_, status, last_transition_time, message)| PodCondition {
            type_,
            status,
            last_transition_time,
            message,
            ..PodCondition::default()
        })
}

fn status() -> impl Strategy<Value = PodStatus> {
    (
        maybe(one_of(&[
            "Pending",
            "Running",
            "Succeeded",
            "Failed",
            "Unknown",
            "Paused",
        ])),
        list(condition()),
        maybe(address()),
        list(address().prop_map(|ip| PodIP { ip })),
        any::<bool>(),
    )
        .prop_map(|(phase, conditions, pod_ip, pod_ips, running)| PodStatus {
            phase,
            conditions,
            pod_ip,
            pod_ips,
            host_ip: Some("192.0.2.1".into()),
            container_statuses: running.then(|| {
                vec![ContainerStatus {
                    name: "c".into(),
                    ready: true,
                    state: Some(ContainerState {
                        running: Some(ContainerStateRunning::default()),
                        ..ContainerState::default()
                    }),
                    ..ContainerStatus::default()
                }]
            }),
            ..PodStatus::default()
        })
}

pub(crate) fn pod() -> impl Strategy<Value = Pod> {
    (metadata(strings(), strings()), maybe(spec()), maybe(status())).prop_map(|(metadata, spec, status)| {
        Pod {
            metadata,
            spec,
            status,
        }
    })
}
