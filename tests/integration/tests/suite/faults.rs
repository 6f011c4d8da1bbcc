//! Servers that stop, hang or refuse.

use std::time::Duration;

use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::{Builder, ControlPlane, eventually};
use serde_json::json;

use crate::harness::{
    ALL_RULES, Cluster, LATER, Manager, Minor, Proxy, SOON, Test, USER, alone_on_each_minor, get, grant,
};

alone_on_each_minor!(
    after_a_restart_of_the_apiserver_it_goes_on_and_writes_nothing_needless,
    after_a_hanging_apiserver_it_goes_on_and_writes_nothing_needless,
    a_deletion_missed_past_the_apiservers_memory_is_found_by_a_new_list,
    a_deletion_missed_behind_a_compaction_of_etcd_is_found_by_a_new_list,
    a_missing_permission_to_read_is_named_and_healed_without_a_restart,
    a_missing_permission_to_write_is_named_and_healed_without_a_restart,
);

/// A cluster of the test's own with two Services served: `web` with the Pods `a` and `b`, and `still` with `s`.
async fn served(minor: Minor) -> (Test, Manager) {
    served_by(minor, |builder| builder).await
}

/// As [`served`], with further settings of the control plane.
async fn served_by(minor: Minor, settings: impl FnOnce(Builder) -> Builder) -> (Test, Manager) {
    // The handle has to outlive what borrows from it, as the shared clusters do; its servers end with the process.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(minor, settings).await));
    let manager = cluster.manager().await;
    let t = Test::new(cluster, "fault").await;
    for (service, pods) in [("web", &["a", "b"][..]), ("still", &["s"])] {
        t.service(service).create(&t.client).await.unwrap();
        for pod in pods {
            t.pod(pod, service).create(&t.client).await.unwrap();
        }
    }
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    t.expect("still", ["IPv4 http:8080 = s"]).await;
    (t, manager)
}

/// Writes of slices by the binary since, of all namespaces, once there are no more.
async fn writes(plane: &ControlPlane, since: Mark) -> Vec<Entry> {
    let ours = |entry: &Entry| {
        entry.user.username == USER
            && entry.is_write()
            && entry.is_complete()
            && entry.resource() == "endpointslices"
    };
    plane
        .audit()
        .wait_quiet(since, Duration::from_secs(3), LATER, ours)
        .await
        .unwrap()
}

async fn after_a_restart_of_the_apiserver_it_goes_on_and_writes_nothing_needless(minor: Minor) {
    let (t, manager) = served(minor).await;
    let plane = &t.cluster.plane;
    let mark = t.mark();
    // Takes 15 s: the apiserver does not end while watches are open, and is killed then.
    plane.restart_apiserver().await.unwrap();
    t.ready("a", false).await;
    t.expect("web", ["IPv4 http:8080 = a-unready b"]).await;
    // Now without a word: connections break.
    plane.kill_apiserver().await.unwrap();
    plane.start_apiserver().await.unwrap();
    // Not a deletion: that the Pod ends and that it is gone are two changes, which may be seen and written one by one.
    t.ready("b", false).await;
    t.expect("web", ["IPv4 http:8080 = a-unready b-unready"]).await;
    let writes = writes(plane, mark).await;
    assert_eq!(writes.len(), 2, "one write for each change: {writes:#?}");
    eventually(LATER, "to be ready", async || {
        get(manager.port, "/readyz")
            .await
            .is_some_and(|(status, _)| status == 200)
    })
    .await;
    end(manager).await;
}

async fn after_a_hanging_apiserver_it_goes_on_and_writes_nothing_needless(minor: Minor) {
    let (t, manager) = served(minor).await;
    let plane = &t.cluster.plane;
    let mark = t.mark();
    // A change under way while the apiserver stops answering.
    t.ready("a", false).await;
    plane.pause_apiserver().await.unwrap();
    // The fault itself: there is nothing to wait for while nobody answers.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(
        get(manager.port, "/livez")
            .await
            .is_some_and(|(status, _)| status == 200),
        "{}",
        manager.log()
    );
    plane.resume_apiserver().await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a-unready b"]).await;
    t.ready("b", false).await;
    t.expect("web", ["IPv4 http:8080 = a-unready b-unready"]).await;
    let writes = writes(plane, mark).await;
    // A write that was given up may have happened; then its repetition is refused by its precondition.
    let stored = writes.iter().filter(|entry| entry.code() < 300).count();
    assert!(stored == 2 && writes.len() <= 4, "{writes:#?}");
    end(manager).await;
}

