//! What waits goes out: each channel by itself, and of webhooks each by itself.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::SignedDuration;
use secrecy::SecretString;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Channels, SECRETS,
    channels::{Message, Outcome},
    words::{self, Story},
};
use crate::{
    app::App,
    domain::{
        agent::Agent,
        notification::{self, Channel, Delivery, Reader, State, Target, Thing, Topic},
        task::Task,
    },
    error::{Error, Result},
    store::{
        self, Query,
        delivery::{Ended, Taking},
        webhook::Webhook,
    },
};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Messages of a channel under way at a time.
const AT_ONCE: usize = 64;
/// Messages to one webhook, or of another channel, that are taken at a time.
const EACH: i64 = 8;
/// How long a replica has to send what it took.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Failures in a row after which messages are tried one by one.
const WARY: u32 = 3;

/// Sends what waits of a channel until stopped.
pub async fn run(app: Arc<App>, channels: Arc<Channels>, channel: Channel, stop: CancellationToken) {
    let mut going: JoinSet<()> = JoinSet::new();
    let mut targets: HashMap<Id, i64> = HashMap::new();
    while channels.has(channel) {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(done) = going.join_next_with_id() => {
                let id = done.map_or_else(|failed| failed.id(), |(id, ())| id);
                targets.remove(&id);
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let free = AT_ONCE.saturating_sub(going.len());
        let busy: Vec<i64> = targets.values().copied().collect();
        match take(&app, channel, &busy, free).await {
            Ok(taken) => {
                for delivery in taken {
                    let target = number(delivery.target);
                    let (app, channels) = (Arc::clone(&app), Arc::clone(&channels));
                    let handle = going.spawn(async move { deliver(&app, &channels, delivery).await });
                    targets.insert(handle.id(), target);
                }
            }
            Err(cause) => tracing::warn!(%cause, ?channel, "messages cannot be taken now"),
        }
    }
    // What is on its way is not dropped half-way; what does not end in time goes out again.
    while going.join_next().await.is_some() {}
}

/// The webhook; 0 of other channels, which stand for all their readers.
fn number(target: Target) -> i64 {
    match target {
        Target::User(_) => 0,
        Target::Webhook(webhook) => webhook,
    }
}

async fn take(app: &App, channel: Channel, busy: &[i64], free: usize) -> Result<Vec<Delivery>> {
    if free == 0 {
        return Ok(Vec::new());
    }
    let taking = Taking {
        channel,
        busy,
        each: EACH,
        failures: WARY,
        limit: i64::try_from(free).map_err(Error::internal)?,
        lease: LEASE,
        now: app.clock.now(),
    };
    let conn = app.database.lease().await?;
    store::delivery::take(&*conn, &taking).await
}

async fn deliver(app: &App, channels: &Channels, delivery: Delivery) {
    if let Err(cause) = try_one(app, channels, &delivery).await {
        // It was not written down how it ended: it comes again when its lease is over.
        tracing::warn!(%cause, delivery = delivery.id, "a message was left half-way");
    }
}

async fn try_one(app: &App, channels: &Channels, delivery: &Delivery) -> Result<()> {
    let now = app.clock.now();
    let message = {
        let conn = app.database.lease().await?;
        match compose(app, &*conn, delivery).await? {
            Some(message) => message,
            None => return over(app, delivery, State::Withheld, "its reader may not have it", None).await,
        }
    };
    // No connection is held while it is on its way.
    match channels.send(delivery.uid, message, now).await {
        Outcome::Taken(status) => {
            store::delivery::works(&*app.database.lease().await?, delivery.channel, number(delivery.target)).await?;
            over(app, delivery, State::Sent, "", status).await
        }
        Outcome::Failed {
            text,
            status,
            forever,
            broken,
            wait,
        } => {
            if broken {
                let_alone(app, delivery).await?;
            }
            let now = app.clock.now();
            let next = now + notification::wait(delivery.attempts, delivery.uid).max(wait.unwrap_or_default());
            if forever || next >= delivery.expires {
                tracing::warn!(delivery = delivery.id, channel = ?delivery.channel, failure = text, "a message was given up");
                return over(app, delivery, State::Dead, &text, status).await;
            }
            let ended = Ended {
                state: State::Waiting,
                next: Some(next),
                failure: &text,
                http_status: status,
                now,
            };
            count(delivery, "put_off");
            store::delivery::end(&*app.database.lease().await?, delivery, &ended).await
        }
    }
}

/// One failure more of a channel or webhook: after some it is let alone for a while.
async fn let_alone(app: &App, delivery: &Delivery) -> Result<()> {
    let (channel, target) = (delivery.channel, number(delivery.target));
    let conn = app.database.lease().await?;
    let failures = store::delivery::failed(&*conn, channel, target).await?;
    if let Some(pause) = notification::pause(failures) {
        tracing::warn!(?channel, target, failures, "let alone for a while");
        store::delivery::let_alone(&*conn, channel, target, app.clock.now() + pause).await?;
    }
    Ok(())
}

async fn over(app: &App, delivery: &Delivery, state: State, failure: &str, http_status: Option<u16>) -> Result<()> {
    count(
        delivery,
        match state {
            State::Waiting => "put_off",
            State::Sent => "sent",
            State::Dead => "dead",
            State::Withheld => "withheld",
        },
    );
    let ended = Ended {
        state,
        next: None,
        failure,
        http_status,
        now: app.clock.now(),
    };
    store::delivery::end(&*app.database.lease().await?, delivery, &ended).await
}

fn count(delivery: &Delivery, outcome: &'static str) {
    metrics::counter!("deliveries_total", "channel" => format!("{:?}", delivery.channel), "outcome" => outcome).increment(1);
}

/// What a message says, of the thing as it is now, as its reader may see it now; none if they may not have it.
async fn compose(app: &App, on: &impl Query, delivery: &Delivery) -> Result<Option<Message>> {
    if let Some(message) = delivery.message {
        return to_one(on, message, delivery.target).await;
    }
    let Some(thing) = delivery.thing else { return Ok(None) };
    let Some(topic) = topic(on, thing).await? else {
        return Ok(None);
    };
    match delivery.target {
        Target::User(user) => {
            let Some((user, reader)) = store::notification::reader(on, user).await? else {
                return Ok(None);
            };
            if !reader.takes(delivery.channel, &topic) {
                return Ok(None);
            }
            let (task, agent) = beside(on, thing, &reader).await?;
            let story = Story {
                event: delivery.event,
                topic: &topic,
                task: task.as_ref(),
                agent: agent.as_ref(),
                frontend: &app.settings.account.frontend_url,
                project: &app.settings.account.project_name,
            };
            Ok(match (delivery.channel, user.telegram_id) {
                (Channel::Telegram, Some(chat)) => Some(Message::Telegram {
                    chat,
                    text: story.text(&user.language),
                }),
                (Channel::Email, _) => Some(Message::Email(story.letter(&user.email, &user.language))),
                (Channel::Telegram | Channel::Bell | Channel::Webhook, _) => None,
            })
        }
        Target::Webhook(webhook) => {
            let Some(webhook) = store::webhook::get(on, webhook).await? else {
                return Ok(None);
            };
            let owner = store::notification::reader(on, webhook.owner).await?;
            if !owner.is_some_and(|(_, owner)| topic.is_visible_to(&owner.caller)) {
                return Ok(None);
            }
            Ok(Some(Message::Webhook {
                secrets: secrets(app, &webhook)?,
                url: webhook.url,
                event: words::event_name(delivery.event),
                body: words::payload(delivery, &topic).to_string().into_bytes(),
            }))
        }
    }
}

/// Task and agent that a thing is about without being one of them, as far as its reader sees them: who may know of an emergency
/// or a check-in may know of its task.
async fn beside(on: &impl Query, thing: Thing, reader: &Reader) -> Result<(Option<Task>, Option<Agent>)> {
    let (task, agent) = match thing {
        Thing::Task(_) | Thing::Agent(_) => (None, None),
        Thing::Emergency(_, task) => (Some(task), None),
        Thing::CheckIn(task, agent) => (Some(task), Some(agent)),
        Thing::Crossing(_, agent) => (None, Some(agent)),
    };
    let task = match task {
        Some(task) => store::task::get(on, task).await?,
        None => None,
    };
    let agent = match agent {
        Some(agent) => store::agent::get(on, agent).await?,
        None => None,
    };
    Ok((task, agent.filter(|agent| agent.is_visible_to(&reader.caller))))
}

/// A message to a group, for one of them.
async fn to_one(on: &impl Query, message: i64, target: Target) -> Result<Option<Message>> {
    let (Target::User(user), Some(message)) = (target, store::message::get(on, message).await?) else {
        return Ok(None);
    };
    let Some((user, reader)) = store::notification::reader(on, user).await? else {
        return Ok(None);
    };
    let chat = reader.telegram.filter(|_| message.is_for(&reader));
    Ok(chat.map(|chat| Message::Telegram {
        chat,
        text: words::marked(&message, &user.language),
    }))
}

async fn topic(on: &impl Query, thing: Thing) -> Result<Option<Topic>> {
    Ok(match thing {
        Thing::Task(id) => store::task::get(on, id).await?.map(|task| Topic::Task(Box::new(task))),
        Thing::Agent(id) => store::agent::get(on, id).await?.map(|agent| Topic::Agent(Box::new(agent))),
        Thing::Emergency(id, _) => {
            let emergency = store::emergency::get(on, id).await?;
            emergency.map(|emergency| Topic::Emergency(Box::new(emergency)))
        }
        Thing::CheckIn(task, agent) => {
            let check_in = store::check_in::get(on, task, agent).await?;
            check_in.map(|check_in| Topic::CheckIn(Box::new(check_in)))
        }
        Thing::Crossing(event, _) => {
            let event = store::geofence_event::get(on, event).await?;
            event.map(|event| Topic::Crossing(Box::new(event)))
        }
    })
}

/// What calls of a webhook are signed with now, the newest first.
fn secrets(app: &App, webhook: &Webhook) -> Result<Vec<SecretString>> {
    let former = webhook.former.iter().filter(|(_, until)| app.clock.now() < *until);
    let sealed = std::iter::once(&webhook.sealed).chain(former.map(|(sealed, _)| sealed));
    let open = |sealed: &Vec<u8>| {
        let secret = app.seal.open(SECRETS, &webhook.uid.to_string(), sealed)?;
        Ok(String::from_utf8(secret).map_err(Error::internal)?.into())
    };
    sealed.map(open).collect()
}
