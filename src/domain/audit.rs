//! What is written down of calls that change something or read something sensitive.

/// The way a call came in. Numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// gRPC.
    Grpc = 1,
    /// gRPC-web, from a browser.
    GrpcWeb = 2,
    /// Canonical REST, transcoded by the edge.
    Rest = 3,
    /// REST of the older products, transcoded by the edge.
    Legacy = 4,
    /// gRPC by the Telegram bot.
    Bot = 5,
    /// None: the system did it by itself.
    Inside = 6,
}

impl Door {
    /// All doors.
    pub const ALL: [Self; 6] = [Self::Grpc, Self::GrpcWeb, Self::Rest, Self::Legacy, Self::Bot, Self::Inside];

    /// The door of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|door| *door as i32 == number)
    }
}
