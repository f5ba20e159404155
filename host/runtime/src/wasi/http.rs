//! `wasi:http/outgoing-handler`: the standard door, for components that know nothing of FlowForge.
//!
//! The guest cannot name a slot here, so the host attaches by the grant: a secret of kind bearer, basic or api-key whose
//! own destinations cover the request goes where its kind belongs.

use std::future::Future;
use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::egress::{Attachment, EgressError, Outbound, Placement, covers, is_forbidden, send};
use crate::services::LogLevel;
use crate::step::StepShared;
use flowforge_connect::Destination;
use flowforge_connect::words::describe;

/// The hooks of one store.
pub(crate) struct WasiDoor {
    step: Arc<StepShared>,
}

impl WasiDoor {
    pub(crate) fn new(step: Arc<StepShared>) -> Self {
        Self { step }
    }
}

type Sent = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

impl WasiHttpHooks for WasiDoor {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let step = self.step.clone();
        Box::new(async move { exchange(step, request, options).await })
    }
}

async fn exchange(
    step: Arc<StepShared>,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Sent, Error> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let auth = attachment_by_rule(&step, &url).map_err(|reason| denied(&step, reason))?;
    let timeout = options.and_then(|options| options.first_byte_timeout);
    let outbound = Outbound {
        method: parts.method,
        url,
        headers: parts.headers,
        body: Limited::new(
            body,
            usize::try_from(step.limits.artefact_bytes).unwrap_or(usize::MAX),
        ),
        auth,
        timeout,
        // A guest of this door decodes for itself.
        decodes: false,
    };
    // Waiting here holds back only this exchange; the guest may wait for another one meanwhile.
    let Ok(permit) = step.open_requests.clone().acquire_owned().await else {
        return Err(Error::ConnectionLimitReached);
    };
    let answer = send(&step, outbound)
        .await
        .map_err(|error| to_wasi(&step, error))?;
    let limit = usize::try_from(step.limits.artefact_bytes).unwrap_or(usize::MAX);
    let response = answer.response.map(|body| {
        let bounded = Limited::new(body, limit);
        bounded
            .map_err(move |error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    Error::HttpResponseBodySize(Some(limit as u64))
                } else {
                    tracing::debug!(error = %describe(error.as_ref()), "a response broke off");
                    Error::ConnectionTerminated
                }
            })
            .boxed_unsync()
    });
    let mut connection = answer.connection;
    let io = Box::new(async move {
        // Ends when the connection does, or when the guest lets go of the response.
        while connection.join_next().await.is_some() {}
        drop(permit);
        Ok(())
    });
    Ok((response, io))
}

/// The secret that the grants of this node attach to a request for this place.
fn attachment_by_rule(step: &StepShared, url: &Url) -> Result<Option<Attachment>, String> {
    let Ok(destination) = Destination::of_url(url) else {
        return Ok(None);
    };
    let mut found = None;
    for (slot, grant) in &step.grants.secrets {
        let placement = Placement::of_kind(&grant.kind).filter(|_| covers(grant, &destination));
        let Some(placement) = placement else { continue };
        if found.is_some() {
            return Err(format!(
                "two secrets of this node could be attached for {destination}"
            ));
        }
        found = Some(Attachment {
            slot: slot.clone(),
            placement,
        });
    }
    Ok(found)
}

/// A guest of this door learns only a code; the step's log says why.
fn denied(step: &StepShared, reason: String) -> Error {
    step.log(LogLevel::Warn, &format!("request refused: {reason}"));
    Error::HttpRequestDenied
}

fn to_wasi(step: &StepShared, error: EgressError) -> Error {
    let told = |what: &str, reason: String| step.log(LogLevel::Warn, &format!("{what}: {reason}"));
    match error {
        EgressError::DestinationDenied(place) => denied(step, format!("this node may not reach {place}")),
        EgressError::SecretDenied(reason)
        | EgressError::InvalidRequest(reason)
        | EgressError::BodyUnavailable(reason) => denied(step, reason),
        EgressError::Unreachable(reason) => {
            told("not reachable", reason);
            Error::DestinationUnavailable
        }
        EgressError::TimedOut(reason) => {
            told("no whole answer", reason);
            Error::ConnectionReadTimeout
        }
        EgressError::Malformed(reason) => {
            told("no answer in HTTP", reason);
            Error::HttpProtocolError
        }
        EgressError::TooLarge(limit) => Error::HttpResponseBodySize(Some(limit)),
        // This door stores nothing and follows nothing; should it ever, the guest learns that something went wrong.
        EgressError::NotKept(reason) | EgressError::Storage(reason) | EgressError::Redirect(reason) => {
            told("the answer is not used", reason);
            Error::InternalError(None)
        }
        EgressError::Ended => Error::InternalError(Some("the step was ended".to_owned())),
    }
}
