//! Rows of the matrix about what people may know of and decide on their own data.

use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Supervisor},
};

/// All of them.
pub fn rows() -> Vec<Row> {
    [people(), consents(), policies(), national_ids()].concat()
}

fn people() -> Vec<Row> {
    let of = |user: &str| json!({ "user_id": user, "reason": "lo pidió por escrito" });
    vec![
        good("ExportPersonalData", Administrator, of("$user")),
        row("ExportPersonalData", "USER_NOT_FOUND", Supervisor, of("$user")),
        row(
            "ExportPersonalData",
            "INVALID_FIELD",
            Administrator,
            json!({ "user_id": "$user" }),
        ),
        good("ErasePerson", Administrator, of("$user")),
        row("ErasePerson", "USER_NOT_FOUND", Supervisor, of("$user")),
        row("ErasePerson", "STILL_IN_USE", Administrator, of("$delegate")),
        row("ErasePerson", "LAST_ADMINISTRATOR", Administrator, of("$only_administrator")),
        row("ErasePerson", "INVALID_FIELD", Administrator, json!({ "user_id": "$user" })),
    ]
}

fn consents() -> Vec<Row> {
    let text = |language: &str| json!({ "language": language, "title": "Ubicación", "body": "Primera línea\nsegunda" });
    let grant = |purpose: &str, version: i64| json!({ "purpose": purpose, "version": version, "language": "es" });
    let purpose = "CONSENT_PURPOSE_DATA_PROCESSING";
    vec![
        good("ListConsentTexts", Agent, json!({ "language": "es", "all_shown": true })),
        row("ListConsentTexts", "INVALID_FIELD", Agent, json!({ "language": "fr" })),
        good(
            "PublishConsentText",
            Administrator,
            json!({ "purpose": "CONSENT_PURPOSE_LOCATION", "texts": [text("es"), text("en")] }),
        ),
        row(
            "PublishConsentText",
            "INVALID_FIELD",
            Administrator,
            json!({ "purpose": "CONSENT_PURPOSE_LOCATION", "texts": [text("en")] }),
        ),
        good("GetMyConsents", Agent, json!({})),
        good("GrantConsent", Agent, grant(purpose, 1)),
        row("GrantConsent", "CONSENT_TEXT_NOT_FOUND", Agent, grant(purpose, 99)),
        row(
            "GrantConsent",
            "STALE_ETAG",
            Agent,
            json!({ "purpose": "CONSENT_PURPOSE_LOCATION", "version": "$old_version", "language": "es" }),
        ),
        row("GrantConsent", "INVALID_FIELD", Agent, grant(purpose, 0)),
        good("WithdrawConsent", Agent, json!({ "purpose": purpose })),
        row("WithdrawConsent", "INVALID_FIELD", Agent, json!({})),
        good("ListConsents", Agent, json!({ "page_size": 1 })),
        row("ListConsents", "USER_NOT_FOUND", Agent, json!({ "user_id": "$user" })),
        row(
            "ListConsents",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListConsents", "INVALID_FIELD", Agent, json!({ "page_size": 1001 })),
    ]
}

fn policies() -> Vec<Row> {
    let kind = "RETENTION_KIND_MAILS";
    let reveal = |agent: &str, reason: &str| json!({ "agent_id": agent, "reason": reason });
    vec![
        good("ListRetentionPolicies", Agent, json!({})),
        good(
            "UpdateRetentionPolicy",
            Administrator,
            json!({ "kind": kind, "keep": "864000s" }),
        ),
        row(
            "UpdateRetentionPolicy",
            "INVALID_FIELD",
            Administrator,
            json!({ "kind": kind, "keep": "1s" }),
        ),
        good("RunRetention", Administrator, json!({ "dry_run": true })),
        row(
            "RunRetention",
            "INVALID_FIELD",
            Administrator,
            json!({ "kinds": ["RETENTION_KIND_UNSPECIFIED"] }),
        ),
        good("ListLocationPrecisions", Agent, json!({})),
        good(
            "UpdateLocationPrecision",
            Administrator,
            json!({ "level": "USER_LEVEL_AGENT", "meters": 100 }),
        ),
        row(
            "UpdateLocationPrecision",
            "INVALID_FIELD",
            Administrator,
            json!({ "level": "USER_LEVEL_AGENT", "meters": -1 }),
        ),
        good("RevealLocation", Supervisor, reveal("$me", "no contesta la radio")),
        row(
            "RevealLocation",
            "AGENT_NOT_FOUND",
            Supervisor,
            json!({ "agent_id": NOTHING, "reason": "no contesta la radio" }),
        ),
        row("RevealLocation", "INVALID_FIELD", Supervisor, reveal("$me", "")),
    ]
}

fn national_ids() -> Vec<Row> {
    let set = |id: &str| json!({ "user_id": "$user", "national_id": id });
    vec![
        good("SetNationalId", Administrator, set("$dni")),
        row("SetNationalId", "IDENTITY_TAKEN", Administrator, set("$taken_dni")),
        row("SetNationalId", "USER_NOT_FOUND", Agent, set("1020304050")),
        row("SetNationalId", "INVALID_FIELD", Administrator, set("12")),
        good("GetNationalId", Administrator, json!({ "user_id": "$user" })),
        row("GetNationalId", "USER_NOT_FOUND", Supervisor, json!({ "user_id": "$user" })),
        row("GetNationalId", "INVALID_FIELD", Agent, json!({ "user_id": -1 })),
        good("FindUserByNationalId", Administrator, json!({ "national_id": "$taken_dni" })),
        row(
            "FindUserByNationalId",
            "USER_NOT_FOUND",
            Administrator,
            json!({ "national_id": "00000000" }),
        ),
        row(
            "FindUserByNationalId",
            "INVALID_FIELD",
            Administrator,
            json!({ "national_id": "1" }),
        ),
    ]
}
