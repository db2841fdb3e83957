//! Rows of the matrix: AuthService.

use gad::config::DEMO_PASSWORD;
use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{good, row},
    stage::Who::{Agent, Guarded, Newcomer, Nobody},
};

/// A password that may be one.
const NEW: &str = "tres tristes tigres";

/// All rows of AuthService.
pub fn rows() -> Vec<Row> {
    [signing_in(), sessions(), passwords(), links(), factor()].concat()
}

fn signing_in() -> Vec<Row> {
    let login = |email: &str, password: &str| json!({ "email": email, "password": password });
    vec![
        good("Login", Nobody, login("Supervisor@gad.example", DEMO_PASSWORD)),
        good("Login", Nobody, login("$their_username", DEMO_PASSWORD)),
        row("Login", "WRONG_CREDENTIALS", Nobody, login("$their_email", "no")),
        row(
            "Login",
            "WRONG_CREDENTIALS",
            Nobody,
            login("nobody@gad.example", DEMO_PASSWORD),
        ),
        row("Login", "SECOND_FACTOR_REQUIRED", Nobody, login("$guarded", DEMO_PASSWORD)),
        row("Login", "EMAIL_NOT_VERIFIED", Nobody, login("$unproved", DEMO_PASSWORD)),
        row("Login", "INVALID_FIELD", Nobody, login("", DEMO_PASSWORD)),
        good("GetMe", Agent, json!({})),
        good("GetJwks", Nobody, json!({})),
    ]
}

fn sessions() -> Vec<Row> {
    vec![
        good("Refresh", Nobody, json!({ "refresh_token": "$refresh" })),
        row("Refresh", "SESSION_ENDED", Nobody, json!({ "refresh_token": "nonsense" })),
        row("Refresh", "INVALID_FIELD", Nobody, json!({ "refresh_token": "a b" })),
        good("Logout", Newcomer, json!({})),
        good("LogoutEverywhere", Newcomer, json!({})),
        good("ListSessions", Newcomer, json!({ "page_size": 10 })),
        row("ListSessions", "INVALID_FIELD", Newcomer, json!({ "page_size": -1 })),
        row(
            "ListSessions",
            "INVALID_PAGE_TOKEN",
            Newcomer,
            json!({ "page_token": "nonsense" }),
        ),
        good("RevokeSession", Newcomer, json!({ "session_id": "$session" })),
        row(
            "RevokeSession",
            "SESSION_NOT_FOUND",
            Newcomer,
            json!({ "session_id": "019b0000-0000-7000-8000-000000000000" }),
        ),
        row(
            "RevokeSession",
            "INVALID_FIELD",
            Newcomer,
            json!({ "session_id": "nonsense" }),
        ),
        good("StepUp", Newcomer, json!({ "password": DEMO_PASSWORD })),
        row("StepUp", "WRONG_PROOF", Newcomer, json!({ "password": "no" })),
        row("StepUp", "WRONG_PROOF", Guarded, json!({ "password": DEMO_PASSWORD })),
        row("StepUp", "INVALID_FIELD", Newcomer, json!({ "code": "¿?" })),
    ]
}

fn passwords() -> Vec<Row> {
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let reset = |token: &str, new: &str| json!({ "token": token, "new_password": new });
    let accept = |token: &str, new: &str| json!({ "token": token, "password": new });
    vec![
        good("ChangePassword", Newcomer, change(DEMO_PASSWORD, NEW)),
        row("ChangePassword", "WRONG_PROOF", Newcomer, change("no", NEW)),
        row("ChangePassword", "INVALID_FIELD", Newcomer, change(DEMO_PASSWORD, "short")),
        row(
            "ChangePassword",
            "INVALID_FIELD",
            Newcomer,
            change(DEMO_PASSWORD, "Password123"),
        ),
        good("RequestPasswordReset", Nobody, json!({ "email": "$their_email" })),
        good("RequestPasswordReset", Nobody, json!({ "email": "nobody@gad.example" })),
        row("RequestPasswordReset", "INVALID_FIELD", Nobody, json!({ "email": "a b" })),
        good("ResetPassword", Nobody, reset("$reset", NEW)),
        row("ResetPassword", "MAILED_TOKEN_INVALID", Nobody, reset("nonsense", NEW)),
        row("ResetPassword", "MAILED_TOKEN_INVALID", Nobody, reset("$verification", NEW)),
        row("ResetPassword", "INVALID_FIELD", Nobody, reset("$reset", "12345678")),
        good("AcceptInvitation", Nobody, accept("$invitation", NEW)),
        row("AcceptInvitation", "MAILED_TOKEN_INVALID", Nobody, accept("nonsense", NEW)),
        row("AcceptInvitation", "INVALID_FIELD", Nobody, accept("$invitation", "no")),
    ]
}

fn links() -> Vec<Row> {
    let register = |email: &str, username: &str| json!({ "email": email, "username": username, "password": NEW, "display_name": "Rosa Peña", "country_code": "EC" });
    vec![
        good("RequestEmailVerification", Nobody, json!({ "email": "$unproved" })),
        row("RequestEmailVerification", "INVALID_FIELD", Nobody, json!({ "email": "" })),
        good("VerifyEmail", Nobody, json!({ "token": "$verification" })),
        row("VerifyEmail", "MAILED_TOKEN_INVALID", Nobody, json!({ "token": "nonsense" })),
        row("VerifyEmail", "INVALID_FIELD", Nobody, json!({ "token": "" })),
        good("Register", Nobody, register("rosa@gad.example", "rosa")),
        row("Register", "EMAIL_TAKEN", Nobody, register("SUPERVISOR@gad.example", "")),
        row(
            "Register",
            "IDENTITY_TAKEN",
            Nobody,
            register("rosa2@gad.example", "$their_username"),
        ),
        row("Register", "INVALID_FIELD", Nobody, register("no-address", "")),
    ]
}

fn factor() -> Vec<Row> {
    vec![
        good("EnrolTotp", Newcomer, json!({})),
        row("EnrolTotp", "SECOND_FACTOR_STATE", Guarded, json!({})),
        good("ConfirmTotp", Newcomer, json!({ "code": "$code_of_app" })),
        row("ConfirmTotp", "WRONG_PROOF", Newcomer, json!({ "code": "$wrong_code" })),
        row("ConfirmTotp", "SECOND_FACTOR_STATE", Newcomer, json!({ "code": "123456" })),
        row("ConfirmTotp", "INVALID_FIELD", Newcomer, json!({ "code": "12" })),
        good("DisableTotp", Guarded, json!({})),
        row("DisableTotp", "SECOND_FACTOR_STATE", Newcomer, json!({})),
        good("RegenerateRecoveryCodes", Guarded, json!({})),
        row("RegenerateRecoveryCodes", "SECOND_FACTOR_STATE", Newcomer, json!({})),
    ]
}
