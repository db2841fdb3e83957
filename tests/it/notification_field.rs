//! What happens to agents in the field reaches the rules: signs of life that are missing, and geofences.

use gad::pb::{self, DeliveryState, EventType, NotificationChannel as Channel, UserLevel};

use crate::{
    check_in::{ask, patrol},
    emergency::Hands,
    geofence::Yard,
    hooks::Hooks,
    notification::{TELEGRAM, at_telegram, bell, deliveries, one, rule, told_by, webhook},
    smtp::{Manners, Smtp},
    world::{Person, World, until},
};

/// A rule for everybody who may see what happened, by bell and Telegram.
fn to_everybody(events: &[EventType]) -> pb::NotificationRule {
    pb::NotificationRule {
        display_name: "Campo".to_owned(),
        event_types: events.iter().map(|event| *event as i32).collect(),
        levels: vec![1, 2, 3],
        channels: vec![Channel::Telegram as i32, Channel::Bell as i32],
        ..Default::default()
    }
}

/// What somebody's bell says of these events, the oldest first.
async fn rung(person: &Person, events: &[EventType]) -> Vec<(EventType, String)> {
    let told = bell(person).await.notifications;
    let of = told.iter().rev().filter(|told| events.contains(&told.event_type()));
    of.map(|told| (told.event_type(), told.text.clone())).collect()
}

const MISSED: [EventType; 1] = [EventType::CheckInMissed];

