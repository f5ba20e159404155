//! `flowforge:connector/http`: one request of plain records, one response.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::mpsc;
use url::Url;

use super::artefacts::{ArtefactReader, ArtefactWriter};
use super::bindings::flowforge::connector::artefacts::ArtefactError as WitArtefactError;
use super::bindings::flowforge::connector::http as wit;
use crate::egress::{
    Answer, Attachment, EgressError, Outbound, Placement, Plain, retry_after_ms, send, send_and_follow,
};
use crate::limits::REDIRECTS_MAX;
use crate::services::Exchange;
use crate::state::StepState;
use crate::step::StepShared;

/// Longest address.
const URL_BYTES_MAX: usize = 8 << 10;

/// How much of an artefact is read ahead while it is sent.
const SEND_PIECE_BYTES: usize = 64 << 10;

type RequestBody = UnsyncBoxBody<Bytes, std::io::Error>;

impl wit::Host for StepState {
    async fn send(
        &mut self,
        request: wit::Request,
    ) -> wasmtime::Result<Result<wit::Response, wit::SendError>> {
        Ok(Err(match exchange(&self.step, request).await {
            Ok(response) => return Ok(Ok(response)),
            Err(EgressError::Ended) => {
                return Err(wasmtime::Error::msg(
                    "the step was ended before the request was sent",
                ));
            }
            Err(EgressError::DestinationDenied(reason)) => wit::SendError::DestinationDenied(reason),
            Err(EgressError::SecretDenied(reason)) => wit::SendError::SecretDenied(reason),
            Err(EgressError::InvalidRequest(reason)) => wit::SendError::InvalidRequest(reason),
            Err(EgressError::BodyUnavailable(reason)) => wit::SendError::BodyUnavailable(reason),
            Err(EgressError::Unreachable(reason)) => wit::SendError::Unreachable(reason),
            Err(EgressError::TimedOut(reason)) => wit::SendError::TimedOut(reason),
            Err(EgressError::TooLarge(limit)) => wit::SendError::TooLarge(limit),
            Err(EgressError::Malformed(reason)) => wit::SendError::MalformedResponse(reason),
            Err(EgressError::NotKept(reason)) => wit::SendError::NotKept(reason),
            Err(EgressError::Storage(reason)) => wit::SendError::Storage(reason),
            Err(EgressError::Redirect(reason)) => wit::SendError::Redirect(reason),
        }))
    }

    fn decode_text(
        &mut self,
        bytes: Vec<u8>,
        content_type: Option<String>,
    ) -> wasmtime::Result<Result<String, wit::TextError>> {
        Ok(super::text::decode(
            &bytes,
            content_type.as_deref(),
            self.step.limits.body_bytes,
        ))
    }
}

async fn exchange(step: &StepShared, request: wit::Request) -> Result<wit::Response, EgressError> {
    let save_as = request.save_as.clone();
    let watched = step.services.watches_exchanges().then(|| sent(&request));
    let mut answer = answer(step, request).await?;
    let status = answer.response.status();
    let retry_after_ms = retry_after_ms(answer.response.headers(), step.services.now_ms());
    let body = match save_as {
        Some(name) if status.is_success() => saved_body(step, &mut answer, name).await?,
        _ => memory_body(step, &mut answer).await?,
    };
    let response = wit::Response {
        status: status.as_u16(),
        headers: guest_headers(answer.response.headers()),
        body,
        url: step.redactor.text(answer.url.as_str()).into_owned(),
        retry_after_ms,
    };
    if let Some(sent) = watched {
        step.services.exchanged(exchanged(step, sent, &response));
    }
    Ok(response)
}

/// A request as it is recorded, still without its answer.
fn sent(request: &wit::Request) -> Exchange {
    let in_memory = |body: &wit::Body| match body {
        wit::Body::Bytes(bytes) => Some(bytes.clone()),
        wit::Body::Artefact(_) => None,
    };
    Exchange {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: pairs(&request.headers),
        slot: request.auth.as_ref().map(|auth| auth.slot.clone()),
        body: request.body.as_ref().and_then(in_memory),
        status: 0,
        answer_headers: Vec::new(),
        answer: None,
    }
}

