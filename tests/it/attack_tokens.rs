//! Tokens that nobody gave: forged, altered, misplaced, out of time. None of them opens anything, on any door.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gad::{config::DEMO_SECRET, identity::Seal, pb};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode as SocketStatus;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{
    bridge_clients::{Running, Socket},
    edge::Edge,
    raw,
    world::{Person, World, reason},
};

/// A world and what signs its tokens.
struct Forge {
    world: World,
    victim: Person,
    kid: String,
    /// The private key of the world itself.
    key: EncodingKey,
    public: Vec<u8>,
}

impl Forge {
    async fn at(world: World) -> Self {
        let victim = world.administrator().await;
        let row = world
            .database()
            .await
            .query_one("select kid, sealed, public from signing_keys where retire_time is null", &[])
            .await
            .unwrap();
        let (kid, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
        let private = Seal::new(DEMO_SECRET.into()).open("signing keys", &kid, &sealed).unwrap();
        Self {
            key: EncodingKey::from_ed_der(&private),
            public: row.get(2),
            kid,
            victim,
            world,
        }
    }

    /// What the victim's own token says.
    fn claims(&self) -> Value {
        let said = self.victim.token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap()
    }

    /// The victim's claims with a change.
    fn changed(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        Header {
            kid: Some(self.kid.clone()),
            ..Header::new(algorithm)
        }
    }

    /// A token as the server itself would sign it.
    fn signed(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(Algorithm::EdDSA), claims, &self.key).unwrap()
    }

    /// Tokens that somebody might try, and why they are none.
    fn forgeries(&self) -> Vec<(&'static str, String)> {
        let (claims, now) = (self.claims(), self.claims()["iat"].as_i64().unwrap());
        let unsigned = |header: Value, tail: &str| {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.{tail}", part(&header), part(&claims))
        };
        let signature = self.victim.token.rsplit('.').next().unwrap();
        let own = EncodingKey::from_ed_der(&KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_der());
        let by_hmac = |secret: &[u8]| {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::encode(&self.header(Algorithm::HS256), &claims, &key).unwrap()
        };
        let mut other_key = self.header(Algorithm::EdDSA);
        other_key.kid = Some("0".repeat(32));
        let mut no_key = self.header(Algorithm::EdDSA);
        no_key.kid = None;
        let x = URL_SAFE_NO_PAD.encode(&self.public);
        let altered = unsigned(json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid }), signature);
        let altered = altered.replacen(
            &URL_SAFE_NO_PAD.encode(claims.to_string()),
            &URL_SAFE_NO_PAD.encode(self.changed("lvl", json!(2)).to_string()),
            1,
        );
        let mut forged = vec![
            (
                "no algorithm",
                unsigned(json!({ "alg": "none", "typ": "JWT", "kid": self.kid }), ""),
            ),
            (
                "no algorithm, spelt otherwise",
                unsigned(json!({ "alg": "nOnE", "kid": self.kid }), ""),
            ),
            (
                "no algorithm, and a signature",
                unsigned(json!({ "alg": "none", "kid": self.kid }), signature),
            ),
            ("the public key as a secret", by_hmac(&self.public)),
            ("its text as a secret", by_hmac(x.as_bytes())),
            ("the secret key itself as a secret", by_hmac(DEMO_SECRET.as_bytes())),
            (
                "another key by our key's name",
                jsonwebtoken::encode(&self.header(Algorithm::EdDSA), &claims, &own).unwrap(),
            ),
            (
                "a key that is not there",
                jsonwebtoken::encode(&other_key, &claims, &own).unwrap(),
            ),
            (
                "our key by another name",
                jsonwebtoken::encode(&other_key, &claims, &self.key).unwrap(),
            ),
            ("no key named", jsonwebtoken::encode(&no_key, &claims, &self.key).unwrap()),
            (
                "a key that it brings along",
                unsigned(
                    json!({ "alg": "EdDSA", "kid": self.kid, "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } }),
                    "",
                ),
            ),
            ("another level under the same signature", altered),
            ("no signature", unsigned(json!({ "alg": "EdDSA", "kid": self.kid }), "")),
            (
                "eight kilobytes",
                format!("{}{}", self.victim.token, "A".repeat(8 * 1024 - self.victim.token.len())),
            ),
            (
                "eight kilobytes, rightly signed",
                self.signed(&self.changed("zon", json!(vec![1_234_567_890_123_456_789_i64; 300]))),
            ),
        ];
        for (why, name, value) in [
            ("another issuer", "iss", json!("gad.evil")),
            ("another audience", "aud", json!("others")),
            ("another audience beside", "aud", json!(["others"])),
            ("given in an hour", "iat", json!(now + 3600)),
            ("good from in an hour", "nbf", json!(now + 3600)),
            ("over", "exp", json!(now - 1)),
            ("over since the beginning", "exp", json!(0)),
            ("over before time", "exp", json!(i64::MIN)),
            ("good for longer than there is time", "exp", json!(i64::MAX)),
            ("nobody", "sub", json!("0")),
            ("less than nobody", "sub", json!("-1")),
            ("no number", "sub", json!("1 or 1=1")),
            ("no level", "lvl", json!(0)),
            ("a level above all", "lvl", json!(4)),
            ("no session's name", "sid", json!("x")),
            ("a session that never was", "sid", json!("not-a-uuid")),
        ] {
            forged.push((why, self.signed(&self.changed(name, value))));
        }
        for name in [
            "iss",
            "aud",
            "sub",
            "lvl",
            "ver",
            "sid",
            "auth_time",
            "iat",
            "nbf",
            "exp",
            "jti",
        ] {
            let mut claims = self.claims();
            claims.as_object_mut().unwrap().remove(name);
            forged.push((name, self.signed(&claims)));
        }
        forged
    }
}

