//! Which ServiceCIDR has to stay for which addresses.

use std::collections::HashMap;

use quaymaster_model::{IpAddressRecord, ObjectKey, ServiceCidrRecord};

use crate::ranges;

/// For how many addresses each ServiceCIDR that is being deleted has to stay. Kept up to date as addresses come and go;
/// counted anew, when somebody asks, after ServiceCIDRs changed, which is rare.
#[derive(Debug, Default)]
pub struct Blockers {
    /// None where it has to be counted anew.
    counts: Option<HashMap<ObjectKey, usize>>,
}

impl Blockers {
    /// A ServiceCIDR came, changed or went.
    pub fn forget(&mut self) {
        self.counts = None;
    }

    /// An IPAddress came (or went, if not `there`). Returns the ServiceCIDR that has to stay from now on, or may go now,
    /// for it.
    pub fn address_changed<'a>(
        &mut self,
        cidrs: impl Iterator<Item = &'a ServiceCidrRecord>,
        address: &IpAddressRecord,
        there: bool,
    ) -> Option<ObjectKey> {
        let counts = self.counts.as_mut()?;
        let cidr = responsible(cidrs, address)?;
        let count = counts.entry(cidr.clone()).or_default();
        let before = *count;
        *count = if there {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        ((before == 0) != (*count == 0)).then(|| cidr.clone())
    }

    /// Whether a ServiceCIDR has to stay.
    pub fn holds<'a>(
        &mut self,
        cidr: &ObjectKey,
        cidrs: impl Iterator<Item = &'a ServiceCidrRecord>,
        addresses: impl Iterator<Item = &'a IpAddressRecord>,
    ) -> bool {
        let counts = self.counts.get_or_insert_with(|| {
            let cidrs: Vec<&ServiceCidrRecord> = cidrs.collect();
            let mut counts = HashMap::new();
            for cidr in addresses.filter_map(|address| responsible(cidrs.iter().copied(), address)) {
                *counts.entry(cidr.clone()).or_default() += 1;
            }
            counts
        });
        counts.get(cidr).is_some_and(|count| *count > 0)
    }
}

/// The ServiceCIDR that has to stay for this address, of those that are being deleted: none while another one has the
/// address as well, else the first of them by name.
///
/// Upstream asks each by itself, and takes those that are being deleted for others that have the address: two equal ones
/// that are deleted together both go, and leave the address without a range
/// (`pkg/controller/servicecidrs/servicecidrs_controller.go`, `canDeleteCIDR`). Its question whether another
/// ServiceCIDR contains the whole range has the same answer as this one for each address in it.
fn responsible<'a>(
    cidrs: impl Iterator<Item = &'a ServiceCidrRecord>,
    address: &IpAddressRecord,
) -> Option<&'a ObjectKey> {
    // Those of others are not given out by the apiserver, which is all that a range is for.
    if !address.is_of_allocator() || address.labelled_family().is_none() {
        return None;
    }
    let ip = address.address?;
    let mut first: Option<&ServiceCidrRecord> = None;
    for cidr in cidrs.filter(|cidr| ranges::is_in(cidr, ip)) {
        cidr.deleted?;
        if first.is_none_or(|first| cidr.key < first.key) {
            first = Some(cidr);
        }
    }
    first.map(|cidr| &cidr.key)
}
