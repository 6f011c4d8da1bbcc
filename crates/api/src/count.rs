//! Numbers of addresses.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::schema::CountText;

/// A number of addresses; text in JSON, where numbers beyond 2^53 are not exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u128);

impl Display for Count {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

impl From<u128> for Count {
    fn from(number: u128) -> Self {
        Self(number)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::invalid_value(de::Unexpected::Str(&text), &"digits of a number of addresses")
        })
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        CountText::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_64_bits_is_kept_as_text() {
        let count = Count(1 << 64);
        let text = serde_json::to_string(&count).unwrap();
        assert_eq!(text, "\"18446744073709551616\"");
        assert_eq!(serde_json::from_str::<Count>(&text).unwrap(), count);
    }

    #[test]
    fn what_is_no_number_is_named_in_the_error() {
        let error = serde_json::from_str::<Count>("\"many\"").unwrap_err().to_string();
        assert!(
            error.contains("\"many\"") && error.contains("number of addresses"),
            "{error}"
        );
    }
}
