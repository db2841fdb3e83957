//! Who is connected to this bridge by the older protocol, and what was sent to them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use metrics::{counter, gauge};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ws_bridge::token::Identity;

/// Channels that there may be.
const CHANNELS: usize = 64;

/// Kinds of channels. Which one a connection is on says who it is, and decides nothing.
const KINDS: [&str; 4] = ["general", "admin", "users", "priority"];

/// Someone connected.
#[derive(Debug)]
struct Member {
    user: Option<i64>,
    role: &'static str,
    channel: usize,
    topics: HashSet<String>,
    heard: Instant,
    end: CancellationToken,
}

/// A place where connections are counted together.
#[derive(Debug, Clone)]
struct Channel {
    kind: &'static str,
    name: String,
    capacity: usize,
    priority: u8,
    connections: usize,
}

#[derive(Debug, Default)]
struct State {
    members: HashMap<Uuid, Member>,
    /// Connections by role, and by user.
    roles: BTreeMap<&'static str, usize>,
    users: HashMap<i64, usize>,
    channels: Vec<Channel>,
    peak: usize,
    sent: u64,
    broadcasts: u64,
    errors: u64,
    dropped: u64,
    last_broadcast: Option<Timestamp>,
}

/// All who are connected.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Mutex<State>>);

/// A connection's place; given up when dropped.
#[derive(Debug)]
pub struct Place {
    /// Name of the connection.
    pub id: Uuid,
    /// Rings when it is to end.
    pub end: CancellationToken,
    /// Its channel: name and kind.
    pub channel: (String, &'static str),
    roster: Roster,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.roster.state().leave(self.id);
    }
}

/// What somebody is called in the older product.
fn role(identity: Option<Identity>) -> (&'static str, &'static str) {
    match identity.map(|identity| identity.level) {
        None => ("anonymous", "general"),
        Some(3) => ("LEVEL_3", "admin"),
        Some(2) => ("LEVEL_2", "users"),
        Some(_) => ("LEVEL_1", "users"),
    }
}

