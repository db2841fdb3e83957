//! What handlers note of a call while they work on it, so that one row can be written of it at the end.

use std::{
    fmt::Display,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prost::{Message, Name};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::diff::{Encoded, changes, gone};
use crate::domain::{
    UserId,
    audit::{Actor, Door, Entry, Personal},
};

/// What is known of a call before its handler runs.
#[derive(Debug, Clone)]
pub struct Known {
    /// The method, such as `gad.v1.TaskService/StartTask`.
    pub method: String,
    /// The permission that it asks for.
    pub permission: String,
    /// How it came in.
    pub door: Door,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// Its name in logs.
    pub request_id: Uuid,
}

#[derive(Debug)]
struct Notes {
    actor: Actor,
    resource: String,
    subject: Option<UserId>,
    reason: String,
    idempotency_id: String,
    before: Option<Encoded>,
    gone: bool,
    nowhere: bool,
    detail: Map<String, Value>,
    settled: bool,
}

#[derive(Debug)]
struct Open {
    known: Known,
    notes: Mutex<Notes>,
}

/// The trail of one call; that of a call which is not audited takes notes for nobody.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Open>>);

impl Trail {
    /// The trail of an audited call.
    pub fn of(known: Known) -> Self {
        let notes = Notes {
            actor: Actor::Nobody,
            resource: String::new(),
            subject: None,
            reason: String::new(),
            idempotency_id: String::new(),
            before: None,
            gone: false,
            nowhere: false,
            detail: Map::new(),
            settled: false,
        };
        Self(Some(Arc::new(Open {
            known,
            notes: Mutex::new(notes),
        })))
    }

    fn notes(&self) -> Option<MutexGuard<'_, Notes>> {
        let open = self.0.as_ref()?;
        Some(open.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who did it.
    pub fn actor(&self, actor: Actor) {
        if let Some(mut notes) = self.notes() {
            notes.actor = actor;
        }
    }

    /// What it is done to, such as `task` 12.
    pub fn resource(&self, noun: &str, id: impl Display) {
        if let Some(mut notes) = self.notes() {
            notes.resource = format!("{noun}/{id}");
        }
    }

    /// The person whom it is about.
    pub fn subject(&self, user: UserId) {
        if let Some(mut notes) = self.notes() {
            notes.subject = Some(user);
        }
    }

    /// Why, in the caller's words.
    pub fn reason(&self, reason: &str) {
        if let Some(mut notes) = self.notes() {
            reason.clone_into(&mut notes.reason);
        }
    }

    /// The caller's name for the request.
    pub fn idempotency_id(&self, id: &str) {
        if let Some(mut notes) = self.notes() {
            id.clone_into(&mut notes.idempotency_id);
        }
    }

    /// The thing before it changes.
    pub fn before<T: Message + Name>(&self, thing: &T) {
        if let Some(mut notes) = self.notes() {
            notes.before = Some(Encoded::of(thing));
        }
    }

    /// The thing after; what it differs in from before is written down, or all of it if there was nothing before.
    pub fn after<T: Message + Name>(&self, thing: &T) {
        if let Some(mut notes) = self.notes() {
            let told = match &notes.before {
                Some(before) if notes.gone => gone(before),
                before => changes(before.as_ref(), &Encoded::of(thing)),
            };
            notes.detail.extend(told);
        }
    }

    /// What is changed is something new, not the thing noted as it was before.
    pub fn anew(&self) {
        if let Some(mut notes) = self.notes() {
            notes.before = None;
        }
    }

    /// The thing is there no more, whatever is answered.
    pub fn gone(&self) {
        if let Some(mut notes) = self.notes() {
            notes.gone = true;
        }
    }

    /// Where it came from is not written down: it would tell of somebody who is erased by it.
    pub fn nowhere(&self) {
        if let Some(mut notes) = self.notes() {
            notes.nowhere = true;
        }
    }

    /// What was asked for, without secrets: for reads, which change nothing.
    pub fn request<T: Message + Name>(&self, request: &T) {
        if let Some(mut notes) = self.notes() {
            notes.detail.insert("request".to_owned(), Encoded::of(request).json());
        }
    }

    /// Something else that is to be known.
    pub fn detail(&self, name: &str, value: impl Into<Value>) {
        if let Some(mut notes) = self.notes() {
            notes.detail.insert(name.to_owned(), value.into());
        }
    }

    /// What was noted of one of several things is not said of the next.
    pub fn clear(&self) {
        if let Some(mut notes) = self.notes() {
            (notes.before, notes.gone, notes.subject) = (None, false, None);
            notes.resource = String::new();
            notes.detail = Map::new();
        }
    }

    /// The trail of one of several things that the call does, by the same actor.
    pub fn part(&self) -> Self {
        let Some(open) = &self.0 else { return Self::default() };
        let part = Self::of(open.known.clone());
        part.actor(open.notes.lock().unwrap_or_else(PoisonError::into_inner).actor);
        part
    }

    /// Nothing more is to be written of the call if it is answered: its row was, or it needs none. What was noted for it
    /// is not said again should the call do something more.
    pub fn settle(&self) {
        if let Some(mut notes) = self.notes() {
            notes.settled = true;
            (notes.before, notes.gone) = (None, false);
            notes.detail = Map::new();
        }
    }

    /// Whether a row is still to be written of the call if it is answered.
    pub fn is_open(&self) -> bool {
        self.notes().is_some_and(|notes| !notes.settled)
    }

    /// The entry of the call, if it is audited.
    pub fn entry(&self, time: Timestamp, outcome: &str) -> Option<Entry> {
        let open = self.0.as_ref()?;
        let Known {
            method,
            permission,
            door,
            address,
            request_id,
        } = open.known.clone();
        let notes = open.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Entry {
            time,
            actor: notes.actor,
            door,
            method,
            permission,
            resource: notes.resource.clone(),
            subject: notes.subject,
            outcome: outcome.to_owned(),
            request_id,
            idempotency_id: notes.idempotency_id.clone(),
            personal: Some(Personal {
                detail: Value::Object(notes.detail.clone()).to_string(),
                reason: notes.reason.clone(),
                address: address.filter(|_| !notes.nowhere),
            }),
        })
    }
}
