import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EndReason, EventType, type WatchResponse, WatchResponseSchema } from '../gen/gad/v1/event_pb';
import { TaskSchema } from '../gen/gad/v1/task_pb';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb';
import { LiveFeed, SILENCE_MILLIS } from './feed';
import { LiveStore } from './store';

type Item = NonNullable<MessageInitShape<typeof WatchResponseSchema>['item']>;
type Call = () => AsyncGenerator<WatchResponse>;

const says = (cursor: string, item: Item) => create(WatchResponseSchema, { cursor, item });
const row = (id: bigint) =>
  says('', { case: 'snapshotRow', value: { resource: { case: 'task', value: create(TaskSchema, { id }) } } });
const whole = (cursor: string) => says(cursor, { case: 'snapshotEnd', value: {} });
const event = (cursor: string, id: bigint) =>
  says(cursor, { case: 'event', value: { type: EventType.TASK_CREATED, resource: { case: 'task', value: create(TaskSchema, { id }) } } });
const end = (cursor: string, reason: EndReason) => says(cursor, { case: 'end', value: { reason } });
const silence = () => new Promise<never>(() => {});

let asked: { cursor: string; includeSnapshot: boolean }[];
let store: LiveStore;
let feed: LiveFeed;
let renewals: number;
let isSignedIn: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  isSignedIn = true;
  vi.stubGlobal('window', new EventTarget());
  vi.stubGlobal('navigator', { onLine: true });
});

afterEach(() => {
  feed.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Watches a server that answers one call after the other as told; the last one keeps its peace. */
async function watch(...calls: Call[]): Promise<void> {
  asked = [];
  renewals = 0;
  store = new LiveStore((run) => run());
  feed = new LiveFeed({
    store,
    renew: async () => {
      renewals += 1;
      return isSignedIn;
    },
    watch: (request, { signal }) => {
      asked.push(request);
      return untilAborted(calls.shift() ?? quiet, signal);
    },
  });
  feed.start();
  await vi.advanceTimersByTimeAsync(5000);
}

async function* quiet(): AsyncGenerator<WatchResponse> {
  await silence();
}

async function* untilAborted(call: Call, signal: AbortSignal): AsyncGenerator<WatchResponse> {
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(new ConnectError('aborted', Code.Canceled))),
  );
  const messages = call();
  for (;;) {
    const { value, done } = await Promise.race([messages.next(), aborted]);
    if (done) return;
    yield value;
  }
}

const ids = () => [...store.view.get().tasks.keys()];

test('a snapshot shows when it is whole, then events follow', async () => {
  await watch(async function* () {
    yield row(1n);
    yield row(2n);
    expect(ids()).toEqual([]);
    yield whole('a');
    yield event('b', 3n);
    await silence();
  });
  expect(asked).toEqual([{ cursor: '', includeSnapshot: true }]);
  expect(ids()).toEqual([1n, 2n, 3n]);
  expect(feed.status.get()).toMatchObject({ phase: 'live', snapshots: 1 });
});

test('after a cut it goes on from the last cursor', async () => {
  await watch(async function* () {
    yield whole('a');
    yield event('b', 1n);
  }, async function* () {
    yield event('c', 2n);
    await silence();
  });
  expect(asked.map(({ cursor }) => cursor)).toEqual(['', 'b']);
  expect(ids()).toEqual([1n, 2n]);
});

test('an end gives the cursor to go on from', async () => {
  await watch(async function* () {
    yield whole('a');
    yield end('z', EndReason.SLOW_CONSUMER);
  });
  expect(asked.map(({ cursor }) => cursor)).toEqual(['', 'z']);
});

test('half a snapshot is thrown away and asked for again', async () => {
  await watch(async function* () {
    yield row(1n);
    yield end('half', EndReason.SHUTDOWN);
  }, async function* () {
    yield row(2n);
    yield whole('a');
    await silence();
  });
  expect(asked.map(({ includeSnapshot }) => includeSnapshot)).toEqual([true, true]);
  expect(ids()).toEqual([2n]);
});

test.each<[string, Call]>([
  ['an end', async function* () {
    yield end('', EndReason.CURSOR_EXPIRED);
  }],
  ['a refusal', async function* () {
    const details = [{ desc: ErrorInfoSchema, value: { reason: 'CURSOR_EXPIRED', domain: 'gad' } }];
    throw new ConnectError('too old', Code.OutOfRange, undefined, details);
  }],
])('an expired cursor, told by %s, leads to a new snapshot that replaces the rows', async (_, expired) => {
  await watch(async function* () {
    yield row(1n);
    yield whole('a');
  }, expired, async function* () {
    yield row(2n);
    yield whole('b');
    await silence();
  });
  expect(asked.map(({ cursor }) => cursor)).toEqual(['', 'a', '']);
  expect(ids()).toEqual([2n]);
  expect(feed.status.get().snapshots).toBe(2);
});

test('a token that ended is renewed, and everything is asked for again: rights may be others', async () => {
  await watch(async function* () {
    yield row(1n);
    yield whole('a');
    yield end('b', EndReason.AUTH_REVOKED);
  }, async function* () {
    yield whole('c');
    await silence();
  });
  expect(renewals).toBe(1);
  expect(asked.map(({ includeSnapshot }) => includeSnapshot)).toEqual([true, true]);
  expect(ids()).toEqual([]);
});

test('a session that is over asks no more', async () => {
  isSignedIn = false;
  await watch(async function* () {
    yield whole('a');
    yield end('b', EndReason.AUTH_REVOKED);
  });
  expect(asked).toHaveLength(1);
});

test('a silent connection is dead: it is cut and the screen says so', async () => {
  await watch(async function* () {
    yield whole('a');
    await silence();
  });
  expect(feed.status.get().phase).toBe('live');
  await vi.advanceTimersByTimeAsync(SILENCE_MILLIS);
  expect(asked.map(({ cursor }) => cursor)).toEqual(['', 'a']);
  expect(feed.status.get().phase).toBe('reconnecting');
  await vi.advanceTimersByTimeAsync(15_000);
  expect(feed.status.get().phase).toBe('offline');
});

test('a connection that is lost is cut at once, and the end of a wait can be asked for', async () => {
  const live: Call = async function* () {
    yield whole('a');
    await silence();
  };
  await watch(live);
  vi.stubGlobal('navigator', { onLine: false });
  window.dispatchEvent(new Event('offline'));
  await vi.advanceTimersByTimeAsync(0);
  expect(feed.status.get().phase).toBe('offline');
  expect(feed.status.get().lastLiveAt).not.toBeNull();
  expect(asked).toHaveLength(1);
  window.dispatchEvent(new Event('online'));
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(2);
});