impl Roster {
    /// An empty one. Each kind has a channel that always has room.
    pub fn new(most: usize) -> Self {
        let channels = KINDS.map(|kind| Channel {
            kind,
            name: format!("{kind}_1"),
            capacity: most,
            priority: 1,
            connections: 0,
        });
        Self(Arc::new(Mutex::new(State {
            channels: channels.into(),
            ..State::default()
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a connection.
    pub fn enter(&self, identity: Option<Identity>) -> Place {
        let id = Uuid::new_v4();
        let end = CancellationToken::new();
        let (role, kind) = role(identity);
        let mut state = self.state();
        let channel = roomiest(&state.channels, kind);
        let member = Member {
            user: identity.map(|identity| identity.user),
            role,
            channel,
            topics: HashSet::new(),
            heard: Instant::now(),
            end: end.clone(),
        };
        let name = state.enter(id, member);
        Place {
            id,
            end,
            channel: (name, kind),
            roster: self.clone(),
        }
    }

    /// Messages went to a client.
    pub fn sent(&self, messages: u64) {
        self.state().sent += messages;
        counter!("ggrt_messages_sent_total").increment(messages);
    }

    /// A message begins to go to all who hear a feed.
    pub fn broadcast(&self, now: Timestamp) {
        let mut state = self.state();
        state.broadcasts += 1;
        state.last_broadcast = Some(now);
        counter!("ggrt_broadcasts_total").increment(1);
    }

    /// A message could not be sent.
    pub fn failed(&self) {
        self.state().errors += 1;
        counter!("ggrt_send_errors_total").increment(1);
    }

    /// Somebody was let go of whom nothing was heard.
    pub fn dropped(&self) {
        self.state().dropped += 1;
    }

    /// A connection gave a sign of life.
    pub fn heard(&self, id: Uuid, at: Instant) {
        if let Some(member) = self.state().members.get_mut(&id) {
            member.heard = at;
        }
    }

    /// A connection has these topics now.
    pub fn has_topics(&self, id: Uuid, topics: &HashSet<String>) {
        if let Some(member) = self.state().members.get_mut(&id) {
            member.topics.clone_from(topics);
        }
    }

    /// How many hear of a topic; empty: all.
    pub fn listening(&self, topic: &str) -> usize {
        let state = self.state();
        let hears = |member: &&Member| topic.is_empty() || member.topics.contains(topic);
        state.members.values().filter(hears).count()
    }

    /// Ends the connections of which nothing was heard for so long; how many.
    pub fn sweep(&self, silence: Duration) -> usize {
        let state = self.state();
        let silent: Vec<&Member> = state.silent(silence).collect();
        silent.iter().for_each(|member| member.end.cancel());
        silent.len()
    }

    /// Adds a channel; an error says why not.
    pub fn add_channel(&self, kind: &str, name: &str, capacity: usize, priority: u8) -> Result<(), String> {
        let mut state = self.state();
        let known = KINDS.into_iter().find(|known| *known == kind);
        let kind = known.ok_or_else(|| format!("channel_type must be one of {}", KINDS.join(", ")))?;
        if state.channels.iter().any(|channel| channel.name == name) {
            return Err(format!("channel {name} exists already"));
        }
        if state.channels.len() >= CHANNELS {
            return Err(format!("there are {CHANNELS} channels already"));
        }
        state.channels.push(Channel {
            kind,
            name: name.to_owned(),
            capacity,
            priority,
            connections: 0,
        });
        Ok(())
    }

    /// Spreads the connections of each kind evenly; how many changed their channel.
    pub fn even_out(&self) -> usize {
        let mut state = self.state();
        let State { members, channels, .. } = &mut *state;
        let mut moved = 0;
        for member in members.values_mut() {
            let from = member.channel;
            let to = roomiest(channels, channels[from].kind);
            if channels[to].connections + 1 < channels[from].connections {
                channels[from].connections -= 1;
                channels[to].connections += 1;
                member.channel = to;
                moved += 1;
            }
        }
        moved
    }

    /// All channels, and how many are on each.
    pub fn channels(&self) -> Value {
        let state = self.state();
        let told = |channel: &Channel| {
            json!({
                "channel_name": channel.name,
                "channel_type": channel.kind,
                "capacity": channel.capacity,
                "priority": channel.priority,
                "connections": channel.connections,
            })
        };
        state.channels.iter().map(told).collect()
    }

    /// How the connections are.
    pub fn health(&self, silence: Duration) -> Value {
        let state = self.state();
        let silent = state.silent(silence).count();
        json!({ "total": state.members.len(), "alive": state.members.len() - silent, "silent": silent })
    }

    /// What was sent.
    pub fn metrics(&self) -> Value {
        let state = self.state();
        json!({
            "total_messages_sent": state.sent,
            "total_broadcasts": state.broadcasts,
            "total_send_errors": state.errors,
            "last_broadcast_at": state.last_broadcast.map(|time| time.to_string()),
        })
    }

    /// How many connections there are, of how many users, the most there were, and how many were let go of.
    pub fn counts(&self) -> (usize, usize, usize, u64) {
        let state = self.state();
        (state.members.len(), state.users.len(), state.peak, state.dropped)
    }

    /// Connections by role.
    pub fn roles(&self) -> BTreeMap<&'static str, usize> {
        self.state().roles.clone()
    }
}

/// The channel of a kind that has room and the fewest connections; of such, the one of the highest priority.
fn roomiest(channels: &[Channel], kind: &str) -> usize {
    let fits = |channel: &Channel| channel.kind == kind && channel.connections < channel.capacity;
    let fitting = channels.iter().enumerate().filter(|(_, channel)| fits(channel));
    let best = fitting.min_by_key(|(_, channel)| (channel.connections, u8::MAX - channel.priority));
    // The first channel of a kind has room for all that may be connected.
    let first = || channels.iter().position(|channel| channel.kind == kind);
    best.map(|(number, _)| number).or_else(first).unwrap_or_default()
}

impl State {
    /// Adds a member; the name of its channel.
    fn enter(&mut self, id: Uuid, member: Member) -> String {
        *self.roles.entry(member.role).or_default() += 1;
        if let Some(user) = member.user {
            *self.users.entry(user).or_default() += 1;
        }
        let channel = &mut self.channels[member.channel];
        channel.connections += 1;
        let name = channel.name.clone();
        let role = member.role;
        self.members.insert(id, member);
        self.peak = self.peak.max(self.members.len());
        counter!("ggrt_connections_total").increment(1);
        self.show(role);
        name
    }

    fn leave(&mut self, id: Uuid) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.channels[member.channel].connections -= 1;
        if let Some(count) = self.roles.get_mut(member.role) {
            *count -= 1;
        }
        if let Some(user) = member.user
            && let Some(count) = self.users.get_mut(&user)
        {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&user);
            }
        }
        self.show(member.role);
    }

    fn silent(&self, silence: Duration) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |member| member.heard.elapsed() > silence)
    }

    fn show(&self, role: &'static str) {
        gauge!("ggrt_active_connections").set(self.members.len() as f64);
        gauge!("ggrt_user_active").set(self.users.len() as f64);
        let of_role = self.roles.get(role).copied().unwrap_or_default();
        gauge!("ggrt_role_connections", "role" => role).set(of_role as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_over_the_channels_of_their_kind() {
        let roster = Roster::new(10);
        let places: Vec<Place> = (0..4).map(|_| roster.enter(None)).collect();
        assert!(roster.add_channel("nonsense", "x", 1, 1).is_err());
        roster.add_channel("general", "general_2", 3, 5).expect("a new one");
        assert!(roster.add_channel("general", "general_2", 3, 5).is_err(), "it is there");
        assert_eq!(roster.even_out(), 2);
        assert_eq!(roster.channels()[4]["connections"], 2);
        assert_eq!(roster.even_out(), 0);
        assert_eq!(
            roster.enter(None).channel.0,
            "general_2",
            "of two as full the more important one"
        );
        drop(places);
        assert_eq!(roster.counts(), (0, 0, 5, 0));
    }

    #[test]
    fn topics_decide_who_is_counted() {
        let roster = Roster::new(10);
        let (one, _two) = (roster.enter(None), roster.enter(None));
        roster.has_topics(one.id, &HashSet::from(["kpis".to_owned()]));
        assert_eq!(
            (roster.listening(""), roster.listening("kpis"), roster.listening("x")),
            (2, 1, 0)
        );
    }
}
