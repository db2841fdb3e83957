//! The gRPC codec: decodes a message and checks its `buf.validate` rules before any handler sees it.

use std::marker::PhantomData;

use prost::Message;
use prost_protovalidate::ValidationError;
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

/// Checks a message that is still encoded.
pub fn checked<U: Message + Default + Inbound>(bytes: &[u8]) -> Result<()> {
    Ok(U::decode(bytes).map_err(Error::unreadable)?.check()?)
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
        let message = U::decode(buf).map_err(Error::unreadable)?;
        message.check().map_err(Error::from)?;
        Ok(Some(message))
    }
}
