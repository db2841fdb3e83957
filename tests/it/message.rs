//! Messages to groups by Telegram, through the door of the older product and the new one.

use gad::pb::{self, DeliveryState, MessageAudience, UserLevel};
use serde_json::{Value, json};

use crate::{
    hooks::Hooks,
    legacy::{Door, detail},
    notification::{TELEGRAM, at_telegram, deliveries, one, told_by},
    world::{World, until},
};

const SEND: &str = "/api/v1/admin/telegram/send";

/// Who got something, by their numbers at Telegram, and what.
fn got(hooks: &Hooks) -> Vec<(i64, String)> {
    let heard = hooks.heard(TELEGRAM).into_iter().map(|call| call.json());
    let mut got: Vec<(i64, String)> = heard
        .map(|said| (said["chat_id"].as_i64().unwrap(), said["text"].as_str().unwrap().to_owned()))
        .collect();
    got.sort();
    got
}

#[tokio::test]
async fn a_message_goes_to_each_of_its_group_and_to_agents_off_duty_only_if_it_is_urgent() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let (administrator, supervisor, agent) = (world.administrator().await, world.supervisor().await, world.agent().await);
    let resting = world.other_agent().await;
    // Who has no number there gets nothing, and neither does who may not sign in.
    let stopped = world.newcomer("fuera@gad.example", UserLevel::Supervisor, &[]).await;
    world.newcomer("sin@gad.example", UserLevel::Supervisor, &[]).await;
    let mut numbers = Vec::new();
    for person in [&administrator, &supervisor, &agent, &resting, &stopped] {
        numbers.push(at_telegram(&world, person).await);
    }
    let database = world.database().await;
    for (sql, id) in [
        ("update agents set duty = 3 where user_id = $1", resting.id),
        ("update agents set duty = 1 where user_id = $1", agent.id),
        ("update users set active = false where id = $1", stopped.id),
    ] {
        database.execute(sql, &[&id]).await.unwrap();
    }
    let [administrators, supervisors, agents, at_rest, _] = numbers[..] else {
        panic!("five numbers")
    };
    let door = Door::before(world).await;
    let mut expected: Vec<(i64, String)> = Vec::new();
    for (group, kind, text, whom) in [
        (
            "supervisores",
            "info",
            "Información\nTurno",
            vec![administrators, supervisors],
        ),
        ("operaciones", "normal", "Turno", vec![agents]),
        (
            "emergencias",
            "alert",
            "ALERTA\nTurno",
            vec![administrators, supervisors, agents],
        ),
        ("general", "normal", "Turno", vec![administrators, supervisors, agents]),
        (
            "general",
            "urgent",
            "URGENTE\nTurno",
            vec![administrators, supervisors, agents, at_rest],
        ),
    ] {
        let body = json!({ "group": group, "message": "Turno", "type": kind });
        let told = door.post(SEND, Some(&administrator.token), body).await;
        let said = told.json();
        assert_eq!(
            (told.status.as_u16(), &said["status"], &said["recipients"], &said["message"]),
            (
                200,
                &json!("queued"),
                &json!(whom.len()),
                &json!(format!("Mensaje en cola para {} destinatarios", whom.len()))
            ),
            "{told:?}"
        );
        expected.extend(whom.into_iter().map(|number| (number, text.to_owned())));
        hooks.calls(TELEGRAM, expected.len()).await;
    }
    expected.sort();
    assert_eq!(got(&hooks), expected);
    let audited: i64 = database
        .query_one(
            "select count(*) from audit where method like '%/SendTelegram' and resource like 'message/%' and user_id = $1",
            &[&administrator.id],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(audited, 5);
    door.close().await;
}

#[tokio::test]
async fn a_telegram_that_hangs_slows_nobody_and_what_it_refuses_is_seen() {
    let hooks = Hooks::start().await;
    let world = World::with(|settings| told_by(&hooks, settings)).await;
    let administrator = world.administrator().await;
    at_telegram(&world, &administrator).await;
    let door = Door::before(world).await;
    let say = async |text: &str| -> Value {
        let body = json!({ "group": "supervisores", "message": text, "type": "normal" });
        let told = door.post(SEND, Some(&administrator.token), body).await;
        assert_eq!(told.status, 200, "{told:?}");
        told.json()
    };
    hooks.silent(TELEGRAM, true);
    let first = say("Primero").await;
    hooks.calls(TELEGRAM, 1).await;
    // It hangs from here on, and has not answered before these do.
    say("Segundo").await;
    let waiting = deliveries(&administrator, DeliveryState::Waiting).await;
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[1].message_id, first["message_id"].as_i64().unwrap());
    hooks.silent(TELEGRAM, false);
    hooks.answers(TELEGRAM, 403, &[], r#"{"ok":false,"error_code":403}"#);
    say("Tercero").await;
    let dead = one(&administrator, DeliveryState::Dead).await;
    assert_eq!((dead.http_status, dead.failure.as_str()), (403, "Telegram said 403"));
    let request = pb::ReplayDeliveryRequest {
        id: dead.id,
        ..Default::default()
    };
    administrator.notifications().replay_delivery(request).await.unwrap();
    until("it was sent", async || {
        let sent = deliveries(&administrator, DeliveryState::Sent).await;
        sent.iter().any(|one| one.id == dead.id)
    })
    .await;
    door.close().await;
}

#[tokio::test]
async fn a_repeat_sends_nothing_twice_and_what_was_written_goes_with_its_writer() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    at_telegram(&world, &administrator).await;
    let request = pb::CreateMessageRequest {
        audience: MessageAudience::Supervisors as i32,
        text: "Reunión".to_owned(),
        request_id: "uno".to_owned(),
        ..Default::default()
    };
    let first = administrator
        .messages()
        .create_message(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = administrator.messages().create_message(request).await.unwrap().into_inner();
    assert_eq!((first.id, first.recipient_count, first.sendable), (again.id, 1, false));
    assert_eq!(deliveries(&administrator, DeliveryState::Waiting).await.len(), 1);
    let lasts = first.expire_time.unwrap().seconds - first.create_time.unwrap().seconds;
    assert_eq!(lasts, 3600, "nobody is called to a meeting of yesterday");
    let door = Door::before(world).await;
    let body = json!({ "message": "x".repeat(4001) });
    let told = door.post(SEND, Some(&administrator.token), body).await;
    assert_eq!(told.status, 422);
    door.get(SEND, Some(&administrator.token))
        .await
        .is(405, &detail("Method Not Allowed"));
    door.close().await;
}
