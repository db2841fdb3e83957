//! Who calls in the access matrix: its columns.

use std::{collections::HashMap, sync::Arc};

use gad::{
    config::{DEMO_BRIDGE_TOKEN, DEMO_SECRET},
    descriptor::{Access, PERMISSIONS, Rule},
    domain::{
        UserId, ZoneId,
        access::{self, Level},
    },
    identity::{Grant, Seal, Tokens},
    pb::{self, Service, UserLevel},
    store::Database,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    access_stock::{Live, Stock},
    world::{Person, World},
};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// Without a token.
    Nobody,
    /// Level 1.
    Agent,
    /// Level 2.
    Supervisor,
    /// Level 2, in one zone.
    Zonal,
    /// Level 3.
    Administrator,
    /// Level 3 who has not proved to be there for an hour.
    Unproved,
    /// Level 3 whose password must be changed.
    PasswordExpired,
    /// The API token of a level 1, with the scope.
    Token1,
    /// The same without the scope.
    Other1,
    /// The API token of a level 2, with the scope.
    Token2,
    /// The same without the scope.
    Other2,
    /// The API token of a level 3, with the scope.
    Token3,
    /// An API token of a level 3 that expired, with all scopes.
    TokenExpired,
    /// An API token of a level 3 that was revoked, with all scopes.
    TokenRevoked,
    /// The access token of a level 3 that expired.
    Expired,
    /// The access token of a level 3 who signed out.
    SignedOut,
    /// The access token of a level 3 who was deactivated.
    Inactive,
    /// The token of the bridge.
    Bridge,
}

use Caller::{
    Administrator, Agent, Bridge, Expired, Inactive, Nobody, Other1, Other2, PasswordExpired, SignedOut, Supervisor, Token1,
    Token2, Token3, TokenExpired, TokenRevoked, Unproved, Zonal,
};

impl Caller {
    /// All, as the table has them.
    pub const ALL: [(Self, &'static str); 18] = [
        (Nobody, "nobody"),
        (Agent, "1"),
        (Supervisor, "2"),
        (Zonal, "2-zone"),
        (Administrator, "3"),
        (Unproved, "3-old"),
        (PasswordExpired, "3-pass"),
        (Token1, "t1"),
        (Other1, "t1-other"),
        (Token2, "t2"),
        (Other2, "t2-other"),
        (Token3, "t3"),
        (TokenExpired, "t3-ended"),
        (TokenRevoked, "t3-cut"),
        (Expired, "3-ended"),
        (SignedOut, "3-out"),
        (Inactive, "3-off"),
        (Bridge, "bridge"),
    ];

    /// The level of who is let in at all.
    pub fn level(self) -> Option<Level> {
        match self {
            Agent | Token1 | Other1 => Some(Level::Agent),
            Supervisor | Zonal | Token2 | Other2 => Some(Level::Supervisor),
            Administrator | Unproved | PasswordExpired | Token3 => Some(Level::Administrator),
            Nobody | TokenExpired | TokenRevoked | Expired | SignedOut | Inactive | Bridge => None,
        }
    }

    /// Whether not everything is theirs to see.
    pub fn is_limited(self) -> bool {
        self == Zonal || self.level() == Some(Level::Agent)
    }

    /// What a rule demands of them, word for word as `rule.proto` has it: the reason to refuse them whatever they ask for.
    pub fn demanded(self, rule: &Rule) -> Option<&'static str> {
        let least = match rule.access {
            Access::Public => return None,
            Access::Service(service) => return (service != Service::Bridge || self != Bridge).then_some("SIGNED_OUT"),
            Access::Least(least) => least,
        };
        let persons = rule.step_up || rule.permission.starts_with("self.");
        match self {
            _ if self.level().is_none() => Some("SIGNED_OUT"),
            _ if self.level() < Some(least) => Some("FORBIDDEN"),
            PasswordExpired => (!rule.password_expired).then_some("PASSWORD_EXPIRED"),
            Unproved => rule.step_up.then_some("STEP_UP_REQUIRED"),
            Other1 | Other2 => Some("SCOPE_TOO_NARROW"),
            Token1 | Token2 | Token3 => persons.then_some("SCOPE_TOO_NARROW"),
            _ => None,
        }
    }
}

/// Makes callers.
pub struct Cast {
    tokens: Tokens,
    zone: ZoneId,
    /// Those who are never let in can do no harm: one of each is enough.
    ended: HashMap<Caller, String>,
}

