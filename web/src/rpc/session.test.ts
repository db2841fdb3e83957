import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LoginResponseSchema } from '../gen/gad/v1/auth_pb';
import { UserSchema } from '../gen/gad/v1/user_pb';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb';
import { timestamp } from '../time';
import { lifeMillis } from './token';

/** What keeps things for one window, or for all. */
class Shelf {
  #kept = new Map<string, string>();
  getItem = (key: string) => this.#kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#kept.set(key, value);
  removeItem = (key: string) => void this.#kept.delete(key);
  get size() {
    return this.#kept.size;
  }
  text = () => [...this.#kept.values()].join();
}

/** Windows of one browser, in the order in which they hear each other. */
let channels: { hear: (data: unknown) => void; owner: symbol }[];
let owner: symbol;
let shared: Shelf;
let lock: Promise<unknown>;
let now: number;

const jwt = (mark: string, lifeSeconds = 900) =>
  ['e30', btoa(JSON.stringify({ iat: 1000, exp: 1000 + lifeSeconds })), mark].join('.');

const answer = (mark: string, refreshToken: string) =>
  create(LoginResponseSchema, {
    accessToken: jwt(mark),
    refreshToken,
    refreshExpireTime: timestamp(now + 3_600_000),
    sessionId: 'one',
    user: create(UserSchema, { id: 7n, email: 'ana@gad.example', displayName: 'Ana', phone: '555-1234' }),
  });

/** A window: its own modules and its own shelf, but the browser's channel, locks and shared shelf. */
async function open(own = new Shelf()) {
  vi.resetModules();
  vi.stubGlobal('sessionStorage', own);
  owner = Symbol('window');
  const session = await import('./session');
  const { entry } = await import('./entry');
  const { renew, presentToken } = await import('./renew');
  const { identified } = await import('./transport');
  return { own, entry, renew, presentToken, identified, ...session };
}

beforeEach(() => {
  now = 1_700_000_000_000;
  channels = [];
  shared = new Shelf();
  lock = Promise.resolve();
  vi.useFakeTimers({ now });
  vi.stubGlobal('localStorage', shared);
  vi.stubGlobal('location', { origin: 'http://gad.example' });
  vi.stubGlobal('document', { documentElement: {} });
  vi.stubGlobal('navigator', {
    locks: {
      request: (_name: string, work: () => Promise<unknown>) => {
        const mine = lock.then(work, work);
        lock = mine.catch(() => {});
        return mine;
      },
    },
  });
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      onmessage: (event: { data: unknown }) => void = () => {};
      #owner = owner;
      constructor() {
        channels.push({ owner: this.#owner, hear: (data) => this.onmessage({ data }) });
      }
      postMessage(data: unknown) {
        const copy = structuredClone(data);
        for (const other of channels) if (other.owner !== this.#owner) queueMicrotask(() => other.hear(copy));
      }
    },
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const later = (millis = 200) => vi.advanceTimersByTimeAsync(millis);

test('the life of a token does not depend on the clock of the screen', () => {
  expect(lifeMillis(jwt('a', 60))).toBe(60_000);
  expect(lifeMillis('nonsense')).toBe(0);
  expect(lifeMillis('')).toBe(0);
});

test('a session ends with the windows of the browser, unless it was asked to last', async () => {
  const ana = await open();
  ana.beginSession(answer('a', 'r1'), false);
  expect([ana.own.size, shared.size]).toEqual([1, 0]);
  ana.beginSession(answer('a', 'r1'), true);
  expect([ana.own.size, shared.size]).toEqual([0, 1]);
  const next = await open();
  expect(next.session.get()).toMatchObject({ sessionId: 'one', lasting: true });
});

test('nothing more of the person is written down than the pages need', async () => {
  const ana = await open();
  ana.beginSession(answer('a', 'r1'), true);
  expect(shared.text()).not.toContain('555-1234');
});

test('a new window takes the session of the others, and all sign out together', async () => {
  const first = await open();
  first.beginSession(answer('a', 'r1'), false);
  const second = await open();
  expect(second.session.get().token).toBeNull();
  void second.joinSession();
  await later();
  expect(second.session.get()).toMatchObject({ refreshToken: 'r1' });
  second.endSession('signedOut');
  await later();
  expect(first.session.get()).toEqual({ token: null, why: 'signedOut' });
  expect(second.own.size).toBe(0);
});

test('of all windows one renews, however many calls are refused at once', async () => {
  const first = await open();
  first.beginSession(answer('a', 'r1'), false);
  const second = await open();
  void second.joinSession();
  await later();
  const used: string[] = [];
  for (const { entry } of [first, second]) {
    vi.spyOn(entry, 'refresh').mockImplementation(async ({ refreshToken }) => {
      used.push(refreshToken ?? '');
      return answer('b', `${refreshToken}+`);
    });
  }
  const all = Promise.all([first.renew(jwt('a')), first.renew(jwt('a')), second.renew(jwt('a'))]);
  await later(1000);
  expect(await all).toEqual([true, true, true]);
  expect(used).toEqual(['r1']);
  expect(second.session.get()).toMatchObject({ token: jwt('b'), refreshToken: 'r1+' });
});

test('a window that was opened again does not use the refresh token it remembers', async () => {
  const first = await open();
  first.beginSession(answer('a', 'r1'), false);
  const remembered = new Shelf();
  remembered.setItem('gad.session', first.own.getItem('gad.session') ?? '');
  await later(1000);
  first.continueSession(answer('b', 'r2'));
  const again = await open(remembered);
  const refresh = vi.spyOn(again.entry, 'refresh');
  const renewed = again.renew(jwt('a'));
  await later(1000);
  expect(await renewed).toBe(true);
  expect(refresh).not.toHaveBeenCalled();
  expect(again.session.get()).toMatchObject({ refreshToken: 'r2' });
});

test.each([
  ['was closed elsewhere', 0, 'ended'],
  ['was not used for long', 7_200_000, 'idle'],
])('a session that %s ends here, and the page knows why', async (_, pause, why) => {
  const ana = await open();
  ana.beginSession(answer('a', 'r1'), false);
  await later(pause);
  const info = { desc: ErrorInfoSchema, value: { reason: 'SESSION_ENDED', domain: 'gad' } };
  vi.spyOn(ana.entry, 'refresh').mockRejectedValue(new ConnectError('over', Code.Unauthenticated, undefined, [info]));
  const renewed = ana.renew(jwt('a'));
  await later(1000);
  expect(await renewed).toBe(false);
  expect(ana.session.get()).toEqual({ token: null, why });
});

test('a server that does not answer ends no session', async () => {
  const ana = await open();
  ana.beginSession(answer('a', 'r1'), false);
  vi.spyOn(ana.entry, 'refresh').mockRejectedValue(new ConnectError('down', Code.Unavailable));
  const renewed = expect(ana.renew(jwt('a'))).rejects.toThrow('down');
  await later(1000);
  await renewed;
  expect(ana.session.get().token).toBe(jwt('a'));
});

test('a token that has run out is not sent', async () => {
  const ana = await open();
  ana.beginSession(answer('a', 'r1'), false);
  vi.spyOn(ana.entry, 'refresh').mockResolvedValue(answer('b', 'r2'));
  expect(await ana.presentToken()).toBe(jwt('a'));
  await later(899_000);
  const token = ana.presentToken();
  await later(1000);
  expect(await token).toBe(jwt('b'));
});
