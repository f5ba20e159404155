//! One GraphQL call: what is asked goes out, the answer or a typed problem comes back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::context::Context;

/// How long one call may take. A start, a publish or a page of a list is done in far less.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A control plane that can be asked.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    context: Context,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nobody answers at the address.
    #[error("cannot reach the control plane at {server}: is it running? (`flowforge dev` starts one)")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// What is sent could be read on the way: nothing was sent.
    #[error("{server} is neither this machine nor https: nothing is sent there; use https://, or 127.0.0.1")]
    InClear {
        /// The address.
        server: String,
    },
    /// The connection broke or the time ran out: whether the call was carried out is unknown.
    #[error("the control plane at {server} did not finish its answer")]
    Interrupted {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something answers that is no control plane, or one of another version.
    #[error("{server} did not answer as a control plane of this version does: {detail}")]
    Unexpected {
        /// The address.
        server: String,
        /// What came instead.
        detail: String,
    },
    /// The control plane understood and said no.
    #[error("{} ({})", .0.message, .0.code)]
    Problem(Box<Problem>),
}

/// A no, as the schema types it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The type of the problem in the schema, `InputProblem`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Stable code.
    pub code: String,
    /// The whole problem, for what else it says.
    pub fields: Value,
}

/// True if what is sent to this address cannot be read on its way: TLS, or this machine.
fn is_private(server: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(server) else {
        // The call itself says what is wrong with it.
        return true;
    };
    let name = url.host_str().unwrap_or_default();
    let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    url.scheme() == "https"
        || name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

impl Api {
    /// A client of this control plane. Opens no connection yet.
    ///
    /// # Errors
    /// `Unexpected` when no HTTP client can be made on this machine.
    pub fn new(context: Context) -> Result<Self, ApiError> {
        if !is_private(&context.server) {
            return Err(ApiError::InClear {
                server: context.server,
            });
        }
        let client = reqwest::Client::builder()
            .timeout(CALL_TIMEOUT)
            // A body, perhaps with a secret in it, goes to the place that was named and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        let client = client.map_err(|error| ApiError::Unexpected {
            server: context.server.clone(),
            detail: error.to_string(),
        })?;
        Ok(Self { client, context })
    }

    /// Which control plane this is.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The HTTP client, for what is not GraphQL.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.client
    }

    /// A request with what is shown of who makes it.
    pub fn signed_in(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.context.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Asks, and gives `data`.
    ///
    /// # Errors
    /// `Unreachable` and `Interrupted` may pass; `Unexpected` and `Problem` will not by themselves.
    pub async fn ask(&self, document: &str, variables: Value) -> Result<Value, ApiError> {
        let url = format!("{}/graphql", self.context.server);
        let body = json!({ "query": document, "variables": variables });
        let answer = self
            .signed_in(self.client.post(url))
            .json(&body)
            .send()
            .await
            .map_err(|error| self.broken(error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.broken(error))?;
        let mut answer: Value = serde_json::from_slice(&bytes).map_err(|_| {
            let start: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            self.unexpected(format!("status {status}, {start}"))
        })?;
        if let Some(error) = answer.pointer("/errors/0") {
            return Err(fault(error));
        }
        if let (Some(code), None) = (answer.get("code"), answer.get("data")) {
            // A refusal of the door, before anything was asked.
            return Err(fault(
                &json!({ "message": answer.get("message"), "extensions": { "code": code } }),
            ));
        }
        match answer.get_mut("data").map(Value::take) {
            Some(data) if data.is_object() => Ok(data),
            _ => Err(self.unexpected(format!("status {status}, no data"))),
        }
    }

    /// Asks for one field whose type is a union, and gives it if it is the success.
    ///
    /// The document asks for `__typename`, and for `message` and `code` of `Problem`.
    ///
    /// # Errors
    /// As [`Api::ask`]; any type whose name ends in `Problem` is a `Problem`.
    pub async fn change(&self, field: &str, document: &str, input: Value) -> Result<Value, ApiError> {
        self.typed(field, document, json!({ "input": input })).await
    }

    /// As [`Api::change`], with variables of any names.
    ///
    /// # Errors
    /// As [`Api::change`].
    pub async fn typed(&self, field: &str, document: &str, variables: Value) -> Result<Value, ApiError> {
        let mut data = self.ask(document, variables).await?;
        let mut payload = data.get_mut(field).map(Value::take).unwrap_or_default();
        let kind = payload
            .get("__typename")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if kind.is_empty() {
            return Err(self.unexpected(format!("`{field}` has no type name")));
        }
        if !kind.ends_with("Problem") {
            // It told the answer from a refusal, and is no part of what a caller shows.
            if let Some(fields) = payload.as_object_mut() {
                fields.retain(|key, _| key != "__typename");
            }
            return Ok(payload);
        }
        let text = |key: &str| {
            payload
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (message, code) = (text("message"), text("code"));
        Err(ApiError::Problem(Box::new(Problem {
            kind,
            message,
            code,
            fields: payload,
        })))
    }

    fn broken(&self, source: reqwest::Error) -> ApiError {
        let server = self.context.server.clone();
        if source.is_connect() {
            ApiError::Unreachable { server, source }
        } else {
            ApiError::Interrupted { server, source }
        }
    }

    fn unexpected(&self, detail: String) -> ApiError {
        ApiError::Unexpected {
            server: self.context.server.clone(),
            detail,
        }
    }
}

/// A top-level error of an answer.
fn fault(error: &Value) -> ApiError {
    let text = |pointer: &str| {
        error
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let code = text("/extensions/code");
    ApiError::Problem(Box::new(Problem {
        kind: "Fault".to_owned(),
        message: text("/message"),
        code: if code.is_empty() {
            "FF-API-000".to_owned()
        } else {
            code
        },
        fields: error.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_code() {
        let error = fault(&json!({"message": "too deep", "extensions": {"code": "FF-API-007"}}));
        assert_eq!(error.to_string(), "too deep (FF-API-007)");
        let error = fault(&json!({"message": "no such field"}));
        assert!(error.to_string().contains("FF-API-000"));
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_told_with_the_mend() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let api = Api::new(Context {
            server: server.clone(),
            keys_dir: None,
            token: None,
        })
        .unwrap();
        let error = api.ask("{ server { version } }", Value::Null).await.unwrap_err();
        assert!(matches!(error, ApiError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&server) && error.to_string().contains("flowforge dev"));
    }

    /// A secret was sent in clear text to any `http://` address.
    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for good in [
            "http://127.0.0.1:7400",
            "http://localhost:7400",
            "http://[::1]:7400",
            "https://plane.example.com",
        ] {
            assert!(is_private(good), "{good}");
        }
        for wrong in [
            "http://plane.example.com",
            "http://10.0.0.7:7400",
            "http://localhost.example.com",
        ] {
            assert!(!is_private(wrong), "{wrong}");
        }
    }
}