/// The request with its answer. A service may have given a secret back; its value is taken out.
fn exchanged(step: &StepShared, sent: Exchange, response: &wit::Response) -> Exchange {
    let clean = |text: String| step.redactor.text(&text).into_owned();
    let answer = match &response.body {
        wit::Body::Bytes(bytes) => Some(match std::str::from_utf8(bytes) {
            Ok(text) => step.redactor.text(text).into_owned().into_bytes(),
            Err(_) => bytes.clone(),
        }),
        wit::Body::Artefact(_) => None,
    };
    Exchange {
        status: response.status,
        answer_headers: pairs(&response.headers)
            .into_iter()
            .map(|(name, value)| (name, clean(value)))
            .collect(),
        answer,
        ..sent
    }
}

fn pairs(fields: &[wit::Header]) -> Vec<(String, String)> {
    let pair = |field: &wit::Header| (field.name.to_ascii_lowercase(), field.value.clone());
    fields.iter().map(pair).collect()
}

/// The head of the response, from wherever redirects led.
async fn answer(step: &StepShared, request: wit::Request) -> Result<Answer, EgressError> {
    let redirects_max = request.redirects_max.unwrap_or(0);
    if redirects_max > REDIRECTS_MAX {
        return Err(EgressError::InvalidRequest(format!(
            "{redirects_max} redirects, at most {REDIRECTS_MAX} are followed"
        )));
    }
    let has_body = request.body.is_some();
    let (outbound, pump) = outbound(step, request).await?;
    if redirects_max > 0 {
        if has_body {
            return Err(EgressError::InvalidRequest(
                "redirects are followed only for requests without a body".to_owned(),
            ));
        }
        let plain = Plain {
            method: outbound.method,
            url: outbound.url,
            headers: outbound.headers,
            auth: outbound.auth,
            timeout: outbound.timeout,
        };
        return send_and_follow(step, plain, redirects_max, empty_body).await;
    }
    // An artefact is read while it is sent; both end together.
    match pump {
        None => send(step, outbound).await,
        Some(pump) => {
            let sending = send(step, outbound);
            tokio::pin!(sending);
            tokio::select! {
                answer = &mut sending => answer,
                () = pump.run(step) => sending.await,
            }
        }
    }
}

async fn outbound(
    step: &StepShared,
    request: wit::Request,
) -> Result<(Outbound<RequestBody>, Option<Pump>), EgressError> {
    let invalid = |reason: String| EgressError::InvalidRequest(reason);
    if request.url.len() > URL_BYTES_MAX {
        return Err(invalid(format!(
            "the address is longer than {URL_BYTES_MAX} bytes"
        )));
    }
    let method = http::Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid(format!("`{}` is not a method", request.method)))?;
    let url = Url::parse(&request.url)
        .map_err(|error| invalid(format!("`{}` is not an address: {error}", request.url)))?;
    let headers = host_headers(step, &request.headers)?;
    let (body, pump) = match request.body {
        None => (empty_body(), None),
        Some(wit::Body::Bytes(bytes)) => (memory_request_body(step, bytes)?, None),
        Some(wit::Body::Artefact(artefact)) => {
            let reader = ArtefactReader::open(step, &artefact.digest)
                .await
                .map_err(unsent)?;
            let (body, pump) = Pump::new(reader);
            (body, Some(pump))
        }
    };
    let outbound = Outbound {
        method,
        url,
        headers,
        body,
        auth: request.auth.map(attachment),
        timeout: request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms))),
        decodes: true,
    };
    Ok((outbound, pump))
}

