//! The gRPC codec: decodes a message and checks its `buf.validate` rules before any handler sees it.

use std::marker::PhantomData;

use prost::{Message, bytes::Buf};
use prost_protovalidate::{Validate, ValidationError};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

use crate::error::{Error, Result};

/// A message that travels as the input or output of an RPC; implemented by `build.rs`.
pub trait Inbound {
    /// The rules of a request; an answer has none.
    fn check(&self) -> Result<(), ValidationError> {
        Ok(())
    }
}

/// Codec of all generated services and clients.
#[derive(Debug)]
pub struct ValidatingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ValidatingCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ValidatingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Inbound + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ValidatingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ValidatingDecoder(PhantomData)
    }
}

/// Decodes and checks one message.
#[derive(Debug)]
pub struct ValidatingDecoder<U>(PhantomData<U>);

impl<U: Message + Default + Inbound> Decoder for ValidatingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        Ok(Some(read(buf)?))
    }
}

/// The message that bytes are, if it keeps its rules.
pub fn read<U: Message + Default + Inbound>(bytes: impl Buf) -> Result<U> {
    let message = U::decode(bytes).map_err(Error::unreadable)?;
    message.check()?;
    Ok(message)
}

/// Refuses a message that does not keep its rules, where it is a part of another that leaves them to whoever reads it.
pub fn check(message: &impl Validate) -> Result<()> {
    message.validate().map_err(Error::from)
}

/// Reads a request and writes it again; see `pb::REQUESTS`.
pub type Reread = fn(&[u8]) -> Result<Vec<u8>>;

/// [`read`], and the bytes of what was read.
pub fn reread<U: Message + Default + Inbound>(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(read::<U>(bytes)?.encode_to_vec())
}