/// Asks who one is, with this metadata.
async fn me(world: &World, metadata: MetadataMap) -> Result<i64, tonic::Status> {
    let mut client = pb::auth_service_client::AuthServiceClient::new(world.replica.channel());
    let request = tonic::Request::from_parts(metadata, tonic::Extensions::default(), pb::GetMeRequest {});
    client.get_me(request).await.map(|answer| answer.into_inner().id)
}

fn bearer(token: &str) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    metadata
}

#[tokio::test]
async fn no_forged_token_opens_anything_on_any_door() {
    let forge = Forge::at(World::start().await).await;
    let bridge = Running::start(&forge.world).await;
    let edge = Edge::start(&[forge.world.replica.address], &[bridge.address]).await;
    let http = reqwest::Client::new();
    // The forge works: what it leaves as it is, is believed.
    let genuine = forge.signed(&forge.claims());
    assert_eq!(me(&forge.world, bearer(&genuine)).await.unwrap(), forge.victim.id);
    let answer = http.get(edge.url("/v1/auth/me")).bearer_auth(&genuine).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for (why, token) in forge.forgeries() {
        let refused = me(&forge.world, bearer(&token)).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT", "{why}");
        let get = async |path: &str, by_cookie: bool| {
            let request = http.get(edge.url(path));
            let request = match by_cookie {
                true => request.header("cookie", format!("access_token={token}")),
                false => request.bearer_auth(&token),
            };
            request.send().await.unwrap().status()
        };
        for path in ["/v1/auth/me", "/api/v1/auth/me"] {
            assert_eq!(get(path, false).await, StatusCode::UNAUTHORIZED, "{why}: {path}");
            assert_eq!(get(path, true).await, StatusCode::UNAUTHORIZED, "{why}: {path} by cookie");
        }
        assert_eq!(get("/events", false).await, StatusCode::UNAUTHORIZED, "{why}: /events");
        let header = format!("Bearer {token}");
        let socket = Socket::open(edge.address, &[("authorization", &header)]).await;
        assert_eq!(socket.err(), Some(SocketStatus::UNAUTHORIZED), "{why}: a socket");
    }
    bridge.socket(&forge.victim).await.live().await;
}

#[tokio::test]
async fn the_word_before_the_token_may_be_written_in_any_case_and_nothing_else() {
    let world = World::start().await;
    let person = world.supervisor().await;
    let shown = |text: String| {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", text.parse().unwrap());
        metadata
    };
    for word in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let metadata = shown(format!("{word} {}", person.token));
        assert_eq!(me(&world, metadata).await.unwrap(), person.id, "{word}");
    }
    for text in [
        person.token.clone(),
        format!("Bearer{}", person.token),
        format!("Bearer\t{}", person.token),
        format!("Bearer Bearer {}", person.token),
        format!("Bearer {} {}", person.token, person.token),
        format!("Bearer {},", person.token),
        format!("Basic {}", person.token),
        format!("Token {}", person.token),
        format!("Bearer \"{}\"", person.token),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        let refused = me(&world, shown(text.clone())).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT", "{text}");
    }
}