#[tokio::test]
async fn of_an_agent_who_is_not_heard_of_supervisors_and_the_agent_itself_are_told_at_once() {
    let (hooks, hands) = (Hooks::start().await, Hands::new());
    let world = World::with_clock(hands.clock(), |settings| told_by(&hooks, settings)).await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let elsewhere = world.zone("Z-SO").await;
    let zonal = world.newcomer("zonal@gad.example", UserLevel::Supervisor, &[elsewhere]).await;
    let mut numbers = Vec::new();
    for person in [&supervisor, &agent, &other, &zonal] {
        numbers.push(at_telegram(&world, person).await);
    }
    ask(&world, false).await;
    let task = patrol(&supervisor, &agent).await;
    assert_ne!(task.zone_id, Some(elsewhere));
    hands.wait(61);
    let of_missed = |text: &str| text.starts_with("FALTA LA SEÑAL DE VIDA");
    let messages = || {
        let heard = hooks.heard(TELEGRAM).into_iter().map(|heard| heard.json());
        heard
            .filter(|said| of_missed(said["text"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    until("both are told", async || messages().len() == 2).await;
    let mut chats: Vec<i64> = messages().iter().map(|said| said["chat_id"].as_i64().unwrap()).collect();
    chats.sort_unstable();
    let mut expected = numbers[..2].to_vec();
    expected.sort_unstable();
    assert_eq!(chats, expected, "who directs, and who is not heard of");
    let request = pb::GetAgentRequest {
        id: agent.agent_id.unwrap(),
    };
    let code = agent.agents().get_agent(request).await.unwrap().into_inner().code;
    let about = format!("{code}, {} Ronda nocturna", task.code);
    let text = format!("FALTA LA SEÑAL DE VIDA: {about}\nhttps://gad.example/board/{}", task.id);
    assert!(messages().iter().all(|said| said["text"] == text), "{:?}", messages());
    for person in [&supervisor, &agent] {
        assert_eq!(rung(person, &MISSED).await, [(EventType::CheckInMissed, about.clone())]);
    }
    let told = bell(&supervisor).await.notifications.remove(0);
    assert_eq!(
        (told.task_id, told.agent_id, told.emergency_id),
        (task.id, agent.agent_id.unwrap(), 0)
    );
    for person in [&other, &zonal] {
        assert_eq!(rung(person, &MISSED).await, []);
    }
}

#[tokio::test]
async fn an_alarm_for_who_is_not_heard_of_reaches_the_programs_of_whoever_sees_the_task() {
    let (hooks, hands) = (Hooks::start().await, Hands::new());
    let world = World::with_clock(hands.clock(), |settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    ask(&world, true).await;
    let (id, _) = webhook(&administrator, &hooks.url("/a")).await;
    let events = [EventType::CheckInMade, EventType::CheckInMissed, EventType::CheckInRaised];
    let patrols = pb::NotificationRule {
        kinds: vec![pb::TaskKind::Patrol as i32],
        min_priority: pb::TaskPriority::Low as i32,
        webhook_ids: vec![id],
        ..to_everybody(&events)
    };
    rule(&administrator, patrols.clone()).await;
    let others = pb::NotificationRule {
        kinds: vec![pb::TaskKind::Training as i32],
        webhook_ids: vec![webhook(&administrator, &hooks.url("/b")).await.0],
        ..patrols
    };
    rule(&administrator, others).await;
    let task = patrol(&supervisor, &agent).await;
    let sign = pb::CheckInRequest {
        task_id: task.id,
        ..Default::default()
    };
    let made = agent.check_ins().check_in(sign).await.unwrap().into_inner();
    hooks.calls("/a", 1).await;
    hands.wait(61);
    hooks.calls("/a", 2).await;
    hands.wait(31);
    let heard = hooks.calls("/a", 3).await;
    let names: Vec<&str> = heard.iter().map(|one| one.headers["gad-event"].as_str()).collect();
    let expected = [
        "EVENT_TYPE_CHECK_IN_MADE",
        "EVENT_TYPE_CHECK_IN_MISSED",
        "EVENT_TYPE_CHECK_IN_RAISED",
    ];
    assert_eq!(names, expected);
    let said = heard[2].json();
    assert_eq!(
        (
            &said["check_in"]["id"],
            &said["check_in"]["task_id"],
            &said["check_in"]["agent_id"]
        ),
        (&made.id.into(), &task.id.into(), &agent.agent_id.unwrap().into())
    );
    assert_eq!(said["check_in"]["state"], "CHECK_IN_STATE_RAISED");
    assert!(said["check_in"]["emergency_id"].as_i64().unwrap() > 0, "{said}");
    assert_eq!(
        (heard[0].json()["actor_user_id"].clone(), said["actor_user_id"].clone()),
        (agent.id.into(), 0.into())
    );
    assert_eq!(hooks.heard("/b"), [], "a rule of other kinds of tasks");
    // Of its own sign of life nobody is told, of the missing one they are.
    let told: Vec<_> = rung(&agent, &events).await.into_iter().map(|(event, _)| event).collect();
    assert_eq!(told, [EventType::CheckInMissed, EventType::CheckInRaised]);
    // What is not so any more is not said: the task is over.
    hooks.answers("/a", 500, &[], "");
    hands.wait(1);
    let sign = pb::CheckInRequest {
        task_id: task.id,
        ..Default::default()
    };
    agent.check_ins().check_in(sign).await.unwrap();
    hooks.calls("/a", 4).await;
    let step = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    agent.tasks().finish_task(step).await.unwrap();
    until("it failed once", async || {
        let waiting = deliveries(&administrator, DeliveryState::Waiting).await;
        waiting.iter().any(|one| one.webhook_id == id && !one.failure.is_empty())
    })
    .await;
    hands.wait(60);
    let withheld = one(&administrator, DeliveryState::Withheld).await;
    assert_eq!((withheld.webhook_id, withheld.event_type()), (id, EventType::CheckInMade));
}

const CROSSINGS: [EventType; 3] = [EventType::GeofenceEntered, EventType::GeofenceLeft, EventType::GeofenceDwelt];

#[tokio::test]
async fn what_happens_at_a_fence_is_told_to_whoever_sees_its_zone_and_to_nobody_else() {
    let hooks = Hooks::start().await;
    let yard = Yard::with(|settings| told_by(&hooks, settings)).await;
    let administrator = yard.world.administrator().await;
    let city = yard.world.zone("Z-NE").await;
    let near = yard
        .world
        .newcomer("cerca@gad.example", UserLevel::Supervisor, &[yard.zone])
        .await;
    let far = yard.world.newcomer("lejos@gad.example", UserLevel::Supervisor, &[city]).await;
    let other = yard.world.other_agent().await;
    at_telegram(&yard.world, &near).await;
    at_telegram(&yard.world, &far).await;
    let (id, _) = webhook(&administrator, &hooks.url("/a")).await;
    let named = pb::NotificationRule {
        webhook_ids: vec![id],
        ..to_everybody(&CROSSINGS)
    };
    rule(&administrator, named).await;
    let fence = yard.fence().await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    let said = hooks.calls("/a", 1).await.remove(0).json();
    let event = &said["geofence_event"];
    assert_eq!(said["event_type"], "EVENT_TYPE_GEOFENCE_ENTERED");
    assert_eq!(
        (
            &event["geofence_id"],
            &event["geofence_name"],
            &event["agent_id"],
            &event["zone_id"]
        ),
        (&fence.id.into(), &"Mercado".into(), &yard.id.into(), &yard.zone.into())
    );
    assert_eq!(event["kind"], "GEOFENCE_EVENT_KIND_ENTERED");
    assert!(
        !said.to_string().contains("latitude") && !said.to_string().contains("69.95"),
        "{said}"
    );
    let message = hooks.calls(TELEGRAM, 1).await.remove(0).json();
    let request = pb::GetAgentRequest { id: yard.id };
    let code = near.agents().get_agent(request).await.unwrap().into_inner().code;
    let expected = format!("Entró en la geocerca: {code}, Mercado\nhttps://gad.example/map");
    assert_eq!(
        (&message["chat_id"], &message["text"]),
        (&(5_000_000 + near.id).into(), &expected.into())
    );
    for person in [&near, &yard.supervisor, &administrator] {
        let expected = (EventType::GeofenceEntered, format!("{code}, Mercado"));
        assert_eq!(rung(person, &CROSSINGS).await, [expected]);
    }
    let told = bell(&near).await.notifications.remove(0);
    assert_eq!(
        (told.agent_id, told.task_id, told.geofence_event_id),
        (yard.id, 0, event["id"].as_i64().unwrap())
    );
    for person in [&far, &other, &yard.agent] {
        assert_eq!(
            rung(person, &CROSSINGS).await,
            [],
            "nobody else, and nobody of their own doing"
        );
    }
    // Who goes away into another's zone is told of, and not named to who does not see them there.
    let database = yard.world.database().await;
    hooks.answers(TELEGRAM, 500, &[], "");
    yard.walk(&[(180, -300.0), (240, -300.0)]).await;
    until("it is told", async || rung(&near, &CROSSINGS).await.len() == 2).await;
    assert_eq!(
        rung(&near, &CROSSINGS).await[1],
        (EventType::GeofenceLeft, "Mercado".to_owned())
    );
    // Who may not see the zone any more is not told by what waits, nor by what was told.
    until("it failed once", async || {
        let waiting = deliveries(&administrator, DeliveryState::Waiting).await;
        waiting.iter().any(|one| one.user_id == near.id && !one.failure.is_empty())
    })
    .await;
    let sql = "update user_zones set zone_id = $2 where user_id = $1";
    database.execute(sql, &[&near.id, &city]).await.unwrap();
    yard.at(400);
    let withheld = one(&administrator, DeliveryState::Withheld).await;
    assert_eq!((withheld.user_id, withheld.agent_id), (near.id, yard.id));
    assert!(withheld.geofence_event_id > 0);
    assert_eq!(hooks.heard(TELEGRAM).len(), 2);
    let limited = yard.world.sign_in("cerca@gad.example").await;
    assert!(rung(&limited, &CROSSINGS).await.iter().all(|(_, text)| text.is_empty()));
}

#[tokio::test]
async fn mail_says_at_which_fence_somebody_is() {
    let smtp = Smtp::start(Manners::default()).await;
    let yard = Yard::with(|settings| {
        settings.account.mail.smtp_host = Some("127.0.0.1".to_owned());
        settings.account.mail.smtp_port = smtp.address.port();
    })
    .await;
    let administrator = yard.world.administrator().await;
    let named = pb::NotificationRule {
        levels: Vec::new(),
        user_ids: vec![administrator.id],
        channels: vec![Channel::Email as i32],
        ..to_everybody(&CROSSINGS)
    };
    rule(&administrator, named).await;
    yard.fence().await;
    yard.walk(&[(0, -300.0), (60, 300.0), (120, 300.0)]).await;
    until("the mail is there", async || !smtp.mails().is_empty()).await;
    let mail = smtp.mails().remove(0);
    assert!(
        mail.text.starts_with("Entró en la geocerca: ") && mail.text.contains(", Mercado"),
        "{}",
        mail.text
    );
}
