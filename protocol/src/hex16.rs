//! Sixteen bytes with one spelling: 32 lower-case hexadecimal digits.

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 lower-case hexadecimal digits")]
pub struct ParseHexError;

pub(crate) fn parse(text: &str) -> Result<[u8; 16], ParseHexError> {
    crate::hex_array(text).ok_or(ParseHexError)
}

/// A newtype of sixteen random bytes, written in hexadecimal.
macro_rules! hex16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The one with these random bytes.
            #[must_use]
            pub fn from_entropy(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(crate::hex_text(&self.0, &mut [0; 32]))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::hex16::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                crate::hex16::parse(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parse(deserializer)
            }
        }
    };
}
pub(crate) use hex16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_spelling() {
        let text = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(parse(text).unwrap()[15], 15);
        let long = format!("{text}00");
        for wrong in [
            "",
            "00",
            text.to_uppercase().as_str(),
            long.as_str(),
            "zz0102030405060708090a0b0c0d0e0f",
        ] {
            assert_eq!(parse(wrong), Err(ParseHexError), "{wrong}");
        }
    }
}