async fn a_deletion_missed_past_the_apiservers_memory_is_found_by_a_new_list(minor: Minor) {
    let (t, manager) = served(minor).await;
    end(manager).await;
    let plane = &t.cluster.plane;
    let proxy = Proxy::to(&plane.server_url()).await;
    let manager = Manager::start(plane, &proxy.kubeconfig(&t.cluster.kubeconfig), &[]).await;
    let mark = t.mark();
    proxy.cut();
    t.remove("a").await;
    t.delete_service("still").await;
    t.remove("s").await;
    // A new apiserver's memory of changes begins after these.
    plane.restart_apiserver().await.unwrap();
    t.pod("c", "web").create(&t.client).await.unwrap();
    proxy.join();
    t.expect("web", ["IPv4 http:8080 = b c"]).await;
    caught_up(writes(plane, mark).await);
    end(manager).await;
}

/// How often a slice may be made whose Service is gone. One kind comes back at most six seconds after another: three are
/// the longest pause of a watch that does not reach the server, and it may take one before it connects and another one
/// before it reads a list. The pauses between repairs are 0.1 s, 0.2 s, 0.4 s and so on, so that the seventh write would
/// come after 6.3 s.
const MOST_MADE_AGAIN: usize = 6;

/// What was written once all came back was what had to be.
fn caught_up(writes: Vec<Entry>) {
    let (web, still): (Vec<_>, Vec<_>) = writes
        .into_iter()
        .partition(|entry| entry.name().starts_with("web-"));
    assert!(web.len() <= 2, "{web:#?}");
    // That a slice went may be known before it is that its Service did. Then it is made again, and the garbage collector
    // deletes it again: less and less often, not at full speed.
    let all: Vec<_> = still
        .iter()
        .map(|entry| (entry.verb.as_str(), entry.code(), entry.name()))
        .collect();
    println!("writes for a Service that is gone: {all:?}");
    let stored = |of: &str| {
        let stored = all.iter().filter(|(verb, code, _)| *verb == of && *code < 300);
        stored.count()
    };
    assert!(stored("create") <= MOST_MADE_AGAIN, "{all:?}");
    // Its Pod may go between the two, once.
    assert!(stored("update") <= 1, "{all:?}");
    // An update is refused where the slice has gone meanwhile, and tried again after the same pauses until that is told.
    let refused = all
        .iter()
        .filter(|(verb, code, _)| *verb == "update" && *code >= 300);
    assert!(refused.count() <= MOST_MADE_AGAIN, "{all:?}");
    let other = all
        .iter()
        .filter(|(verb, code, _)| *verb != "update" && *code >= 300);
    assert_eq!(other.count(), 0, "{all:?}");
}

async fn a_deletion_missed_behind_a_compaction_of_etcd_is_found_by_a_new_list(minor: Minor) {
    // With its cache the apiserver would remember what etcd forgets.
    let (t, manager) = served_by(minor, |builder| {
        builder.extra_apiserver_args(["--watch-cache=false"])
    })
    .await;
    end(manager).await;
    let plane = &t.cluster.plane;
    let proxy = Proxy::to(&plane.server_url()).await;
    let manager = Manager::start(plane, &proxy.kubeconfig(&t.cluster.kubeconfig), &[]).await;
    let slice = t.slice("web").await;
    let mark = t.mark();
    proxy.cut();
    t.remove("a").await;
    t.delete_service("still").await;
    t.remove("s").await;
    t.pod("c", "web").create(&t.client).await.unwrap();
    plane.compact_etcd().await.unwrap();
    proxy.join();
    let web = t.expect("web", ["IPv4 http:8080 = b c"]).await;
    assert_eq!(web[0].metadata.uid, slice.metadata.uid, "written in place");
    caught_up(writes(plane, mark).await);
    t.expect_slices("still", "no slices", |slices| match slices {
        [] => Ok(()),
        slices => Err(format!("{}", slices.len())),
    })
    .await;
    // It was the compaction that was met, and not just a connection that broke.
    for kind in ["pods", "services"] {
        let metric = format!("quaymaster_watch_failures_total{{kind=\"{kind}\",cause=\"expired\"}} ");
        // One kind may come back later than another.
        eventually(LATER, &metric, async || {
            let (_, metrics) = get(manager.port, "/metrics").await.ok_or("no answer")?;
            let count = metrics.lines().find_map(|line| line.strip_prefix(&metric));
            if count.is_some_and(|count| count != "0") {
                Ok(())
            } else {
                Err(metrics)
            }
        })
        .await;
    }
    end(manager).await;
}

