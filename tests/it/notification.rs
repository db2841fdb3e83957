//! Who is told of what, by which way, and what becomes of it when a way is closed.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use gad::{
    clock::Clock,
    config::ServeSettings,
    pb::{self, DeliveryState, EventType, NotificationChannel as Channel, UserLevel, event, watch_response::Item},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    children::Mortal,
    hooks::{Heard, Hooks},
    live::Watcher,
    smtp::{Manners, Smtp},
    world::{Person, World, channel, draft, reason, until},
};

/// A clock that stands still until it is told to go on.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().as_second())))
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::of(move || Timestamp::from_second(hands.load(Ordering::SeqCst)).unwrap())
    }

    fn wait(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Telegram and webhooks are this server.
pub fn told_by(hooks: &Hooks, settings: &mut ServeSettings) {
    settings.notify.telegram_bot_token = Some("12:secret".into());
    settings.notify.telegram_api_url = hooks.url("");
    settings.notify.webhook_networks = vec!["127.0.0.0/8".parse().unwrap()];
    settings.notify.webhook_ports = vec![hooks.address.port()];
    settings.notify.webhook_http = true;
}

/// Where messages of Telegram go.
pub const TELEGRAM: &str = "/bot12:secret/sendMessage";

/// Adds a webhook; gives its number and secret.
pub async fn webhook(administrator: &Person, url: &str) -> (i64, String) {
    let request = pb::CreateWebhookRequest {
        webhook: Some(pb::Webhook {
            display_name: "Sala de crisis".to_owned(),
            url: url.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = administrator.webhooks().create_webhook(request).await.unwrap().into_inner();
    (made.webhook.unwrap().id, made.secret)
}

fn of_new_tasks() -> pb::NotificationRule {
    pb::NotificationRule {
        display_name: "Tareas nuevas".to_owned(),
        event_types: vec![EventType::TaskCreated as i32],
        ..Default::default()
    }
}

/// Adds a rule.
pub async fn rule(administrator: &Person, rule: pb::NotificationRule) -> i64 {
    let request = pb::CreateNotificationRuleRequest {
        rule: Some(rule),
        ..Default::default()
    };
    let made = administrator.notifications().create_notification_rule(request).await;
    made.unwrap().into_inner().id
}

/// Messages in a state, the latest first.
pub async fn deliveries(administrator: &Person, state: DeliveryState) -> Vec<pb::Delivery> {
    let request = pb::ListDeliveriesRequest {
        state: state as i32,
        ..Default::default()
    };
    let answer = administrator.notifications().list_deliveries(request).await.unwrap();
    answer.into_inner().deliveries
}

/// The latest message in a state, as soon as there is one.
pub async fn one(administrator: &Person, state: DeliveryState) -> pb::Delivery {
    until(&format!("a message is {state:?}"), async || {
        !deliveries(administrator, state).await.is_empty()
    })
    .await;
    deliveries(administrator, state).await.remove(0)
}

/// What somebody was told by the bell.
pub async fn bell(person: &Person) -> pb::ListNotificationsResponse {
    let request = pb::ListNotificationsRequest::default();
    person.notifications().list_notifications(request).await.unwrap().into_inner()
}

/// Gives somebody a number at Telegram.
pub async fn at_telegram(world: &World, person: &Person) -> i64 {
    let number = 5_000_000 + person.id;
    let sql = "update users set telegram_id = $2 where id = $1";
    world.database().await.execute(sql, &[&person.id, &number]).await.unwrap();
    number
}

/// Whether a signature is one of a body under a secret, as a program of somebody else finds it.
fn is_signed(heard: &Heard, secret: &str) -> bool {
    let program = "import sys,hmac,hashlib\n\
        parts=[p.split('=',1) for p in sys.argv[1].split(',')]\n\
        t=[v for k,v in parts if k=='t'][0]\n\
        due=hmac.new(sys.argv[2].encode(),(t+'.'+sys.argv[3]).encode(),hashlib.sha256).hexdigest()\n\
        sys.exit(0 if any(hmac.compare_digest(due,v) for k,v in parts if k=='v1') else 1)";
    let arguments = ["-c", program, &heard.headers["gad-signature"], secret, &heard.body];
    Command::new("python3").args(arguments).status().unwrap().success()
}

#[tokio::test]
async fn a_webhook_is_told_by_a_call_that_anybody_can_verify() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (id, secret) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    let task = supervisor.task("Cuidar el puente").await;
    let heard = hooks.calls("/a", 1).await.remove(0);
    assert!(is_signed(&heard, &secret));
    assert!(!is_signed(&heard, "whsec_another"));
    let altered = Heard {
        body: heard.body.replace("puente", "parque"),
        ..heard.clone()
    };
    assert!(!is_signed(&altered, &secret));
    assert_eq!(heard.headers["gad-event"], "EVENT_TYPE_TASK_CREATED");
    let said = heard.json();
    assert_eq!(
        (&said["task"]["id"], &said["task"]["code"]),
        (&task.id.into(), &task.code.clone().into())
    );
    assert_eq!(said["actor_user_id"], supervisor.id);
    assert_eq!(said["delivery_id"], heard.headers["gad-delivery"]);
    let sent = one(&administrator, DeliveryState::Sent).await;
    assert_eq!(
        (sent.uid.as_str(), sent.http_status),
        (said["delivery_id"].as_str().unwrap(), 200)
    );

    // While the secret is being changed, calls are signed by both.
    let request = pb::RotateWebhookSecretRequest {
        id,
        ..Default::default()
    };
    let rotated = administrator
        .webhooks()
        .rotate_webhook_secret(request)
        .await
        .unwrap()
        .into_inner();
    supervisor.task("Cuidar el parque").await;
    let heard = hooks.calls("/a", 2).await.remove(1);
    assert!(is_signed(&heard, &rotated.secret) && is_signed(&heard, &secret));
    assert_ne!(rotated.secret, secret);

    // The secret is nowhere, not even sealed under a name of its own in the audit.
    let database = world.database().await;
    let sql = "select count(*) from audit where detail::text like '%whsec_%'";
    assert_eq!(database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
    let request = pb::DeleteWebhookRequest {
        id,
        ..Default::default()
    };
    administrator.webhooks().delete_webhook(request).await.unwrap();
    assert_eq!(deliveries(&administrator, DeliveryState::Unspecified).await, []);
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_name_and_ever_more_seldom() {
    let (hooks, hands) = (Hooks::start().await, Hands::new());
    let world = World::with_clock(hands.clock(), |settings| told_by(&hooks, settings)).await;
    let administrator = world.administrator().await;
    let (id, _) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    for status in [500, 503, 301] {
        hooks.answers("/a", status, &[], "no");
    }
    world.supervisor().await.task("Cuidar el puente").await;
    let list = async || {
        let request = pb::ListWebhooksRequest::default();
        let answer = administrator.webhooks().list_webhooks(request).await.unwrap();
        answer.into_inner().webhooks.remove(0)
    };
    for (tries, seconds) in [(1, 5), (2, 10), (3, 20)] {
        hooks.calls("/a", tries).await;
        until("the failure is written down", async || {
            let waiting = one(&administrator, DeliveryState::Waiting).await;
            waiting.attempt_count == tries as i32 && !waiting.failure.is_empty() && list().await.failure_count == tries as i32
        })
        .await;
        hands.wait(seconds);
    }
    let failing = list().await;
    assert!(
        failing.resume_time.is_some(),
        "three failures in a row: let alone for a while"
    );
    let heard = hooks.calls("/a", 4).await;
    assert!(
        heard
            .iter()
            .all(|one| one.headers["gad-delivery"] == heard[0].headers["gad-delivery"])
    );
    let sent = one(&administrator, DeliveryState::Sent).await;
    assert_eq!((sent.attempt_count, sent.failure.as_str()), (4, ""));
    assert_eq!(list().await.failure_count, 0, "it works again");
}

#[tokio::test]
async fn what_was_given_up_is_seen_and_can_be_replayed() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let administrator = world.administrator().await;
    let (id, _) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    hooks.answers("/a", 410, &[], "");
    world.supervisor().await.task("Cuidar el puente").await;
    let dead = one(&administrator, DeliveryState::Dead).await;
    assert_eq!((dead.http_status, dead.failure.as_str()), (410, "the answer was 410"));
    let request = pb::ReplayDeliveryRequest {
        id: dead.id,
        reason: "Ya volvió".to_owned(),
        ..Default::default()
    };
    let again = administrator
        .notifications()
        .replay_delivery(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.state(), again.attempt_count), (DeliveryState::Waiting, 0));
    let sent = one(&administrator, DeliveryState::Sent).await;
    assert_eq!(sent.uid, dead.uid);
    let heard = hooks.heard("/a");
    assert_eq!(heard[0].headers["gad-delivery"], heard[1].headers["gad-delivery"]);
    let refused = administrator.notifications().replay_delivery(request).await.unwrap_err();
    assert_eq!(reason(&refused), "DELIVERY_NOT_OVER");
}

#[tokio::test]
async fn a_way_that_hangs_slows_no_call_and_no_other_way() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let number = at_telegram(&world, &administrator).await;
    let mut ids = Vec::new();
    for path in ["/hangs", "/works"] {
        ids.push(webhook(&administrator, &hooks.url(path)).await.0);
    }
    let named = pb::NotificationRule {
        webhook_ids: ids,
        levels: vec![UserLevel::Administrator as i32],
        channels: vec![Channel::Telegram as i32],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    hooks.silent("/hangs", true);
    supervisor.task("Primera").await;
    hooks.calls("/hangs", 1).await;
    // From here on one way hangs, and has not answered before the test is over.
    let task = supervisor.task("Segunda").await;
    hooks.calls("/works", 2).await;
    let messages = hooks.calls(TELEGRAM, 2).await;
    assert_eq!(messages[1].json()["chat_id"], number);
    let text = messages[1].json()["text"].as_str().unwrap().to_owned();
    assert_eq!(
        text,
        format!("Tarea nueva: {} Segunda\nhttps://gad.example/board/{}", task.code, task.id)
    );
    let waiting = deliveries(&administrator, DeliveryState::Waiting).await;
    assert!(!waiting.is_empty() && waiting.iter().all(|one| one.channel() == Channel::Webhook));
    hooks.silent("/hangs", false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_was_sending_is_sent_by_another_under_the_same_name() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let (id, secret) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    let World { settings, replica, .. } = world;
    replica.stop().await;
    hooks.silent("/a", true);
    let port = hooks.address.port().to_string();
    let variables = [
        ("GAD_WEBHOOK_NETWORKS", "127.0.0.0/8"),
        ("GAD_WEBHOOK_PORTS", port.as_str()),
        ("GAD_WEBHOOK_HTTP", "true"),
    ];
    let server = Mortal::serve_with(&settings, &variables);
    server.ready().await;
    supervisor.over(channel(server.address)).task("Cuidar el puente").await;
    hooks.calls("/a", 1).await;
    server.kill();
    hooks.silent("/a", false);
    let later = Clock::of(|| Clock::system().now() + SignedDuration::from_mins(2));
    let other = crate::world::Replica::start(settings, later).await;
    let heard = hooks.calls("/a", 2).await;
    assert_eq!(heard[0].headers["gad-delivery"], heard[1].headers["gad-delivery"]);
    assert!(is_signed(&heard[1], &secret));
    other.stop().await;
}

#[tokio::test]
async fn who_is_off_duty_has_quiet_but_for_an_emergency_of_their_own() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let number = at_telegram(&world, &agent).await;
    let named = pb::NotificationRule {
        audience_told: true,
        channels: vec![Channel::Telegram as i32, Channel::Bell as i32],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    let duty = async |duty: i16| {
        let sql = "update agents set duty = $1 where user_id = $2";
        world.database().await.execute(sql, &[&duty, &agent.id]).await.unwrap();
    };
    let give = async |title: &str| {
        let request = pb::CreateTaskRequest {
            task: Some(pb::Task {
                delegate_user_id: agent.id,
                ..draft(title)
            }),
            ..Default::default()
        };
        supervisor.tasks().create_task(request).await.unwrap();
    };
    duty(3).await;
    give("Fuera de servicio").await;
    until("the bell holds it", async || bell(&agent).await.unread_count == 1).await;
    duty(1).await;
    give("De servicio").await;
    let heard = hooks.calls(TELEGRAM, 1).await;
    assert!(heard[0].body.contains("De servicio"), "{heard:?}");
    assert_eq!(heard[0].json()["chat_id"], number);
    assert_eq!(bell(&agent).await.unread_count, 2);

    duty(3).await;
    let request = pb::RaiseEmergencyRequest {
        reporter_user_id: agent.id,
        description: "Persona herida".to_owned(),
        ..Default::default()
    };
    supervisor.emergencies().raise_emergency(request).await.unwrap();
    let heard = hooks.calls(TELEGRAM, 2).await;
    let text = heard[1].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("EMERGENCIA: ") && text.contains("Persona herida"), "{text}");
    assert_eq!(hooks.heard(TELEGRAM).len(), 2);
}

#[tokio::test]
async fn nobody_is_told_of_what_they_may_not_see() {
    let (hooks, hands) = (Hooks::start().await, Hands::new());
    let world = World::with_clock(hands.clock(), |settings| told_by(&hooks, settings)).await;
    let administrator = world.administrator().await;
    let elsewhere = world.zone("Z-SO").await;
    let zonal = world.newcomer("zonal@gad.example", UserLevel::Supervisor, &[elsewhere]).await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    at_telegram(&world, &zonal).await;
    at_telegram(&world, &supervisor).await;
    let named = pb::NotificationRule {
        levels: vec![1, 2, 3],
        channels: vec![Channel::Telegram as i32, Channel::Bell as i32],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    hooks.answers(TELEGRAM, 500, &[], "");
    let task = administrator.task("En otra zona").await;
    assert_ne!(task.zone_id, Some(elsewhere));
    until("the supervisor is told", async || bell(&supervisor).await.unread_count == 1).await;
    let told = bell(&supervisor).await.notifications.remove(0);
    assert_eq!(
        (told.task_id, told.text, told.actor_user_id),
        (task.id, format!("{} En otra zona", task.code), administrator.id)
    );
    for other in [&zonal, &agent, &administrator] {
        assert_eq!(
            bell(other).await.notifications,
            [],
            "nobody else, and nobody of their own doing"
        );
    }
    // What waits is not sent to who may not see it any more.
    until("it failed once", async || {
        one(&administrator, DeliveryState::Waiting).await.attempt_count == 1
            && !one(&administrator, DeliveryState::Waiting).await.failure.is_empty()
    })
    .await;
    let sql = "insert into user_zones (user_id, zone_id) values ($1, $2)";
    world
        .database()
        .await
        .execute(sql, &[&supervisor.id, &elsewhere])
        .await
        .unwrap();
    hands.wait(60);
    let withheld = one(&administrator, DeliveryState::Withheld).await;
    assert_eq!(withheld.user_id, supervisor.id);
    assert_eq!(hooks.heard(TELEGRAM).len(), 1);
    // Nor does the bell say what it was, to a token that knows how far they see by now.
    let limited = world.sign_in("supervisor@gad.example").await;
    assert_eq!(bell(&limited).await.notifications[0].text, "");
}

#[tokio::test]
async fn webhooks_lead_nowhere_inside_and_nowhere_else() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| {
        told_by(&hooks, settings);
        settings.notify.webhook_networks = Vec::new();
    })
    .await;
    let administrator = world.administrator().await;
    let port = hooks.address.port();
    for url in [
        hooks.url("/a"),
        format!("http://[::1]:{port}/"),
        "https://169.254.169.254/latest".to_owned(),
        "https://u:p@hooks.gad.example/".to_owned(),
        "https://hooks.gad.example:22/".to_owned(),
    ] {
        let request = pb::CreateWebhookRequest {
            webhook: Some(pb::Webhook {
                display_name: "Adentro".to_owned(),
                url: url.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let refused = administrator.webhooks().create_webhook(request).await.unwrap_err();
        assert_eq!(crate::world::fields(&refused), ["webhook.url"], "{url}");
    }
    // What a name leads to is seen when it is called.
    let (id, _) = webhook(&administrator, &format!("http://localhost:{port}/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    world.supervisor().await.task("Cuidar el puente").await;
    let dead = one(&administrator, DeliveryState::Dead).await;
    assert_eq!((dead.failure.as_str(), dead.http_status), ("the address is not public", 0));
    assert_eq!(hooks.heard("/a"), []);
}

#[tokio::test]
async fn redirects_are_refused() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let administrator = world.administrator().await;
    let (id, _) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    hooks.answers("/a", 307, &[("location", "/elsewhere")], "");
    world.supervisor().await.task("Cuidar el puente").await;
    let dead = one(&administrator, DeliveryState::Dead).await;
    assert!(dead.failure.contains("redirects"), "{}", dead.failure);
    assert_eq!((hooks.heard("/a").len(), hooks.heard("/elsewhere").len()), (1, 0));
}

#[tokio::test]
async fn mail_goes_out_in_the_language_of_its_reader() {
    let smtp = Smtp::start(Manners::default()).await;
    let world = World::with(|settings| {
        settings.account.mail.smtp_host = Some("127.0.0.1".to_owned());
        settings.account.mail.smtp_port = smtp.address.port();
    })
    .await;
    let administrator = world.administrator().await;
    let supervisor = world.supervisor().await;
    let sql = "update users set language = 'en' where id = $1";
    world.database().await.execute(sql, &[&administrator.id]).await.unwrap();
    let named = pb::NotificationRule {
        user_ids: vec![administrator.id],
        channels: vec![Channel::Email as i32],
        ..of_new_tasks()
    };
    rule(&administrator, named).await;
    let task = supervisor.task("Cuidar el puente").await;
    until("the mail is there", async || !smtp.mails().is_empty()).await;
    let mail = smtp.mails().remove(0);
    assert_eq!(mail.to, "admin@gad.example");
    assert!(
        mail.text.starts_with(&format!("New task: {} Cuidar el puente", task.code)),
        "{}",
        mail.text
    );
    let sent = one(&administrator, DeliveryState::Sent).await;
    assert!(mail.head.contains(&format!("<{}@", sent.uid)), "{}", mail.head);
}

/// More supervisors than are read at a time, some of whom may not sign in.
const CROWD: i32 = 1_203;

#[tokio::test]
async fn of_a_crowd_everybody_is_told_once_however_a_rule_means_them() {
    let world = World::start().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let database = world.database().await;
    let made = database
        .execute(
            "insert into users (uid, email, password_hash, display_name, level, active, create_time, update_time)
             select gen_random_uuid(), 'multitud' || n || '@gad.example', 'x', 'Multitud ' || n, 2, n % 100 > 0, now(), now()
             from generate_series(1, $1) n",
            &[&CROWD],
        )
        .await
        .unwrap();
    assert_eq!(i32::try_from(made), Ok(CROWD));
    database
        .execute(
            "insert into agents (uid, user_id, code, rank, unit, specialty, duty, duty_time, availability_time, create_time, update_time)
             select gen_random_uuid(), id, 'M-' || id, '', 'Multitud', '', 1, now(), now(), now(), now()
             from users where email like 'multitud%'",
            &[],
        )
        .await
        .unwrap();
    let told = async |task: i64| -> i64 {
        let sql = "select count(*) from notifications n join users u on u.id = n.user_id
                   where n.task_id = $1 and u.email like 'multitud%'";
        database.query_one(sql, &[&task]).await.unwrap().get(0)
    };
    let able = i64::from(CROWD - CROWD / 100);
    for by in [
        pb::NotificationRule {
            levels: vec![UserLevel::Supervisor as i32],
            user_ids: vec![supervisor.id],
            ..of_new_tasks()
        },
        pb::NotificationRule {
            units: vec!["Multitud".to_owned()],
            ..of_new_tasks()
        },
    ] {
        let channels = vec![Channel::Bell as i32];
        let id = rule(&administrator, pb::NotificationRule { channels, ..by }).await;
        let task = administrator.task("Para todos").await.id;
        until("everybody is told", async || told(task).await == able).await;
        let request = pb::DeleteNotificationRuleRequest {
            id,
            ..Default::default()
        };
        administrator.notifications().delete_notification_rule(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bell_rings_once_for_each_of_those_who_are_told() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let second = world.newcomer("segunda@gad.example", UserLevel::Supervisor, &[]).await;
    for _ in 0..3 {
        let named = pb::NotificationRule {
            levels: vec![UserLevel::Supervisor as i32],
            user_ids: vec![supervisor.id],
            audience_told: true,
            channels: vec![Channel::Bell as i32],
            ..of_new_tasks()
        };
        rule(&administrator, named).await;
    }
    let request = pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![pb::Noun::Notification as i32],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut mine = Watcher::live_to(&supervisor, request.clone()).await;
    let mut theirs = Watcher::live_to(&second, request).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        tasks.push(administrator.task(&format!("Tarea {number}")).await.id);
    }
    // Of their own doing nobody is told: the last is heard by one of both alone.
    let last = supervisor.task("De la supervisora").await.id;
    let heard = async |watcher: &mut Watcher, count: usize| {
        let mut heard = Vec::new();
        while heard.len() < count {
            let event = watcher.event().await;
            let Some(event::Resource::Notification(told)) = event.resource.clone() else {
                panic!("{event:?}");
            };
            assert_eq!(event.r#type(), EventType::NotificationCreated);
            heard.push(told.task_id);
        }
        heard
    };
    assert_eq!(heard(&mut mine, 20).await, tasks);
    let all: Vec<i64> = tasks.iter().copied().chain([last]).collect();
    assert_eq!(heard(&mut theirs, 21).await, all);
    let listed = bell(&supervisor).await;
    let ids: Vec<i64> = listed.notifications.iter().rev().map(|told| told.task_id).collect();
    assert_eq!((ids, listed.unread_count), (tasks.clone(), 20));

    let read = pb::MarkNotificationsReadRequest {
        ids: vec![listed.notifications[0].id],
        up_to_id: listed.notifications[10].id,
        ..Default::default()
    };
    let marked = supervisor
        .notifications()
        .mark_notifications_read(read.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((marked.marked_count, marked.unread_count), (11, 9));
    let event = mine.event().await;
    assert_eq!(event.r#type(), EventType::NotificationRead);
    // What is another's stays as it is.
    let marked = second
        .notifications()
        .mark_notifications_read(read)
        .await
        .unwrap()
        .into_inner();
    let own = bell(&second).await;
    assert_eq!(own.unread_count + marked.marked_count, 21);
    assert!(
        listed
            .notifications
            .iter()
            .all(|told| own.notifications.iter().all(|other| other.id != told.id))
    );
    assert_eq!(bell(&supervisor).await.unread_count, 9);
    other.stop().await;
}

#[tokio::test]
async fn rules_are_changed_by_what_was_seen_of_them() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let id = rule(&administrator, of_new_tasks()).await;
    let list = async || {
        let request = pb::ListNotificationRulesRequest::default();
        let answer = administrator.notifications().list_notification_rules(request).await.unwrap();
        answer.into_inner().rules
    };
    let made = list().await.pop().unwrap();
    assert_eq!((made.id, made.etag.as_str()), (id, "r1"));
    let update = |etag: &str| pb::UpdateNotificationRuleRequest {
        rule: Some(pb::NotificationRule {
            disabled: true,
            ..made.clone()
        }),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let changed = administrator
        .notifications()
        .update_notification_rule(update("r1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((changed.disabled, changed.etag.as_str()), (true, "r2"));
    let refused = administrator
        .notifications()
        .update_notification_rule(update("r1"))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "STALE_ETAG");
    let request = pb::DeleteNotificationRuleRequest {
        id,
        ..Default::default()
    };
    administrator.notifications().delete_notification_rule(request).await.unwrap();
    assert!(list().await.iter().all(|rule| rule.id != id));
}

#[tokio::test]
async fn how_much_is_open_is_told_to_supervisors_as_it_changes_and_to_nobody_else() {
    let world = World::start().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let elsewhere = world.zone("Z-SO").await;
    let zonal = world.newcomer("zonal@gad.example", UserLevel::Supervisor, &[elsewhere]).await;
    let request = pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![pb::Noun::Kpi as i32],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut watchers = Vec::new();
    for person in [&supervisor, &zonal, &agent] {
        watchers.push(Watcher::start(person, request.clone()).await);
    }
    let count = async |watcher: &mut Watcher| loop {
        match watcher.next().await {
            Item::Event(event) => {
                let Some(event::Resource::Kpi(kpi)) = event.resource else {
                    panic!("{event:?}")
                };
                return kpi;
            }
            Item::Checkpoint(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(count(&mut watchers[0]).await, pb::Kpi::default(), "at once");
    assert_eq!(count(&mut watchers[1]).await, pb::Kpi::default());
    let task = supervisor.task("Cuidar el puente").await;
    let expected = pb::Kpi {
        scheduled_count: 1,
        ..Default::default()
    };
    assert_eq!(count(&mut watchers[0]).await, expected);
    let step = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    supervisor.tasks().start_task(step).await.unwrap();
    let expected = pb::Kpi {
        in_progress_count: 1,
        ..Default::default()
    };
    assert_eq!(count(&mut watchers[0]).await, expected);
    // To the others nothing changed: what they hear next is a sign of life.
    for watcher in &mut watchers[1..] {
        for _ in 0..2 {
            let next = watcher.next().await;
            assert!(matches!(next, Item::Checkpoint(_)), "{next:?}");
        }
    }
}
