//! Making failures: the constructors of [`Failure`], and what other errors become.

use std::fmt;
use std::io;

use crate::bindings::flowforge::connector::artefacts::ArtefactError;
use crate::bindings::flowforge::connector::http::SendError;
use crate::{Failure, InvalidInput, Rejection, Throttle};

impl Failure {
    /// Final: the input at `path` is wrong; `message` says what would be right.
    #[must_use]
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(InvalidInput {
            path: path.into(),
            message: message.into(),
        })
    }

    /// Final: the service understood and refused, with its stable code.
    #[must_use]
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Rejected(Rejection {
            code: code.into(),
            message: message.into(),
        })
    }

    /// Retryable: the service asks for fewer requests and did nothing. Waits at least `retry_after_ms`, if it is known.
    #[must_use]
    pub fn throttled(message: impl Into<String>, retry_after_ms: Option<u32>) -> Self {
        Self::Throttled(Throttle {
            message: message.into(),
            retry_after_ms,
        })
    }

    /// Final: the connector itself is wrong.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into())
    }
}

impl From<ArtefactError> for Failure {
    fn from(error: ArtefactError) -> Self {
        match error {
            ArtefactError::NotGranted(message) => Self::Denied(message),
            ArtefactError::TooLarge(limit) => {
                Self::rejected("too_large", format!("the artefact is larger than {limit} bytes"))
            }
            ArtefactError::Invalid(message) => Self::internal(message),
            ArtefactError::Quota(message) => Self::rejected("quota", message),
            ArtefactError::HoldsSecret(secret) => Self::rejected(
                "holds_secret",
                format!("the content holds the value of secret `{secret}`"),
            ),
            ArtefactError::Storage(message) => Self::Unavailable(message),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::DestinationDenied(destination) => {
                Self::Denied(format!("this node may not reach {destination}"))
            }
            SendError::SecretDenied(message) => Self::Denied(message),
            SendError::InvalidRequest(message) => Self::internal(format!("request refused: {message}")),
            SendError::BodyUnavailable(message) | SendError::Unreachable(message) => {
                Self::Unavailable(message)
            }
            SendError::TimedOut(message) => Self::TimedOut(message),
            // The service has answered: only a repetition that is harmless may follow.
            SendError::Storage(message) => {
                Self::TimedOut(format!("the response came and could not be stored: {message}"))
            }
            SendError::MalformedResponse(message) => Self::rejected("malformed_response", message),
            SendError::NotKept(message) => Self::rejected("not_kept", message),
            SendError::Redirect(message) => Self::rejected("redirect", message),
            SendError::TooLarge(limit) => {
                Self::rejected("too_large", format!("the response is larger than {limit} bytes"))
            }
        }
    }
}

/// A failure that travelled through `io::Error`, as in the writers of other crates, comes out as it went in.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let message = error.to_string();
        match error
            .into_inner()
            .and_then(|inner| inner.downcast::<InFlight>().ok())
        {
            Some(failure) => failure.0,
            None => Self::internal(message),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(InFlight(failure))
    }
}

/// A failure inside an `io::Error`.
#[derive(Debug)]
struct InFlight(Failure);

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for InFlight {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_io_error() {
        let failure = Failure::throttled("slow down", Some(7));
        assert_eq!(Failure::from(io::Error::from(failure.clone())), failure);
    }

    #[test]
    fn a_foreign_io_error_is_internal() {
        let failure = Failure::from(io::Error::new(io::ErrorKind::InvalidData, "bad byte"));
        assert_eq!(failure, Failure::Internal("bad byte".into()));
    }
}
