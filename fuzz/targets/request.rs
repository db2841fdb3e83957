//! Every request of every RPC: decoded, checked, and made into values.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use gad::{codec::Reread, descriptor, error::Error, pb};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};

use super::{
    convert, dynamic,
    rules::{self, Verdict},
};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(descriptor::pool);

/// First line: name of the message. Second: `wire`, `json` or anything else, for what follows: bytes, JSON, or choices.
pub fn run(data: &[u8]) {
    let (name, rest) = super::line(data);
    let (form, rest) = super::line(rest);
    let (name, reread) = super::pick(pb::REQUESTS, name, |(name, _)| name);
    let of = message(name);
    let bytes = match form {
        b"wire" => Some(rest.to_vec()),
        b"json" => written(&of, rest),
        _ => dynamic::message(&mut Unstructured::new(rest), &of, 0)
            .ok()
            .map(|message| message.encode_to_vec()),
    };
    if let Some(bytes) = bytes {
        check(&of, *reread, &bytes);
    }
}

/// The descriptor of a message.
pub(super) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("it is in the descriptor set")
}

fn written(of: &MessageDescriptor, text: &[u8]) -> Option<Vec<u8>> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(of.clone(), &mut reader, &options).ok()?;
    Some(message.encode_to_vec())
}

/// What passes keeps the rules, and is read as it is written; what does not pass breaks one.
fn check(of: &MessageDescriptor, reread: Reread, bytes: &[u8]) {
    match reread(bytes) {
        Ok(read) => {
            let message = DynamicMessage::decode(of.clone(), read.as_slice()).expect("what was encoded can be decoded");
            if let Verdict::Broken(rule) = rules::of_message(&message) {
                panic!("{} passes, and breaks {rule}: {message}", of.full_name());
            }
            assert_eq!(reread(&read).expect("it passed before"), read);
            convert::request(of.full_name(), &read);
        }
        Err(error) => {
            let unreadable =
                matches!(&error, Error::Invalid(problems) if problems.iter().any(|problem| problem.field.is_empty()));
            if !unreadable {
                let message = DynamicMessage::decode(of.clone(), bytes).expect("it was readable before");
                let verdict = rules::of_message(&message);
                assert_ne!(verdict, Verdict::Kept, "{} is refused: {error:?}: {message}", of.full_name());
            }
            super::refusal(error);
        }
    }
}
