//! Access tokens, as the server and the bridge read them.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gad::{
    error::{Error, Result},
    identity::{
        Credential, SignedIn,
        token::{Claims, key_name},
    },
    pb::Jwk,
    ws_bridge::token::{Identity, Keys},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};

/// Name of the key.
const KID: &str = "00000000000000000000000000000007";

/// The key of the server, which everybody may know here.
struct Key {
    signing: EncodingKey,
    verifying: DecodingKey,
    bridge: Keys,
    /// A good token.
    token: String,
}

static KEY: LazyLock<Key> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let text = |text: &str| text.to_owned();
    let jwk = Jwk {
        kty: text("OKP"),
        crv: text("Ed25519"),
        x: x.clone(),
        kid: text(KID),
        alg: text("EdDSA"),
        r#use: text("sig"),
    };
    let signing = EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("the key as bytes").as_ref());
    let now = super::now().as_second();
    let claims = json!({
        "iss": "gad", "aud": "gad", "sub": "7", "lvl": 2, "zon": [3], "ver": 1,
        "sid": "0190a8f0-0000-7000-8000-000000000001", "jti": "0190a8f0-0000-7000-8000-000000000002",
        "auth_time": now, "iat": now, "nbf": now, "exp": now + 600,
    });
    Key {
        token: signed(&claims, &signing),
        verifying: DecodingKey::from_ed_components(&x).expect("a key"),
        bridge: Keys::of(&[jwk]),
        signing,
    }
});

fn signed(claims: &Value, key: &EncodingKey) -> String {
    let header = Header {
        kid: Some(KID.to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    jsonwebtoken::encode(&header, claims, key).expect("a token")
}

/// First line: `token` and what somebody sends, `claims` and what somebody who had the key would say, or anything else and
/// how a good token is altered: places and bytes.
pub fn run(data: &[u8]) {
    let (kind, rest) = super::line(data);
    match kind {
        b"token" => {
            let said = verify(&String::from_utf8_lossy(rest));
            assert!(said.is_none(), "nobody else can sign: {said:?}");
        }
        b"claims" => {
            if let Ok(claims) = serde_json::from_slice::<Value>(rest) {
                possible(verify(&signed(&claims, &KEY.signing)));
            }
        }
        _ => {
            assert!(verify(&KEY.token).is_some(), "a good token");
            let altered = altered(rest);
            if altered != KEY.token {
                let said = verify(&altered);
                assert!(said.is_none(), "altered, and taken: {altered}: {said:?}");
            }
        }
    }
}

/// Whom the server takes it for, if for anybody; the bridge must not take it for anybody else.
fn verify(token: &str) -> Option<SignedIn> {
    let server = match server(token) {
        Ok(said) => Some(said),
        Err(error) => {
            assert_eq!(error.reason(), "SIGNED_OUT");
            super::refusal(error);
            None
        }
    };
    match KEY.bridge.verify(token, super::now()) {
        Ok(bridge) => {
            let same = server.as_ref().map(|said| Identity {
                user: said.caller.user.0,
                level: said.caller.level as u8,
                limited: !said.caller.zones.is_empty(),
                session: match said.credential {
                    Credential::Session { id, .. } => id,
                    Credential::ApiToken { .. } => panic!("an access token is no API token"),
                },
                version: said.version,
                until: said.until,
            });
            // The bridge looks at less of a token, so it may let one in that the server then refuses.
            assert!(same.is_none_or(|same| same == bridge), "{bridge:?} is {same:?} to the server");
        }
        Err(_) => assert!(server.is_none(), "the server takes it, the bridge does not: {server:?}"),
    }
    server
}

fn server(token: &str) -> Result<SignedIn> {
    if key_name(token)? != KID {
        return Err(Error::SignedOut);
    }
    let said = Claims::read(token, &KEY.verifying)?.check(super::now())?;
    if super::now() >= said.until {
        Err(Error::SignedOut)
    } else {
        Ok(said)
    }
}

/// Whoever it is can be.
fn possible(said: Option<SignedIn>) {
    assert!(said.as_ref().is_none_or(|said| said.caller.user.0 > 0), "{said:?}");
}

fn altered(pairs: &[u8]) -> String {
    let mut token = KEY.token.clone().into_bytes();
    for pair in pairs.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([pair[0], pair[1]])) % token.len();
        token[at] = pair[2];
    }
    String::from_utf8_lossy(&token).into_owned()
}
