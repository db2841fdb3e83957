//! One client's subscription: reads its feed, and goes over to the main one where both meet.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    ended::Ended,
    feed::{Read, Start},
    feeds::{Feeds, Key, Seat},
    frame::Wish,
    item::Item,
    token::Credential,
};

/// What a subscription hears.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Item(Arc<Item>),
    /// It is over.
    Over(Ended),
}

/// One client's subscription.
#[derive(Debug)]
pub struct Subscription {
    feeds: Arc<Feeds>,
    key: Key,
    seat: Seat,
    credential: Arc<Credential>,
    /// Cursor of the last message heard, or the one it began with.
    cursor: Option<Arc<str>>,
}

impl Subscription {
    /// Takes a seat.
    pub fn new(feeds: &Arc<Feeds>, wish: Wish, credential: &Arc<Credential>) -> Self {
        let key = Key::of(&wish.filter, credential.identity());
        let seat = feeds.join(&key, &wish, credential);
        let cursor = match wish.start {
            Start::Cursor(cursor) => Some(cursor),
            Start::Now | Start::Snapshot => None,
        };
        Self {
            feeds: Arc::clone(feeds),
            key,
            seat,
            credential: Arc::clone(credential),
            cursor,
        }
    }

    /// Where to go on after what was heard; empty: nowhere, begin as before.
    pub fn cursor(&self) -> &str {
        self.cursor.as_deref().unwrap_or_default()
    }

