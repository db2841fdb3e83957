//! What each older product says when it refuses, where all its paths say the same.

use http::StatusCode;
use tonic::Code;

use crate::pb::{ErrorReason, legacy::Dialect};

/// HTTP status and text of a reason; `with_token` if a token came with the call. No text: the server's own.
pub fn words(dialect: Dialect, reason: ErrorReason, with_token: bool) -> Option<(StatusCode, &'static str)> {
    use Dialect as D;
    use ErrorReason as R;
    const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
    let told = match (reason, dialect) {
        (R::SignedOut, _) if !with_token => (UNAUTHORIZED, "Not authenticated"),
        (R::SignedOut, D::Inventory) => (UNAUTHORIZED, "Token inválido"),
        (R::SignedOut, D::Recway) => (UNAUTHORIZED, "Invalid authentication credentials"),
        (R::SignedOut, _) => (StatusCode::FORBIDDEN, "Could not validate credentials"),
        (R::WrongCredentials, D::Inventory) => (UNAUTHORIZED, "Credenciales incorrectas"),
        (R::WrongCredentials, D::Recway) => (UNAUTHORIZED, "Invalid email or password"),
        (R::WrongCredentials, _) => (UNAUTHORIZED, "Incorrect email or password"),
        // Their way to prove that one is there is to sign in again.
        (R::StepUpRequired, _) => return words(dialect, R::SignedOut, true),
        (R::ScopeTooNarrow, _) => return words(dialect, R::Forbidden, true),
        (R::EmailNotVerified, D::Inventory) => (UNAUTHORIZED, "Usuario inactivo"),
        (R::EmailNotVerified, D::Recway) => (
            StatusCode::FORBIDDEN,
            "Email not verified. Please check your email for the verification link.",
        ),
        (R::EmailNotVerified, _) => (StatusCode::BAD_REQUEST, "Inactive user"),
        (R::AccountInactive, D::Inventory) => (UNAUTHORIZED, "Usuario inactivo"),
        (R::AccountInactive, D::Recway) => (StatusCode::FORBIDDEN, "User account is inactive"),
        (R::AccountInactive, _) => (StatusCode::BAD_REQUEST, "Inactive user"),
        (R::SecondFactorRequired, _) => (UNAUTHORIZED, "Second factor required: repeat with `code`"),
        (R::SessionEnded, _) => (UNAUTHORIZED, "Invalid refresh token"),
        (R::Forbidden, D::Inventory) => (StatusCode::FORBIDDEN, "No tienes permisos para realizar esta acción"),
        (R::Forbidden, D::Recway) => (StatusCode::FORBIDDEN, "Not enough permissions"),
        (R::Forbidden, _) => (StatusCode::BAD_REQUEST, "The user doesn't have enough privileges"),
        (R::UserNotFound, D::Inventory) => (StatusCode::NOT_FOUND, "Usuario no encontrado"),
        (R::UserNotFound, D::Recway) => (StatusCode::NOT_FOUND, "User not found"),
        (R::UserNotFound, _) => (StatusCode::NOT_FOUND, "The user with this id does not exist in the system"),
        (R::TaskNotFound, _) => (StatusCode::NOT_FOUND, "The task with this id does not exist in the system"),
        (R::RateLimited, _) => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
        (R::Internal, _) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        _ => return None,
    };
    Some(told)
}

/// HTTP status of a code that has no words of its own.
pub fn status(dialect: Dialect, code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
        Code::FailedPrecondition | Code::AlreadyExists if dialect == Dialect::Inventory => StatusCode::BAD_REQUEST,
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::NotFound | Code::Unimplemented => StatusCode::NOT_FOUND,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code of a name such as `NOT_FOUND`.
pub fn code(name: &str) -> Code {
    match name {
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "ABORTED" => Code::Aborted,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "UNAVAILABLE" => Code::Unavailable,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}
