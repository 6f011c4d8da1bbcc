//! Names that users write.

use crate::Class;

/// Annotation of a Service: the ServiceIPPool that its ClusterIPs are to come from.
pub const ANNOTATION_POOL: &str = "quaymaster.io/pool";
/// Annotation of a Service: the NodePortPool that its node ports are to come from.
pub const ANNOTATION_NODE_PORT_POOL: &str = "quaymaster.io/nodeport-pool";

/// The annotation that names the pool for a sort of values.
pub fn annotation(class: Class) -> &'static str {
    match class {
        Class::V4 | Class::V6 => ANNOTATION_POOL,
        Class::Port => ANNOTATION_NODE_PORT_POOL,
    }
}