impl Cast {
    /// For a world; limited supervisors are so to this zone.
    pub async fn of(world: &World, zone: i64) -> Self {
        let database = Database::connect(&world.settings.database).await.unwrap();
        let lifetime = SignedDuration::from_mins(30);
        let tokens = Tokens::load(database, Seal::new(DEMO_SECRET.into()), lifetime, Timestamp::now());
        let mut cast = Self {
            tokens: tokens.await.unwrap(),
            zone: ZoneId(zone),
            ended: HashMap::from([(Bridge, DEMO_BRIDGE_TOKEN.to_owned())]),
        };
        let administrator = world.administrator().await;
        let newcomer = async |name: &str| {
            let email = format!("{name}@gad.example");
            world.newcomer(&email, UserLevel::Administrator, &[]).await
        };
        let expired = newcomer("expired").await;
        let before = Timestamp::now() - SignedDuration::from_hours(2);
        let speaks = speaks(expired.id, Level::Administrator, &[]);
        cast.ended
            .insert(Expired, cast.sign(&speaks, Uuid::now_v7(), (before, before), false));
        let out = newcomer("out").await;
        out.auth().logout(pb::LogoutRequest {}).await.unwrap();
        cast.ended.insert(SignedOut, out.token);
        let inactive = newcomer("inactive").await;
        let step = pb::UserStepRequest {
            id: inactive.id,
            ..Default::default()
        };
        administrator.users().deactivate_user(step).await.unwrap();
        cast.ended.insert(Inactive, inactive.token);
        let (id, token) = api_token(&newcomer("revoked").await).await;
        let request = pb::RevokeApiTokenRequest {
            id,
            ..Default::default()
        };
        administrator.api_tokens().revoke_api_token(request).await.unwrap();
        cast.ended.insert(TokenRevoked, token);
        let (id, token) = api_token(&newcomer("ended").await).await;
        let sql = "update api_tokens set expire_time = now() - interval '1 second' where id = $1";
        world.database().await.execute(sql, &[&id]).await.unwrap();
        cast.ended.insert(TokenExpired, token);
        cast
    }

    /// An access token that was made at one time, of somebody who proved to be there at another.
    fn sign(&self, caller: &access::Caller, session: Uuid, (made, proved): (Timestamp, Timestamp), expired: bool) -> String {
        let grant = Grant {
            caller,
            version: 1,
            session,
            auth_time: proved,
            password_expired: expired,
        };
        self.tokens.sign(&grant, made).unwrap().0
    }

    /// Somebody for a cell, and their token. The one of a caller who is never let in speaks for somebody else.
    pub fn enter(&self, caller: Caller, rule: &Rule, stock: &mut Stock) -> (Live, Option<String>) {
        let level = caller.level().unwrap_or(Level::Administrator);
        let live = stock.live(level, caller == Zonal);
        let token = match caller {
            _ if caller.level().is_none() => self.ended.get(&caller).cloned(),
            Token1 | Token2 | Token3 => {
                let scope = Some(rule.permission.as_str()).filter(|scope| !scope.is_empty());
                Some(stock.api_token(live.user, scope.unwrap_or("task.read"), false).1)
            }
            Other1 | Other2 => {
                let mut others = PERMISSIONS
                    .iter()
                    .filter(|other| other.is_scope() && other.name != rule.permission);
                Some(stock.api_token(live.user, &others.next().unwrap().name, false).1)
            }
            _ => {
                let now = Timestamp::now();
                let proved = if caller == Unproved {
                    now - SignedDuration::from_hours(1)
                } else {
                    now
                };
                let zones: &[ZoneId] = if caller == Zonal { &[self.zone] } else { &[] };
                let speaks = speaks(live.user, level, zones);
                let session = stock.session(live.user, false);
                Some(self.sign(&speaks, session, (now, proved), caller == PasswordExpired))
            }
        };
        (live, token)
    }
}

fn speaks(user: i64, level: Level, zones: &[ZoneId]) -> access::Caller {
    access::Caller {
        user: UserId(user),
        level,
        zones: Arc::from(zones),
    }
}

/// An API token with all scopes.
async fn api_token(person: &Person) -> (i64, String) {
    let scopes = PERMISSIONS.iter().filter(|permission| permission.is_scope());
    let request = pb::CreateApiTokenRequest {
        api_token: Some(pb::ApiToken {
            display_name: "Todo".to_owned(),
            scopes: scopes.map(|permission| permission.name.clone()).collect(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = person.api_tokens().create_api_token(request).await.unwrap().into_inner();
    (made.api_token.unwrap().id, made.token)
}
