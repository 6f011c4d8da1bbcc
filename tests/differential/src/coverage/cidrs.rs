//! Rules of the ServiceCIDR controller.

use k8s_openapi::api::networking::v1::ServiceCIDR;
use quaymaster_oracle::names::SERVICE_CIDR_FINALIZER;

use super::{Coverage, Rule};

impl Coverage {
    /// A write of the controller. `covered` says whether another ServiceCIDR holds its addresses, of which there are some.
    pub(crate) fn cidr(
        &mut self,
        old: Option<&ServiceCIDR>,
        new: &ServiceCIDR,
        released: bool,
        covered: bool,
        overlaps: bool,
    ) {
        let has = |cidr: &ServiceCIDR| {
            let mut finalizers = cidr.metadata.finalizers.iter().flatten();
            finalizers.any(|one| one == SERVICE_CIDR_FINALIZER)
        };
        self.count_if(has(new) && !old.is_some_and(has), Rule::CidrFinalizer);
        self.count_if(
            ready(new) == Some("True") && old.and_then(ready) != Some("True"),
            Rule::CidrReady,
        );
        self.count_if(
            ready(new) == Some("False") && old.and_then(ready) != Some("False"),
            Rule::CidrHeld,
        );
        self.count_if(released, Rule::CidrReleased);
        self.count_if(released && covered, Rule::CidrCovered);
        let ranges = new
            .spec
            .as_ref()
            .and_then(|spec| spec.cidrs.as_ref())
            .map_or(0, Vec::len);
        self.count_if(ranges > 1, Rule::CidrTwoFamilies);
        self.count_if(overlaps, Rule::CidrOverlap);
    }
}

/// The status of the condition `Ready`.
fn ready(cidr: &ServiceCIDR) -> Option<&str> {
    let mut conditions = cidr
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready")?;
    Some(&ready.status)
}
