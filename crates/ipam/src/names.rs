//! Names that users write.

use quaymaster_model::names::{ANNOTATION_NODE_PORT_POOL, ANNOTATION_POOL};

use crate::Class;

/// The annotation that names the pool for a sort of values.
pub(crate) fn annotation(class: Class) -> &'static str {
    match class {
        Class::V4 | Class::V6 => ANNOTATION_POOL,
        Class::Port => ANNOTATION_NODE_PORT_POOL,
    }
}
