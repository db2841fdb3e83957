//! gRPC messages as they come in: frames, compression, codec.

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use gad::{
    codec::{Inbound, ValidatingCodec},
    pb,
};
use http_body_util::Full;
use prost::Message;
use tonic::{
    Code, Streaming,
    codec::{Codec as _, CompressionEncoding},
};

/// Longest message.
const LIMIT: usize = 4 * 1024 * 1024;

/// First byte: which message. Then the body of a request.
pub fn run(data: &[u8]) {
    let Some((which, body)) = data.split_first() else {
        return;
    };
    match which % 4 {
        0 => read::<pb::LoginRequest>(body),
        1 => read::<pb::ReportPositionsRequest>(body),
        2 => read::<pb::ListTasksRequest>(body),
        _ => read::<pb::GetMeRequest>(body),
    }
}

fn read<T: Message + Default + Inbound + 'static>(body: &[u8]) {
    let decoder = ValidatingCodec::<T, T>::default().decoder();
    let body = Full::new(Bytes::copy_from_slice(body));
    let mut stream = Streaming::<T>::new_request(decoder, body, Some(CompressionEncoding::Gzip), Some(LIMIT));
    // The whole body is there, so nothing has to be waited for.
    while let Some(message) = stream.next().now_or_never().expect("nothing to wait for") {
        match message {
            Ok(message) => {
                assert!(message.encoded_len() <= LIMIT + LIMIT / 4, "grown by being read");
                message.check().expect("it was checked");
            }
            Err(status) => {
                let known = matches!(
                    status.code(),
                    Code::InvalidArgument | Code::OutOfRange | Code::ResourceExhausted | Code::Internal | Code::Unimplemented
                );
                assert!(known, "{status:?}");
                break;
            }
        }
    }
}
