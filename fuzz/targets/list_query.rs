//! Filter and order of lists.

use std::sync::LazyLock;

use gad::{codec::Inbound as _, descriptor, pb};
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

static FILTER: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let filter = descriptor::pool().get_message_by_name("gad.v1.TaskFilter");
    filter.expect("it is in the descriptor set")
});

/// One line each: `order_by`, `filter.text`; then the rest of the filter in JSON, or nothing.
pub fn run(data: &[u8]) {
    let (order, rest) = super::line(data);
    let (text, json) = super::line(rest);
    let mut filter = filter(json).unwrap_or_default();
    filter.text = String::from_utf8_lossy(text).into_owned();
    let request = pb::ListTasksRequest {
        page_size: 0,
        page_token: String::new(),
        filter: Some(filter),
        order_by: String::from_utf8_lossy(order).into_owned(),
    };
    match request.check() {
        Ok(()) => super::convert::list_tasks(&request),
        Err(broken) => super::refusal(broken.into()),
    }
}

fn filter(json: &[u8]) -> Option<pb::TaskFilter> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize_with_options(FILTER.clone(), &mut reader, &DeserializeOptions::new()).ok()?;
    message.transcode_to().ok()
}
