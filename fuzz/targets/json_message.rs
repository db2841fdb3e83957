//! Protobuf's JSON of every message of ours, as prost-reflect reads and prints it.

use std::sync::LazyLock;

use gad::descriptor;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};

static MESSAGES: LazyLock<Vec<MessageDescriptor>> = LazyLock::new(|| {
    let messages = descriptor::pool().all_messages().collect::<Vec<_>>();
    let ours = messages.into_iter().filter(|message| message.full_name().starts_with("gad."));
    ours.filter(|message| !message.is_map_entry()).collect()
});

/// First line: name of the message. Then its JSON.
pub fn run(data: &[u8]) {
    let (name, text) = super::line(data);
    let of = super::pick(&MESSAGES, name, |message| message.full_name());
    for strict in [true, false] {
        let options = DeserializeOptions::new().deny_unknown_fields(strict);
        let Some(message) = parse(of, text, &options) else {
            continue;
        };
        let bytes = message.encode_to_vec();
        let decoded = DynamicMessage::decode(of.clone(), bytes.as_slice()).expect("what was encoded can be decoded");
        assert_eq!(decoded.encode_to_vec(), bytes);
        for names in [true, false] {
            let options = SerializeOptions::new()
                .use_proto_field_name(names)
                .skip_default_fields(!names);
            // Times out of range and masks of no field can be held, but not printed.
            let Ok(printed) = message.serialize_with_options(serde_json::value::Serializer, &options) else {
                continue;
            };
            let printed = printed.to_string();
            let again = parse(of, printed.as_bytes(), &DeserializeOptions::new());
            let again = again.unwrap_or_else(|| panic!("{} does not read what it prints: {printed}", of.full_name()));
            assert_eq!(again.encode_to_vec(), bytes, "{printed}");
        }
    }
}

fn parse(of: &MessageDescriptor, text: &[u8], options: &DeserializeOptions) -> Option<DynamicMessage> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize_with_options(of.clone(), &mut reader, options).ok()?;
    reader.end().ok()?;
    Some(message)
}
