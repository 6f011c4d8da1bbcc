//! Objects of all kinds that scenarios hold.

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// What tells one object from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for what is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of an object of type `T`.
    pub fn of<T: Typed>(namespace: &str, name: &str) -> Self {
        Self {
            kind: T::KIND,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `namespace/name`, or the name alone.
    pub fn path(&self) -> String {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", self.namespace, self.name)
    }
}

/// A type of the Kubernetes API that scenarios hold objects of.
pub trait Typed: Sized + 'static {
    /// Its kind.
    const KIND: Kind;

    /// The object, where it is of this type.
    fn of(object: &Object) -> Option<&Self>;

    /// As [`Self::of`], to be changed.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// Kinds of objects, in the order in which they come into a cluster: what others name comes before them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The kind's name in the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }

        /// An object of any of these kinds.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object { $($(#[$doc])* $kind(Box<$kind>),)* }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata,)* }
            }

            /// Its metadata, to be changed.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => &mut object.metadata,)* }
            }

            /// The object in its JSON form.
            pub fn to_json(&self) -> Value {
                match self { $(Self::$kind(object) => serde_json::to_value(object).unwrap_or(Value::Null),)* }
            }
        }

        $(
            impl Typed for $kind {
                const KIND: Kind = Kind::$kind;

                fn of(object: &Object) -> Option<&Self> {
                    if let Object::$kind(object) = object { Some(object) } else { None }
                }

                fn of_mut(object: &mut Object) -> Option<&mut Self> {
                    if let Object::$kind(object) = object { Some(object) } else { None }
                }
            }

            impl From<$kind> for Object {
                fn from(object: $kind) -> Self {
                    Self::$kind(Box::new(object))
                }
            }
        )*
    };
}

kinds! {
    /// A node.
    Node,
    /// A ServiceCIDR.
    ServiceCIDR,
    /// A Service.
    Service,
    /// An address of a Service, which is the API server's to make.
    IPAddress,
    /// Endpoints.
    Endpoints,
    /// An EndpointSlice that no controller keeps.
    EndpointSlice,
    /// A Pod.
    Pod,
}

impl Object {
    /// What tells it from all others.
    pub fn key(&self) -> Key {
        let metadata = self.metadata();
        Key {
            kind: self.kind(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}