#[tokio::test]
async fn of_two_tokens_none_is_believed() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let (person, other) = (world.supervisor().await, world.agent().await);
    for (first, second) in [
        (&person.token, &other.token),
        (&person.token, &person.token),
        (&person.token, &"x".to_owned()),
    ] {
        let mut metadata = bearer(first);
        metadata.append("authorization", format!("Bearer {second}").parse().unwrap());
        let refused = me(&world, metadata).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT");
        let request = format!(
            "GET /v1/auth/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             authorization: Bearer {first}\r\nauthorization: Bearer {second}\r\n\r\n"
        );
        let said = raw::send(edge.address, request.as_bytes()).await;
        assert_eq!(said.status(), 401, "{said:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_token() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let person = world.supervisor().await;
    for bytes in [&b"\xff\xfe"[..], b"\xc3\x28", "ñandú".as_bytes(), "\u{202e}".as_bytes()] {
        let mut metadata = MetadataMap::new();
        let value = [b"Bearer ", bytes, person.token.as_bytes()].concat();
        metadata.insert("authorization", MetadataValue::try_from(value.as_slice()).unwrap());
        let refused = me(&world, metadata).await.unwrap_err();
        assert_eq!(reason(&refused), "SIGNED_OUT", "{bytes:?}");
    }
    for (bytes, statuses) in [
        (&b"\0"[..], &[400][..]),
        (b"\x01", &[400, 401]),
        (b"\x7f", &[400, 401]),
        (b"\xff", &[400, 401]),
        // A bare CR may be read as a space (RFC 9110), but never as the end of a line.
        (b"\r", &[200, 400, 401]),
        (b"\n", &[400]),
    ] {
        for address in [edge.address, world.replica.address] {
            let head = b"GET /v1/auth/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer ";
            let request = [head, bytes, person.token.as_bytes(), b"\r\n\r\n"].concat();
            let said = raw::send(address, &request).await;
            // The server itself has no REST: there, what can be read at all leads nowhere.
            let nowhere = address == world.replica.address && said.status() == 404;
            assert!(nowhere || statuses.contains(&said.status()), "{bytes:?}: {said:?}");
        }
    }
    assert_eq!(me(&world, bearer(&person.token)).await.unwrap(), person.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_with_junk_at_a_time_harm_nobody() {
    let world = World::with(|settings| {
        settings.rate_limit_calls = 20;
        settings.rate_limit_logins = 5;
    })
    .await;
    let bridge = Running::start(&world).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let (supervisor, http) = (world.supervisor().await, reqwest::Client::new());
    let forge = Forge::at(world).await;
    let world = &forge.world;
    let forged: Vec<String> = forge.forgeries().into_iter().map(|(_, token)| token).collect();
    let unknown_key = |number: usize| {
        let mut header = forge.header(Algorithm::EdDSA);
        header.kid = Some(format!("{number:032x}"));
        jsonwebtoken::encode(&header, &forge.claims(), &forge.key).unwrap()
    };
    // Of each kind: what is no token at all, a forged one, one of a key that may be new, one that looks like an API token.
    let junk = (0..50).map(|number| match number % 4 {
        0 => "junk".repeat(number),
        1 => forged[number % forged.len()].clone(),
        2 => unknown_key(number),
        _ => gad::identity::ApiTokenText::make().unwrap().text,
    });
    let calls = junk.map(|token| {
        let (http, url) = (http.clone(), edge.url("/v1/auth/me"));
        async move {
            let refused = me(world, bearer(&token)).await.unwrap_err();
            assert_eq!(reason(&refused), "SIGNED_OUT");
            let answer = http.get(url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        }
    });
    futures::future::join_all(calls).await;
    // From the same address, right after: all of it works, and nothing was counted against anybody.
    assert_eq!(me(world, bearer(&supervisor.token)).await.unwrap(), supervisor.id);
    let answer = http
        .get(edge.url("/v1/auth/me"))
        .bearer_auth(&supervisor.token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["ratelimit-remaining"]),
        (StatusCode::OK, &"18".parse().unwrap())
    );
    supervisor.task("Patrullar").await;
    world.sign_in("supervisor@gad.example").await;
    bridge.socket(&supervisor).await.live().await;
}
