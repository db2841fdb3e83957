import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AuthService } from '../gen/gad/v1/auth_pb';
import { EventService, type WatchResponse, WatchResponseSchema } from '../gen/gad/v1/event_pb';
import { type User, UserSchema } from '../gen/gad/v1/user_pb';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb';

const state = { token: 'old', user: create(UserSchema, { id: 7n }) as User };
const renew = vi.fn(async (_refused: string) => {
  state.token = 'new';
  return true;
});
const askForProof = vi.fn(async () => true);

vi.mock('./entry', () => ({ speakLanguage: (next: unknown) => next }));
vi.mock('./renew', () => ({ renew: (refused: string) => renew(refused), presentToken: async () => state.token }));
vi.mock('./proof', () => ({ askForProof: () => askForProof() }));
vi.mock('./session', () => ({
  session: { get: () => state },
  takeUser: (user: User) => {
    state.user = user;
  },
}));

const refusal = (code: Code, reason: string) =>
  new ConnectError(reason, code, undefined, [{ desc: ErrorInfoSchema, value: { reason, domain: 'gad' } }]);

/** A server that says one thing after the other, and remembers with which tokens it was asked. */
async function serve(...says: (ConnectError | 'yes')[]) {
  const asked: (string | null)[] = [];
  const next = (headers: Headers) => {
    asked.push(headers.get('authorization'));
    const said = says.shift() ?? 'yes';
    if (said !== 'yes') throw said;
  };
  vi.stubGlobal('location', { origin: 'http://gad.example' });
  const { identified } = await import('./transport');
  const transport = identified(
    createRouterTransport(({ service }) => {
      service(AuthService, { getMe: (_, { requestHeader }) => (next(requestHeader), { displayName: 'Ana' }) });
      service(EventService, {
        async *watch(_, { requestHeader }): AsyncGenerator<WatchResponse> {
          next(requestHeader);
          yield create(WatchResponseSchema, { cursor: 'a' });
          yield create(WatchResponseSchema, { cursor: 'b' });
        },
      });
    }),
  );
  return { asked, auth: createClient(AuthService, transport), events: createClient(EventService, transport) };
}

beforeEach(() => {
  state.token = 'old';
  vi.clearAllMocks();
});

afterEach(() => vi.unstubAllGlobals());

test('a refused token is renewed and the call made again', async () => {
  const { asked, auth } = await serve(refusal(Code.Unauthenticated, 'SIGNED_OUT'));
  expect((await auth.getMe({})).displayName).toBe('Ana');
  expect(asked).toEqual(['Bearer old', 'Bearer new']);
  expect(renew).toHaveBeenCalledWith('old');
});

test('a stream that is refused is opened again too', async () => {
  const { asked, events } = await serve(refusal(Code.Unauthenticated, 'SIGNED_OUT'));
  const cursors: string[] = [];
  for await (const { cursor } of events.watch({})) cursors.push(cursor);
  expect(cursors).toEqual(['a', 'b']);
  expect(asked).toEqual(['Bearer old', 'Bearer new']);
});

test('what asks for proof is done once the person has proved to be there', async () => {
  const { asked, auth } = await serve(refusal(Code.PermissionDenied, 'STEP_UP_REQUIRED'));
  expect((await auth.getMe({})).displayName).toBe('Ana');
  expect(askForProof).toHaveBeenCalledOnce();
  expect(asked).toHaveLength(2);
});

test('who does not prove it gets the refusal', async () => {
  askForProof.mockResolvedValueOnce(false);
  const { asked, auth } = await serve(refusal(Code.PermissionDenied, 'STEP_UP_REQUIRED'));
  await expect(auth.getMe({})).rejects.toThrow('STEP_UP_REQUIRED');
  expect(asked).toHaveLength(1);
});

test('a call that is refused again and again comes to an end', async () => {
  const refusals = Array.from({ length: 9 }, () => refusal(Code.Unauthenticated, 'SIGNED_OUT'));
  const { asked, auth } = await serve(...refusals);
  await expect(auth.getMe({})).rejects.toThrow('SIGNED_OUT');
  expect(asked).toHaveLength(3);
});

test('other refusals are nobody else’s business', async () => {
  const { asked, auth } = await serve(refusal(Code.PermissionDenied, 'FORBIDDEN'));
  await expect(auth.getMe({})).rejects.toThrow('FORBIDDEN');
  expect(asked).toHaveLength(1);
  expect([renew, askForProof].some((each) => each.mock.calls.length > 0)).toBe(false);
});

test('a password that has expired shows at once', async () => {
  const { auth } = await serve(refusal(Code.PermissionDenied, 'PASSWORD_EXPIRED'));
  await expect(auth.getMe({})).rejects.toThrow('PASSWORD_EXPIRED');
  expect(state.user.passwordExpired).toBe(true);
});
