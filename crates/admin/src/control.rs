//! `POST /api/v1/reload` and `POST /api/v1/upgrade`: what SIGHUP and SIGUSR2 do, with an answer.

use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, StatusCode};
use process::control::{OrderRefusal, ProcessControl};
use serde::Serialize;

use crate::{Access, Answer, Routes, answer};

const RELOAD: &str = "/api/v1/reload";
const UPGRADE: &str = "/api/v1/upgrade";

impl Routes for ProcessControl {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        let path = request.uri().path();
        if !matches!(path, RELOAD | UPGRADE) {
            return None;
        }
        if request.method() != Method::POST {
            let mut refused = answer::text(StatusCode::METHOD_NOT_ALLOWED, "send POST\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Some(refused);
        }
        let answer = if path == RELOAD { reload(self).await } else { upgrade(self).await };
        Some(
            answer.unwrap_or_else(|refused| {
                answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{refused}\n"))
            }),
        )
    }

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        match request.uri().path() {
            RELOAD => Some(Access::by_method(request.method())),
            // It runs a program.
            UPGRADE => Some(Access::Trusted),
            _ => None,
        }
    }
}

/// 200 with what has changed; 422 if the settings are wrong and nothing has.
async fn reload(control: &ProcessControl) -> Result<Answer, OrderRefusal> {
    let report = control.reload().await?;
    let status = if report.reloaded { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(json(status, &report))
}

/// 200 once the new process serves; 500 if it does not.
async fn upgrade(control: &ProcessControl) -> Result<Answer, OrderRefusal> {
    #[derive(Serialize)]
    struct UpgradeReport {
        upgraded: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    }
    Ok(match control.upgrade().await? {
        Ok(()) => json(StatusCode::OK, &UpgradeReport { upgraded: true, error: None }),
        Err(error) => {
            json(StatusCode::INTERNAL_SERVER_ERROR, &UpgradeReport { upgraded: false, error: Some(error) })
        }
    })
}

fn json(status: StatusCode, content: &impl Serialize) -> Answer {
    match serde_json::to_vec(content) {
        Ok(json) => answer::of_type(status, "application/json", json),
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be printed\n"),
    }
}
