//! Refusals of the pages beside `/ws/connect`, in GRUPO_GAD's words.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal: `{"detail": …}`.
pub fn refusal(status: StatusCode, detail: &str) -> Response {
    let mut response = (status, Json(json!({ "detail": detail }))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// A field that is wrong.
#[derive(Debug)]
pub struct Wrong {
    place: &'static str,
    field: String,
    kind: &'static str,
    message: String,
}

/// A field is wrong.
pub fn wrong(place: &'static str, field: &str, kind: &'static str, message: &str) -> Wrong {
    Wrong {
        place,
        field: field.to_owned(),
        kind,
        message: message.to_owned(),
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let Self {
            place,
            field,
            kind,
            message,
        } = self;
        let error = json!({ "type": kind, "loc": [place, field], "msg": message });
        let body = json!({ "detail": "Validation Error", "errors": [error] });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }
}

/// What could not be done, as these pages always said it: with status 200.
pub fn failed(error: &str) -> Json<Value> {
    Json(json!({ "status": "error", "error": error }))
}
