//! As much of HTTP/2 as a client needs that only counts answers.

use anyhow::{Result, bail, ensure};

use crate::flood::Call;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Length of a frame's head.
const HEAD: usize = 9;
/// First index of what a connection has learnt.
const FIRST_LEARNT: u8 = 62;
/// `grpc-status` in the static Huffman code of HPACK.
const GRPC_STATUS: [u8; 8] = [0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];
/// The digits in the same code: bits and how many.
const DIGITS: [(u16, u32); 10] = [
    (0x00, 5),
    (0x01, 5),
    (0x02, 5),
    (0x19, 6),
    (0x1a, 6),
    (0x1b, 6),
    (0x1c, 6),
    (0x1d, 6),
    (0x1e, 6),
    (0x1f, 6),
];

/// What a client says first: that answers need no permission to be sent, and that headers come unabridged.
pub fn greeting() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings: [(u16, u32); 3] = [(1, 0), (2, 0), (4, 1 << 30)];
    let settings: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat())
        .collect();
    frame(&mut out, SETTINGS, 0, 0, &settings);
    more(&mut out, 1 << 30);
    out
}

/// Lets the server send this many bytes more.
pub fn more(out: &mut Vec<u8>, bytes: usize) {
    let bytes = u32::try_from(bytes).unwrap_or(0);
    frame(out, WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
}

/// The headers of a call.
pub fn headers(call: &Call) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        (":method", "POST".to_owned()),
        (":scheme", "http".to_owned()),
        (":path", call.path.to_owned()),
        (":authority", call.address.to_string()),
        ("te", "trailers".to_owned()),
        ("content-type", "application/grpc".to_owned()),
        ("authorization", format!("Bearer {}", call.token)),
    ];
    headers.extend(call.deadline.map(|left| ("grpc-timeout", format!("{}m", left.as_millis()))));
    headers
}

/// Headers that the server is to remember.
pub fn learnt(headers: &[(&'static str, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0x40);
        text(&mut block, name.as_bytes());
        text(&mut block, value.as_bytes());
    }
    block
}

/// The same headers once more.
pub fn known(count: usize) -> Vec<u8> {
    // The latest has the least index.
    let count = u8::try_from(count).unwrap_or(u8::MAX - FIRST_LEARNT);
    (0..count).rev().map(|index| 0x80 | (FIRST_LEARNT + index)).collect()
}

/// A string as it is.
fn text(block: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128) as u8 | 0x80);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend(bytes);
}

/// A request with its message.
pub fn request(out: &mut Vec<u8>, stream: u32, block: &[u8], message: &[u8]) {
    frame(out, HEADERS, END_HEADERS, stream, block);
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    frame(out, DATA, END_STREAM, stream, &[&[0], length.as_slice(), message].concat());
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend([length[1], length[2], length[3], kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// What a server says, as far as it matters.
#[derive(Debug)]
pub enum Frame {
    /// A part of a message.
    Data {
        /// Of this call.
        stream: u32,
        /// How much.
        bytes: usize,
        /// Whether it is all.
        last: bool,
    },
    /// Headers or trailers.
    Headers {
        /// Of this call.
        stream: u32,
        /// The call's status, if it is there.
        status: Option<u8>,
        /// Whether it is all.
        last: bool,
    },
    /// The call was cut.
    Reset {
        /// This call.
        stream: u32,
    },
    /// It wants to hear this.
    Answer(Vec<u8>),
}

/// Frames as they come in.
#[derive(Debug, Default)]
pub struct Frames {
    /// What was read.
    pub bytes: Vec<u8>,
    at: usize,
}

impl Frames {
    /// The next frame, if it is whole.
    pub fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            let unread = &self.bytes[self.at..];
            let whole = unread.get(..HEAD).map(|head| {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                (
                    length,
                    head[3],
                    head[4],
                    u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]),
                )
            });
            let Some((length, kind, flags, stream)) = whole.filter(|(length, ..)| unread.len() >= HEAD + length) else {
                self.bytes.drain(..self.at);
                self.at = 0;
                return Ok(None);
            };
            let payload = &unread[HEAD..HEAD + length];
            self.at += HEAD + length;
            let last = flags & END_STREAM != 0;
            match kind {
                DATA => {
                    let bytes = length;
                    return Ok(Some(Frame::Data { stream, bytes, last }));
                }
                HEADERS => {
                    ensure!(flags & END_HEADERS != 0, "the headers are too long");
                    let status = status(payload);
                    return Ok(Some(Frame::Headers { stream, status, last }));
                }
                RST_STREAM => return Ok(Some(Frame::Reset { stream })),
                SETTINGS | PING if flags & ACK == 0 => {
                    let mut answer = Vec::new();
                    frame(&mut answer, kind, ACK, 0, if kind == PING { payload } else { &[] });
                    return Ok(Some(Frame::Answer(answer)));
                }
                GOAWAY => bail!("the server goes away: {}", String::from_utf8_lossy(payload)),
                CONTINUATION => bail!("the headers are too long"),
                _ => {}
            }
        }
    }
}

/// The value of `grpc-status` in a header block.
fn status(block: &[u8]) -> Option<u8> {
    let plain = b"grpc-status".as_slice();
    let value = [plain, &GRPC_STATUS].iter().find_map(|name| {
        let at = block.windows(name.len()).position(|part| part == *name)?;
        block.get(at + name.len()..)
    })?;
    let (length, value) = value.split_first()?;
    let value = value.get(..usize::from(length & 0x7f))?;
    (0..=16).find(|code: &u8| {
        let digits = code.to_string();
        value == digits.as_bytes() || (length & 0x80 != 0 && value == huffman(&digits))
    })
}

/// Digits in HPACK's Huffman code.
fn huffman(digits: &str) -> Vec<u8> {
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let (code, length) = DIGITS[usize::from(digit - b'0')];
        bits = bits << length | u32::from(code);
        count += length;
    }
    let padding = (8 - count % 8) % 8;
    bits = bits << padding | ((1 << padding) - 1);
    let bytes = bits.to_be_bytes();
    bytes[4 - ((count + padding) / 8) as usize..].to_vec()
}
