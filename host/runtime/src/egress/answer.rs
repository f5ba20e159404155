//! A response and the reading of its body, decoded and within bounds.

use bytes::{Buf as _, Bytes};
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::EgressError;
use super::decode::{Decoder, Undecodable};
use crate::step::StepShared;
use flowforge_connect::words::of_exchange;

/// A response whose body is still to be read. Dropping it closes the connection.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: JoinSet<()>,
    pub(crate) deadline: Instant,
    /// Who answered.
    pub(crate) url: Url,
}

impl From<Undecodable> for EgressError {
    fn from(error: Undecodable) -> Self {
        Self::Malformed(error.0)
    }
}

impl Answer {
    /// A reader of the body, decoded, of which at most `limit` bytes are taken before and after decoding. Takes the fields
    /// away that describe the encoded body.
    pub(crate) fn body<'a>(
        &'a mut self,
        step: &'a StepShared,
        limit: u64,
    ) -> Result<BodyReader<'a>, EgressError> {
        let fields: Vec<&str> = self
            .response
            .headers()
            .get_all(CONTENT_ENCODING)
            .iter()
            .map(|value| value.to_str().unwrap_or("?"))
            .collect();
        let decoder = Decoder::of(&fields.join(","))?;
        if !decoder.is_identity() {
            let headers = self.response.headers_mut();
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        Ok(BodyReader {
            answer: self,
            step,
            decoder,
            encoded: Bytes::new(),
            limit,
            encoded_left: limit,
            decoded_left: limit,
            is_over: false,
        })
    }
}

/// Reads a body piece by piece.
pub(crate) struct BodyReader<'a> {
    answer: &'a mut Answer,
    step: &'a StepShared,
    decoder: Decoder,
    encoded: Bytes,
    limit: u64,
    encoded_left: u64,
    decoded_left: u64,
    is_over: bool,
}

impl BodyReader<'_> {
    /// The next piece, decoded and never empty; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, EgressError> {
        if self.answer.response.body().size_hint().lower() > self.encoded_left {
            return Err(EgressError::TooLarge(self.limit));
        }
        loop {
            let mut piece = Vec::new();
            let taken = self.decoder.step(&self.encoded, &mut piece)?;
            self.encoded.advance(taken);
            if !piece.is_empty() {
                return self.counted(piece).map(Some);
            }
            if taken > 0 {
                continue;
            }
            if self.is_over {
                return Ok(None);
            }
            match self.frame().await? {
                Some(bytes) => {
                    self.encoded_left = self
                        .encoded_left
                        .checked_sub(bytes.len() as u64)
                        .ok_or(EgressError::TooLarge(self.limit))?;
                    self.encoded = bytes;
                }
                None => {
                    self.is_over = true;
                    let mut last = Vec::new();
                    self.decoder.finish(&mut last)?;
                    if !last.is_empty() {
                        return self.counted(last).map(Some);
                    }
                }
            }
        }
    }

    /// The piece, if it is within the bound.
    fn counted(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, EgressError> {
        let left = self.decoded_left.checked_sub(piece.len() as u64);
        self.decoded_left = left.ok_or(EgressError::TooLarge(self.limit))?;
        Ok(piece)
    }

    /// The next bytes from the line.
    async fn frame(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let body = self.answer.response.body_mut();
            let frame = tokio::time::timeout_at(self.answer.deadline, body.frame()).await;
            self.step.sign_of_life();
            match frame {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => return Err(of_exchange(&error).into()),
                Ok(None) => return Ok(None),
                Err(_) => {
                    return Err(EgressError::TimedOut(
                        "the response did not end in time".to_owned(),
                    ));
                }
            }
        }
    }
}
