//! From facts to what is queued: one replica at a time, each fact once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Channels;
use crate::{
    app::App,
    domain::{
        UserId,
        fact::{Before, Fact, FactKind, Subject},
        notification::{self, Channel, LIFETIME, Rule, Target, Topic},
    },
    error::Result,
    store::{self, Tx, delivery::Draft, notification::Told, outbox::Entry},
};

/// Longest wait for a bell that may have been lost.
const LOOK: Duration = Duration::from_millis(500);
/// Facts of one transaction.
const BATCH: i64 = 100;
/// Longest that one transaction may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// People that are looked at at a time.
const PEOPLE: i64 = 500;
/// Rules that count at most.
const RULES: i64 = 1000;

/// Looks at what is new until stopped.
pub async fn run(app: &App, channels: &Channels, stop: CancellationToken) {
    let mut bell = app.wake.listen();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(LOOK, bell.changed()) => {}
        }
        loop {
            match look(app, channels).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(cause) => {
                    tracing::warn!(%cause, "what rules ask for cannot be queued now");
                    break;
                }
            }
        }
    }
}

/// Queues what the next facts ask for; says whether there may be more.
async fn look(app: &App, channels: &Channels) -> Result<bool> {
    let mut conn = app.database.lease().await?;
    // A transaction that locks would hold the feed back: it is begun only if there is something to look at.
    if !store::notification::behind(&*conn).await? {
        return Ok(false);
    }
    let now = app.clock.now();
    let tx = conn.begin(Some(PATIENCE)).await?;
    let feed = store::outbox::feed(&tx).await?;
    let Some(place) = store::notification::lock_place(&tx, &feed).await? else {
        return Ok(false);
    };
    if place < feed.floor {
        tracing::error!(%place, floor = %feed.floor, "facts went before rules were asked about them");
        metrics::counter!("notification_gaps_total").increment(1);
    }
    let entries = store::outbox::read(&tx, place, None, BATCH).await?;
    let Some(last) = entries.last().map(|entry| entry.position) else {
        return Ok(false);
    };
    let rules = store::notification::rules(&tx, 0, RULES).await?;
    let mut facts = Vec::new();
    for entry in &entries {
        facts.extend(queue(app, channels, &tx, &rules, feed.epoch, entry, now).await?);
    }
    store::outbox::add(&tx, &facts).await?;
    store::notification::move_place(&tx, feed.epoch, last).await?;
    tx.commit().await?;
    metrics::counter!("notification_facts_total").increment(entries.len() as u64);
    if !facts.is_empty() {
        app.wake.ring();
    }
    Ok(entries.len() as i64 == BATCH)
}

/// What rules ask for because of a fact.
#[derive(Default)]
struct Asked {
    bells: BTreeSet<UserId>,
    /// By channel and reader; the rule that asked first.
    messages: BTreeMap<(i16, i64), (Channel, Target, i64)>,
}

/// Queues what one fact asks for; gives what is told of it on the feed.
async fn queue(
    app: &App,
    channels: &Channels,
    tx: &Tx<'_>,
    rules: &[Rule],
    epoch: i64,
    entry: &Entry,
    now: Timestamp,
) -> Result<Vec<Fact>> {
    let Entry { position, fact } = entry;
    let Some(topic) = Topic::of(&fact.subject) else {
        return Ok(Vec::new());
    };
    let event = notification::event(fact);
    let mut asked = Asked::default();
    for rule in rules.iter().filter(|rule| rule.is_about(event, &topic)) {
        ask_people(channels, tx, rule, &topic, fact.actor, &mut asked).await?;
        ask_webhooks(tx, rule, &topic, &mut asked).await?;
    }
    let told = Told {
        epoch,
        position: *position,
        event,
        time: fact.time,
        actor: fact.actor,
        thing: topic.thing(),
    };
    let messages = asked.messages.into_values().map(|(channel, target, rule)| Draft {
        uid: app.uid(now),
        channel,
        target,
        rule,
    });
    let messages: Vec<Draft> = messages.collect();
    store::delivery::queue(tx, &messages, &told, now + LIFETIME, now).await?;
    ring(tx, asked.bells, &told, now).await
}

async fn ask_people(
    channels: &Channels,
    tx: &Tx<'_>,
    rule: &Rule,
    topic: &Topic,
    actor: Option<UserId>,
    asked: &mut Asked,
) -> Result<()> {
    let mut after = UserId(0);
    while !rule.channels.is_empty() {
        let readers = store::notification::meant(tx, rule, &topic.audience(), after, PEOPLE).await?;
        let Some(last) = readers.last() else { break };
        after = last.caller.user;
        for reader in readers.iter().filter(|reader| Some(reader.caller.user) != actor) {
            let user = reader.caller.user;
            for channel in rule.channels.iter().filter(|channel| reader.takes(**channel, topic)) {
                if *channel == Channel::Bell {
                    asked.bells.insert(user);
                } else if channels.has(*channel) {
                    let key = (*channel as i16, user.0);
                    asked.messages.entry(key).or_insert((*channel, Target::User(user), rule.id));
                }
            }
        }
    }
    Ok(())
}

async fn ask_webhooks(tx: &Tx<'_>, rule: &Rule, topic: &Topic, asked: &mut Asked) -> Result<()> {
    if rule.webhooks.is_empty() {
        return Ok(());
    }
    for (webhook, owner) in store::webhook::owners(tx, &rule.webhooks).await? {
        let owner = store::notification::reader(tx, owner).await?;
        if owner.is_some_and(|(_, reader)| topic.is_visible_to(&reader.caller)) {
            let key = (Channel::Webhook as i16, webhook);
            let message = (Channel::Webhook, Target::Webhook(webhook), rule.id);
            asked.messages.entry(key).or_insert(message);
        }
    }
    Ok(())
}

async fn ring(tx: &Tx<'_>, users: BTreeSet<UserId>, told: &Told, now: Timestamp) -> Result<Vec<Fact>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<UserId> = users.into_iter().collect();
    let rung = store::notification::ring(tx, &users, told, now).await?;
    let fact = |notification| Fact {
        kind: FactKind::NotificationCreated,
        time: now,
        actor: told.actor,
        subject: Subject::Notification(Box::new(notification)),
        before: Before::default(),
    };
    Ok(rung.into_iter().map(fact).collect())
}
