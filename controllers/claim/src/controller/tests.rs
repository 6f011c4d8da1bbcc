use std::sync::Arc;

use quaymaster_api::AllocationClaimSpec;
use quaymaster_model::{CustomRecord, ResourceVersion, Uid};
use quaymaster_world::Change;

use super::*;

fn claim(name: &str, service: Option<&str>) -> AllocationClaimRecord {
    let spec = AllocationClaimSpec {
        namespace: "team".to_owned(),
        name: service.map(str::to_owned),
        generate_name: None,
        request_uid: "r".to_owned(),
        replica: "a".to_owned(),
        seconds_to_live: 75,
    };
    CustomRecord {
        key: ObjectKey::new(Text::new(""), Text::new(name)),
        uid: Uid::new("u"),
        resource_version: ResourceVersion::new("1"),
        generation: 1,
        created: Some(Timestamp(1000)),
        deleted: None,
        finalizers: Vec::new(),
        spec: Arc::new(spec),
        status: serde_json::from_str("null").map(Arc::new).unwrap(),
    }
}

#[test]
fn what_another_replica_has_claimed_is_kept_off_until_it_is_given_back() {
    let index = Shared::default();
    let mut controller = ClaimController::new(Arc::clone(&index), Instant::now);
    let (world, mut dirty) = (World::new(), Dirty::default());
    let address: std::net::IpAddr = "10.0.0.7".parse().unwrap();
    let claims = [
        claim("v4-0a000007", Some("web")),
        claim("np-30053", None),
        claim("nonsense", None),
    ];
    for claim in &claims {
        let claim = Arc::new(claim.clone());
        let change = Change::Added(&claim);
        let origin = quaymaster_world::Origin::Watch;
        controller.on(&world, &Delta::AllocationClaim { change, origin }, &mut dirty);
    }
    assert_eq!(dirty.marked().count(), 3);
    let owner = Owner::Named(ObjectKey::new(Text::new("team"), Text::new("web")));
    assert_eq!(
        lock(&index).addresses.holder(address.into()),
        Some(Holder::Pending(&owner))
    );
    let request = Owner::Request("r".to_owned());
    assert_eq!(
        lock(&index).ports.holder(Value::port(30_053)),
        Some(Holder::Pending(&request))
    );
    let gone = Arc::new(claims[0].clone());
    let (change, origin) = (Change::Removed(&gone), quaymaster_world::Origin::Watch);
    controller.on(&world, &Delta::AllocationClaim { change, origin }, &mut dirty);
    assert_eq!(lock(&index).addresses.holder(address.into()), None);
}
