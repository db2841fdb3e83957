//! The frame of a gRPC message.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Length of a frame's head.
pub const HEAD: usize = 5;

/// The message in a whole, uncompressed frame; empty if there is no frame, none if it is no such frame.
pub fn open(frame: &Bytes) -> Option<Bytes> {
    if frame.is_empty() {
        return Some(Bytes::new());
    }
    let (head, message) = frame.split_at_checked(HEAD)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let whole = head[0] == 0 && usize::try_from(length).is_ok_and(|length| length == message.len());
    whole.then(|| frame.slice(HEAD..))
}

/// A frame around a message.
pub fn close(message: &[u8]) -> Option<Bytes> {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).ok()?);
    frame.put_slice(message);
    Some(frame.freeze())
}