/// Waits until one line of the log has all the words, and gives it.
async fn expect_line(manager: &Manager, words: &[&str]) -> String {
    eventually(SOON, &format!("a log line with {words:?}"), async || {
        let log = manager.log();
        let line = log
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned);
        line.ok_or_else(|| log.lines().rev().take(5).collect::<Vec<_>>().join("\n"))
    })
    .await
}

async fn a_missing_permission_to_read_is_named_and_healed_without_a_restart(minor: Minor) {
    let (t, manager) = served(minor).await;
    end(manager).await;
    for (number, resource) in ["services", "pods", "nodes", "endpointslices"]
        .into_iter()
        .enumerate()
    {
        for verb in ["list", "watch"] {
            grant(&t.client, &ALL_RULES, Some((resource, verb))).await;
            let manager = Manager::launch(&t.cluster.plane, &t.cluster.kubeconfig, &[]);
            let line = expect_line(
                &manager,
                &["does not allow", &format!("\"verb\":\"{verb}\""), resource],
            )
            .await;
            assert!(
                line.contains("\"level\":\"ERROR\"") && line.contains(&format!("does not allow {USER} to")),
                "{line}"
            );
            // Not by the check at the start alone: by what was refused, too. A streaming list needs no `list`. That 1.33 has no
            // streaming lists, it says with "Forbidden" as well.
            if verb == "watch" || minor == Minor::V1_33 {
                expect_line(&manager, &["watch failed", "orbidden", resource]).await;
                eventually(SOON, "the reason why it is not ready", async || {
                    let checks = get(manager.port, "/readyz?verbose").await.ok_or("no answer")?.1;
                    let check = checks.lines().find(|line| line.contains(resource));
                    let is_told = |check: &str| {
                        check.starts_with("[-]") && check.contains("forbidden") && check.contains(USER)
                    };
                    if check.is_some_and(is_told) {
                        Ok(())
                    } else {
                        Err(checks)
                    }
                })
                .await;
            }
            grant(&t.client, &ALL_RULES, None).await;
            let app = format!("new-{number}-{verb}");
            t.service(&app).create(&t.client).await.unwrap();
            t.pod(&app, &app).create(&t.client).await.unwrap();
            t.expect(&app, [&format!("IPv4 http:8080 = {app}")]).await;
            eventually(LATER, "to be ready", async || {
                get(manager.port, "/readyz")
                    .await
                    .is_some_and(|(status, _)| status == 200)
            })
            .await;
            end(manager).await;
        }
    }
}

async fn a_missing_permission_to_write_is_named_and_healed_without_a_restart(minor: Minor) {
    let (t, manager) = served(minor).await;
    for verb in ["create", "update", "delete"] {
        grant(&t.client, &ALL_RULES, Some(("endpointslices", verb))).await;
        let done = format!("done-{verb}");
        match verb {
            "create" => drop(t.service(&done).create(&t.client).await.unwrap()),
            "update" => t.ready("a", false).await,
            _ => {
                // A copy of a slice has to go, or its original.
                let name = t.slice("still").await.metadata.name.unwrap();
                let mut copy = t.endpoint_slices().get(&name).await.unwrap();
                copy.metadata.name = Some("a-copy".to_owned());
                copy.metadata.resource_version = None;
                copy.metadata.uid = None;
                t.endpoint_slices()
                    .create(&kube::api::PostParams::default(), &copy)
                    .await
                    .unwrap();
            }
        }
        let line = expect_line(&manager, &["orbidden", verb, "endpointslices"]).await;
        assert!(!line.contains("\"level\":\"DEBUG\""), "{line}");
        let service = match verb {
            "create" => done.as_str(),
            "update" => "web",
            _ => "still",
        };
        t.expect_event(service, "FailedToUpdateEndpointSlices", verb)
            .await;
        grant(&t.client, &ALL_RULES, None).await;
        match verb {
            "create" => drop(t.expect(&done, ["IPv4 - = none"]).await),
            "update" => drop(t.expect("web", ["IPv4 http:8080 = a-unready b"]).await),
            _ => drop(t.expect("still", ["IPv4 http:8080 = s"]).await),
        }
    }
    t.patch_service("web", json!({"metadata": {"labels": {"last": "one"}}}))
        .await;
    t.expect_slices("web", "the label", |slices| {
        let there = slices.iter().all(|slice| {
            slice
                .metadata
                .labels
                .as_ref()
                .is_some_and(|labels| labels.contains_key("last"))
        });
        if there {
            Ok(())
        } else {
            Err("not there".to_owned())
        }
    })
    .await;
    end(manager).await;
}

/// The binary is still in order: it ends on request, and nothing in it broke.
async fn end(manager: Manager) {
    assert!(!manager.log().contains("panicked"), "{}", manager.log());
    manager.stop().await;
}
