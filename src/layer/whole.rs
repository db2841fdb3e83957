//! Streams over REST that break off do not look whole.
//!
//! The edge has sent its 200 by then, and makes a clean end of an error status. So the stream is reset instead, and the edge
//! breaks its own answer off.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};

struct Whole(Body);

/// The answer, with a reset instead of an error status at its end.
pub fn or_reset(response: Response<Body>) -> Response<Body> {
    response.map(|body| Body::new(Whole(body)))
}

impl http_body::Body for Whole {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.trailers_ref().is_some_and(is_error) => Some(Err(Status::aborted("it broke off"))),
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn is_error(trailers: &HeaderMap) -> bool {
    trailers
        .get(Status::GRPC_STATUS)
        .is_none_or(|status| Code::from_bytes(status.as_bytes()) != Code::Ok)
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn ends(status: &'static str) -> bool {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static(status),
        )]);
        let frames = [
            Ok::<_, Status>(Frame::data(bytes::Bytes::from_static(b"rows"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
        block_on(or_reset(Response::new(body)).into_body().collect()).is_ok()
    }

    #[test]
    fn what_ends_in_an_error_does_not_end() {
        assert!(ends("0"));
        assert!(!ends("13"));
        assert!(!ends("16"));
    }
}
