//! Requests are heard to their end, also those that are answered before it.
//!
//! What still comes after an answer that was quicker looks to HTTP/2 like a fault of the other side: after some hundred of
//! them it ends the connection, and behind the edge that is everybody's. So refusals, which are quicker, would harm others.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tonic::{Status, body::Body};

/// Bytes that are heard after nobody wants them any more.
const LONGEST: usize = 64 * 1024;
/// Time in which they must come.
const PATIENCE: Duration = Duration::from_secs(1);

/// The request, heard to its end whatever becomes of it.
pub fn out(request: Request<Body>) -> Request<Body> {
    request.map(|body| match body.is_end_stream() {
        true => body,
        false => Body::new(Heard(Some(body))),
    })
}

/// A body; none once it has ended.
struct Heard(Option<Body>);

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(PATIENCE, hear_out(rest)));
        }
    }
}

async fn hear_out(mut rest: Body) {
    let mut heard = 0;
    while heard < LONGEST
        && let Some(Ok(frame)) = rest.frame().await
    {
        heard += frame.data_ref().map_or(0, Bytes::len);
    }
}
