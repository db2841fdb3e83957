//! Health and numbers at the paths of the older products.

use serde_json::{Value, json};

use crate::{legacy::Door, world::until};

#[tokio::test]
async fn health_is_told_truthfully_at_the_older_paths() {
    let door = Door::open().await;
    until("the server has looked at all its parts", async || {
        let told = door.get("/health", None).await;
        told.json()["status"] == "ok"
    })
    .await;
    door.get("/api/v1/health", None).await.is(200, &json!({ "status": "ok" }));
    let whole = door.get("/health", None).await.json();
    assert!(whole["timestamp"].is_f64() && whole["uptime"].is_f64(), "{whole}");
    assert_eq!(
        (&whole["environment"], &whole["checks"]),
        (&json!("testing"), &json!({ "database": "ok", "redis": "ok" }))
    );
    for (path, status) in [
        ("/health/ready", "ready"),
        ("/api/v1/health/live", "alive"),
        ("/api/v1/health/ready", "ready"),
        ("/api/v1/health/detailed", "healthy"),
        ("/api/v1/health/performance", "healthy"),
        ("/api/v1/health/government", "healthy"),
    ] {
        let told = door.get(path, None).await;
        assert_eq!(
            (told.status.as_u16(), &told.json()["status"]),
            (200, &json!(status)),
            "{path}: {told:?}"
        );
    }
    // Scripts ask with a slash at the end, and read what is refused.
    door.get("/api/v1/health/", None).await.is(200, &json!({ "status": "ok" }));
    door.post("/api/v1/health/live/", None, json!({}))
        .await
        .is(405, &json!({ "detail": "Method Not Allowed" }));
    let detailed = door.get("/api/v1/health/detailed", None).await.json();
    let database = &detailed["checks"]["database"];
    assert_eq!(
        (
            &database["circuit_breaker_open"],
            &database["circuit_breaker_failures"],
            &database["error"]
        ),
        (&json!(false), &json!(0), &Value::Null)
    );
    assert!(database["response_time_ms"].as_f64().unwrap() > 0.0);
    for path in ["/metrics", "/api/v1/metrics/prometheus"] {
        let told = door.get(path, None).await;
        assert_eq!(
            (told.status.as_u16(), told.header("content-type")),
            (200, "text/plain; version=0.0.4")
        );
        for line in ["\ndatabase_up 1\n", "\nredis_up 1\n", "\napp_uptime_seconds "] {
            assert!(told.text.contains(line), "{path}: {}", told.text);
        }
    }
    door.close().await;
}
