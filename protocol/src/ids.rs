//! Identifiers: each a type of its own, so that two cannot be exchanged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {rule}")]
pub struct ParseIdError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

/// Crockford-like base 32 in lower case: no `i`, `l`, `o`, `u`, so that an identifier can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode_base32(bytes: [u8; 16]) -> String {
    let mut value = u128::from_be_bytes(bytes);
    let mut out = [b'0'; 26];
    for slot in out.iter_mut().rev() {
        let digit = usize::try_from(value & 31).unwrap_or(0);
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        value >>= 5;
    }
    // The first digit holds only 3 bits; rotate it to the end so that prefixes differ early.
    out.rotate_left(1);
    out.iter().copied().map(char::from).collect()
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// An identifier from 16 random bytes.
            #[must_use]
            pub fn from_entropy(bytes: [u8; 16]) -> Self {
                Self(encode_base32(bytes))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first characters, for people; `flowforge` accepts any unique prefix.
            #[must_use]
            pub fn short(&self) -> &str {
                self.0.get(..6).unwrap_or(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() == 26 && text.bytes().all(|b| ALPHABET.contains(&b)) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseIdError {
                        kind: $kind,
                        rule: "expected 26 characters of 0-9 and a-z without i, l, o, u",
                        text: text.chars().take(60).collect(),
                    })
                }
            }
        }

        string_id_traits!($name);
    };
}

macro_rules! string_id_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parse(deserializer)
            }
        }
    };
}

random_id!(
    /// One execution of a release with one input.
    RunId,
    "run id"
);
random_id!(
    /// One signed order to one host.
    JobId,
    "job id"
);
random_id!(
    /// One question to a person.
    ApprovalId,
    "approval id"
);
random_id!(
    /// One message to a run, such as a signal.
    MessageId,
    "message id"
);
random_id!(
    /// One request to a webhook.
    DeliveryId,
    "delivery id"
);
random_id!(
    /// One enrolled host.
    HostId,
    "host id"
);

/// What follows a node's id in the id of the step that takes back its effect.
const UNDO: &str = "~undo";
/// What follows a trigger's name in the id of the step that finds its events.
const TRIGGER: &str = "~trigger";

/// The id of a node in a workflow: `snake_case`, 1 to 64 bytes, beginning with a letter. The step that takes back a node's
/// effect has the same id and `~undo` behind it; the step that finds the events of a trigger has the trigger's name and
/// `~trigger` behind it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

impl NodeId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the step that takes back this node's effect.
    #[must_use]
    pub fn undo(&self) -> Self {
        if self.is_undo() {
            self.clone()
        } else {
            Self(format!("{}{UNDO}", self.0))
        }
    }

    /// The id of the node whose effect this step takes back, if it is such a step.
    #[must_use]
    pub fn undone(&self) -> Option<&str> {
        self.0.strip_suffix(UNDO)
    }

    /// Whether this is the step that takes back another node's effect.
    #[must_use]
    pub fn is_undo(&self) -> bool {
        self.0.ends_with(UNDO)
    }

    /// The id of the step that finds the events of the trigger of this name.
    ///
    /// # Errors
    /// The name is none that a trigger can have.
    pub fn of_trigger(name: &str) -> Result<Self, ParseIdError> {
        format!("{name}{TRIGGER}").parse()
    }

    /// The name of the trigger whose events this step finds, if it is such a step.
    #[must_use]
    pub fn trigger(&self) -> Option<&str> {
        self.0.strip_suffix(TRIGGER)
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let name = text.strip_suffix(UNDO).or_else(|| text.strip_suffix(TRIGGER));
        let name = name.unwrap_or(text);
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if starts && name.len() <= 64 && name.bytes().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError {
                kind: "node id",
                rule: "expected snake_case, beginning with a letter, at most 64 characters",
                text: text.chars().take(80).collect(),
            })
        }
    }
}

string_id_traits!(NodeId);

/// A step: a node and, inside `foreach`, the iteration indexes from the outside in.
///
/// Written `labels`, or `labels[3].label` for node `label` in the fourth round of `labels`. `path` pairs each
/// enclosing `foreach` node with its zero-based index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey {
    /// Enclosing loops, outermost first.
    pub path: Vec<(NodeId, u32)>,
    /// The node itself.
    pub node: NodeId,
}

impl StepKey {
    /// A step of a node outside any loop.
    #[must_use]
    pub fn top(node: NodeId) -> Self {
        Self {
            path: Vec::new(),
            node,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, index) in &self.path {
            write!(f, "{node}[{index}].")?;
        }
        write!(f, "{}", self.node)
    }
}

impl FromStr for StepKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError {
            kind: "step",
            rule: "expected `node` or `loop[index].node`",
            text: text.chars().take(80).collect(),
        };
        let mut path = Vec::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('.') {
            let (node, index) = head
                .strip_suffix(']')
                .and_then(|h| h.split_once('['))
                .ok_or_else(error)?;
            path.push((node.parse()?, index.parse().map_err(|_| error())?));
            rest = tail;
        }
        Ok(Self {
            path,
            node: rest.parse()?,
        })
    }
}

impl Serialize for StepKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parse(deserializer)
    }
}