    /// What it hears next.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        let Poll::Ready(read) = self.seat.feed.poll_read(self.seat.member, context) else {
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Read::Item(item) => {
                if let Some(cursor) = item.cursor() {
                    self.cursor = Some(Arc::clone(cursor));
                    self.meet(cursor);
                }
                Heard::Item(item)
            }
            Read::Overtaken => {
                self.feeds.meter.slow_consumer();
                Heard::Over(Ended::SLOW_CONSUMER)
            }
            Read::Over(ended) => Heard::Over(ended),
        })
    }

    /// Goes over to the main feed if that knows the place after `cursor`: what follows there is what would follow here.
    fn meet(&mut self, cursor: &str) {
        if self.seat.feed.may_be_left()
            && let Some(seat) = self.feeds.meet(&self.key, cursor, &self.credential)
        {
            self.seat = seat;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::LazyLock, task::Waker, time::Duration};

    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::{
        super::{
            feed::{Feed, Terms},
            item::Kind,
            json::Json,
            meter::Meter,
            ring::Limits,
            token::Identity,
            upstream::Upstream,
        },
        *,
    };
    use crate::{clock::Clock, config::UpstreamTls, pb::WatchFilter};

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    static JSON: LazyLock<Json> = LazyLock::new(|| Json::load().expect("the descriptors are whole"));

    fn feeds(items: usize) -> Arc<Feeds> {
        feeds_settling(items, Duration::ZERO)
    }

    fn feeds_settling(items: usize, settling: Duration) -> Arc<Feeds> {
        let upstream = Upstream::new("http://127.0.0.1:1", &UpstreamTls::default(), "t".into()).expect("an address");
        let ring = Limits {
            items,
            bytes: 1_000_000,
            age: Duration::ZERO,
        };
        let terms = Terms { ring, settling };
        Arc::new(Feeds::new(
            Arc::new(upstream),
            JSON.clone(),
            Clock::of(now),
            Meter::default(),
            terms,
        ))
    }

    fn subscribe(feeds: &Arc<Feeds>, start: Start) -> Subscription {
        let until = now() + SignedDuration::from_hours(1);
        let credential = Credential::new(
            "token",
            Identity {
                user: 7,
                level: 2,
                limited: false,
                session: uuid::Uuid::nil(),
                version: 1,
                until,
            },
        );
        Subscription::new(
            feeds,
            Wish {
                filter: WatchFilter::default(),
                start,
            },
            &Arc::new(credential),
        )
    }

    fn cursor(place: usize) -> Arc<str> {
        format!("c{place}").into()
    }

    fn place(cursor: &str) -> usize {
        cursor[1..].parse().expect("a cursor of ours")
    }

    /// The server's side of a watch: facts are numbered from 1; some are visible to the filter.
    struct Watch {
        feed: Arc<Feed>,
        at: usize,
    }

    impl Watch {
        /// Says the next thing, unless the feed has no room for it.
        fn step(&mut self, visible: &[bool]) {
            let next = (self.at + 1..=visible.len()).find(|fact| visible[fact - 1]);
            let (kind, to) = match next {
                Some(fact) => (Kind::Event, fact),
                None => (Kind::Checkpoint, visible.len()),
            };
            if self.feed.offer(&Arc::new(Item::new(kind, &cursor(to), "{}"))) {
                self.at = to;
            }
        }

        /// Breaks, and is opened again where the feed says.
        fn reopen(&mut self) {
            if let Some(cursor) = self.feed.resume().expect("no snapshot") {
                self.at = place(&cursor);
            }
        }
    }

    /// A client: what it heard.
    struct Client {
        subscription: Subscription,
        begun: Option<usize>,
        heard: Vec<usize>,
        over: Option<Ended>,
    }

    impl Client {
        fn new(feeds: &Arc<Feeds>, start: Start) -> Self {
            let begun = match &start {
                Start::Cursor(cursor) => Some(place(cursor)),
                Start::Now | Start::Snapshot => None,
            };
            Self {
                subscription: subscribe(feeds, start),
                begun,
                heard: Vec::new(),
                over: None,
            }
        }

        /// Reads one thing; false if there is none.
        fn read(&mut self) -> bool {
            let mut context = Context::from_waker(Waker::noop());
            if self.over.is_some() {
                return false;
            }
            match self.subscription.poll(&mut context) {
                Poll::Pending => return false,
                Poll::Ready(Heard::Over(ended)) => self.over = Some(ended),
                Poll::Ready(Heard::Item(item)) => {
                    let at = place(item.cursor().expect("all have one"));
                    self.begun.get_or_insert(at);
                    if item.kind() == Kind::Event {
                        self.heard.push(at);
                    }
                }
            }
            true
        }

        /// Exactly what is visible between where it began and where it is.
        fn check(&self, visible: &[bool]) -> Result<(), TestCaseError> {
            let Some(begun) = self.begun else {
                prop_assert!(self.heard.is_empty());
                return Ok(());
            };
            let end = match &self.over {
                Some(ended) => {
                    prop_assert_eq!(ended, &Ended::SLOW_CONSUMER);
                    place(self.subscription.cursor())
                }
                None => visible.len(),
            };
            let expected: Vec<usize> = (begun + 1..=end).filter(|fact| visible[fact - 1]).collect();
            prop_assert_eq!(&self.heard, &expected);
            Ok(())
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Happen(bool),
        Main,
        Behind,
        Reopen,
        Read(usize),
        Arrive,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<bool>().prop_map(Step::Happen),
            Just(Step::Main),
            Just(Step::Behind),
            Just(Step::Reopen),
            (0usize..3).prop_map(Step::Read),
            Just(Step::Arrive),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        /// Whatever happens in whatever order: what a client hears is the feed from where it began, without a gap or a
        /// repeat, up to the end or to the cursor that it is sent away with.
        #[test]
        fn going_over_to_the_main_feed_loses_and_repeats_nothing(
            before in proptest::collection::vec(any::<bool>(), 0..12),
            from in 0usize..12,
            keeps in 1usize..6,
            steps in proptest::collection::vec(step(), 0..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            // Watches are spawned and never run: the test is the server.
            let _inside = runtime.enter();
            let feeds = feeds(keeps);
            let mut visible = before;
            let mut clients = vec![Client::new(&feeds, Start::Now)];
            let mut main = Watch { feed: Arc::clone(&clients[0].subscription.seat.feed), at: visible.len() };
            let from = from.min(visible.len());
            clients.push(Client::new(&feeds, Start::Cursor(cursor(from))));
            let mut behind = Watch { feed: Arc::clone(&clients[1].subscription.seat.feed), at: from };
            for step in steps {
                match step {
                    Step::Happen(seen) => visible.push(seen),
                    Step::Main => main.step(&visible),
                    Step::Behind => behind.step(&visible),
                    Step::Reopen => {
                        main.reopen();
                        behind.reopen();
                    }
                    Step::Read(client) => {
                        let count = clients.len();
                        clients[client % count].read();
                    }
                    Step::Arrive if clients.len() < 3 => clients.push(Client::new(&feeds, Start::Now)),
                    Step::Arrive => {}
                }
            }
            for _ in 0..400 {
                main.step(&visible);
                behind.step(&visible);
                for client in &mut clients {
                    while client.read() {}
                }
            }
            for client in &clients {
                client.check(&visible)?;
            }
            let late = clients[1].over.is_none();
            prop_assert!(!late || clients[1].subscription.seat.feed.is_main(), "it ends up at the main feed");
        }
    }

    #[test]
    fn who_comes_back_in_time_sits_down_at_the_main_feed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _inside = runtime.enter();
        let feeds = feeds(10);
        let first = subscribe(&feeds, Start::Now);
        for at in 1..=3 {
            assert!(first.seat.feed.offer(&Arc::new(Item::new(Kind::Event, &cursor(at), "{}"))));
        }
        let back = subscribe(&feeds, Start::Cursor(cursor(2)));
        assert!(Arc::ptr_eq(&first.seat.feed, &back.seat.feed));
        let late = subscribe(&feeds, Start::Cursor(cursor(0)));
        assert!(!Arc::ptr_eq(&first.seat.feed, &late.seat.feed));
        let with = subscribe(&feeds, Start::Cursor(cursor(0)));
        assert!(
            Arc::ptr_eq(&late.seat.feed, &with.seat.feed),
            "who comes with the same cursor shares a watch"
        );
        drop((late, with));
        assert!(!feeds.retire(&first.key, &first.seat.feed));
    }

    /// What a client hears until it has to wait: kinds, and where it is.
    fn read_all(subscription: &mut Subscription) -> (Vec<Kind>, String) {
        let mut kinds = Vec::new();
        while let Poll::Ready(Heard::Item(item)) = subscription.poll(&mut Context::from_waker(Waker::noop())) {
            kinds.push(item.kind());
        }
        (kinds, subscription.cursor().to_owned())
    }

    #[test]
    fn who_began_with_a_snapshot_goes_over_when_it_has_settled() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _inside = runtime.enter();
        for settling in [Duration::ZERO, Duration::from_secs(60)] {
            let feeds = feeds_settling(10, settling);
            let steady = subscribe(&feeds, Start::Now);
            let mut fresh = subscribe(&feeds, Start::Snapshot);
            let own = Arc::clone(&fresh.seat.feed);
            let say = |feed: &Feed, kind, at| assert!(feed.offer(&Arc::new(Item::new(kind, &cursor(at), "{}"))));
            say(&own, Kind::SnapshotRow, 0);
            assert_eq!(own.resume(), Err(Ended::SNAPSHOT_CUT), "rows cannot be gone on with");
            assert_eq!(read_all(&mut fresh), (vec![Kind::SnapshotRow], String::new()));
            say(&own, Kind::SnapshotEnd, 2);
            assert_eq!(own.resume(), Ok(Some(cursor(2))));
            for at in 3..=4 {
                say(&steady.seat.feed, Kind::Event, at);
            }
            say(&own, Kind::Event, 3);
            let (kinds, at) = read_all(&mut fresh);
            let over = settling.is_zero();
            assert_eq!(
                kinds,
                [Kind::SnapshotEnd, Kind::Event, Kind::Event][..if over { 3 } else { 2 }]
            );
            assert_eq!(&*at, if over { "c4" } else { "c3" });
            assert_eq!(Arc::ptr_eq(&fresh.seat.feed, &steady.seat.feed), over);
        }
    }

    #[test]
    fn users_of_level_1_share_nothing_and_others_share_by_level() {
        let until = now();
        let key = |user, level| {
            Key::of(
                &WatchFilter::default(),
                Identity {
                    user,
                    level,
                    limited: false,
                    session: uuid::Uuid::nil(),
                    version: 1,
                    until,
                },
            )
        };
        assert_ne!(key(1, 1), key(2, 1));
        assert_eq!(key(1, 2), key(2, 2));
        assert_ne!(key(1, 2), key(1, 3));
    }
}