fn host_headers(step: &StepShared, fields: &[wit::Header]) -> Result<HeaderMap, EgressError> {
    let invalid = |reason: String| EgressError::InvalidRequest(reason);
    if fields.len() > step.limits.header_count {
        return Err(invalid(format!(
            "{} header fields, at most {} are allowed",
            fields.len(),
            step.limits.header_count
        )));
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name =
            name.map_err(|_| invalid(format!("`{}` is not a header name", field.name.escape_debug())))?;
        if name == http::header::CONTENT_LENGTH {
            // The host knows the length better.
            continue;
        }
        let value = HeaderValue::from_bytes(field.value.as_bytes());
        let value =
            value.map_err(|_| invalid(format!("header `{name}` has a value with control characters")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The fields as text. A value that is not UTF-8 is ISO-8859-1, in which every byte is a character.
fn guest_headers(headers: &HeaderMap) -> Vec<wit::Header> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| wit::Header {
        name: name.as_str().to_owned(),
        value: match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => text.to_owned(),
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
        },
    };
    headers.iter().map(field).collect()
}

fn attachment(auth: wit::Auth) -> Attachment {
    let placement = match auth.placement {
        wit::Placement::Bearer => Placement::Bearer,
        wit::Placement::Basic(user) => Placement::Basic(user),
        wit::Placement::Header(place) => Placement::Header {
            name: place.name,
            prefix: place.prefix,
        },
        wit::Placement::Query(name) => Placement::Query(name),
    };
    Attachment {
        slot: auth.slot,
        placement,
    }
}

fn empty_body() -> RequestBody {
    Full::new(Bytes::new())
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn memory_request_body(step: &StepShared, bytes: Vec<u8>) -> Result<RequestBody, EgressError> {
    if bytes.len() > step.limits.body_bytes {
        return Err(EgressError::InvalidRequest(format!(
            "a body of {} bytes, at most {} may be in memory; send an artefact",
            bytes.len(),
            step.limits.body_bytes
        )));
    }
    Ok(Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync())
}

async fn memory_body(step: &StepShared, answer: &mut Answer) -> Result<wit::Body, EgressError> {
    let mut body = answer.body(step, step.limits.body_bytes as u64)?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(wit::Body::Bytes(bytes))
}

async fn saved_body(step: &StepShared, answer: &mut Answer, name: String) -> Result<wit::Body, EgressError> {
    let told = answer
        .response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = told
        .filter(|text| !text.is_empty() && text.len() <= 255)
        .unwrap_or("application/octet-stream")
        .to_owned();
    let mut writer = ArtefactWriter::begin(step, name, media_type)
        .await
        .map_err(unkept)?;
    let mut body = answer.body(step, step.limits.artefact_bytes)?;
    while let Some(piece) = body.next().await? {
        writer.append(&piece).await.map_err(unkept)?;
    }
    writer.close(step).await.map(wit::Body::Artefact).map_err(unkept)
}

/// Why an artefact cannot be sent. Nothing has left the host yet.
fn unsent(error: WitArtefactError) -> EgressError {
    match error {
        WitArtefactError::Storage(reason) => EgressError::BodyUnavailable(reason),
        WitArtefactError::TooLarge(limit) => {
            EgressError::InvalidRequest(format!("the body is larger than {limit} bytes"))
        }
        WitArtefactError::NotGranted(reason)
        | WitArtefactError::Invalid(reason)
        | WitArtefactError::Quota(reason)
        | WitArtefactError::HoldsSecret(reason) => EgressError::InvalidRequest(reason),
    }
}

/// Why a response is not stored. The request was sent and answered: nothing here may say otherwise.
fn unkept(error: WitArtefactError) -> EgressError {
    match error {
        WitArtefactError::Storage(reason) => EgressError::Storage(reason),
        WitArtefactError::TooLarge(limit) => EgressError::TooLarge(limit),
        WitArtefactError::HoldsSecret(secret) => {
            EgressError::NotKept(format!("the response holds the value of secret `{secret}`"))
        }
        WitArtefactError::NotGranted(reason)
        | WitArtefactError::Invalid(reason)
        | WitArtefactError::Quota(reason) => EgressError::NotKept(reason),
    }
}

/// Feeds an artefact into a request body, piece by piece.
struct Pump {
    reader: ArtefactReader,
    pieces: mpsc::Sender<std::io::Result<Bytes>>,
}

impl Pump {
    fn new(reader: ArtefactReader) -> (RequestBody, Self) {
        // One piece on its way, one being read; a slow receiver makes the reading wait.
        let (pieces, receiver) = mpsc::channel(1);
        let body = StreamBody::new(Pieces(receiver)).boxed_unsync();
        (body, Self { reader, pieces })
    }

    async fn run(mut self, step: &StepShared) {
        loop {
            step.sign_of_life();
            let piece = match self.reader.next(SEND_PIECE_BYTES).await {
                Ok(bytes) if bytes.is_empty() => return,
                Ok(bytes) => Ok(Bytes::from(bytes)),
                Err(_) => Err(std::io::Error::other("the artefact cannot be read")),
            };
            let broken = piece.is_err();
            if self.pieces.send(piece).await.is_err() || broken {
                return;
            }
        }
    }
}

/// The receiving end as a stream of frames.
struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl futures::Stream for Pieces {
    type Item = std::io::Result<http_body::Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }
}
