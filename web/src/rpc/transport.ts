import type { DescMessage } from '@bufbuild/protobuf';
import { Code, ConnectError, type StreamResponse, type Transport } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { speakLanguage } from './entry';
import { reasonOf } from './failure';
import { askForProof } from './proof';
import { presentToken, renew } from './renew';
import { session, takeUser } from './session';

/** Calls as the person who is signed in. What a fresh token or the person can mend, is mended, and the call made again. */
export function identified(inner: Transport): Transport {
  return {
    unary: (method, signal, timeoutMs, header, input, context) =>
      mending((headers) => inner.unary(method, signal, timeoutMs, headers, input, context), header),
    stream: async (method, signal, timeoutMs, header, input, context) => {
      const sent = await all(input);
      return mending(
        async (headers) => begun(await inner.stream(method, signal, timeoutMs, headers, each(sent), context)),
        header,
      );
    },
  };
}

/** A proof may be asked for after a fresh token, or the other way round; the same thing never helps twice. */
const MOST_REPEATS = 2;

async function mending<T>(call: (headers: Headers) => Promise<T>, header: HeadersInit | undefined): Promise<T> {
  for (let repeats = 0; ; repeats += 1) {
    const headers = new Headers(header);
    const token = await presentToken();
    if (token) headers.set('authorization', `Bearer ${token}`);
    try {
      return await call(headers);
    } catch (error) {
      if (token === null || repeats === MOST_REPEATS || !(await isMended(error, token))) throw error;
    }
  }
}

async function isMended(error: unknown, token: string): Promise<boolean> {
  if (ConnectError.from(error).code === Code.Unauthenticated) return renew(token);
  const reason = reasonOf(error);
  if (reason === 'STEP_UP_REQUIRED') return askForProof();
  const now = session.get();
  if (reason === 'PASSWORD_EXPIRED' && now.token !== null) takeUser({ ...now.user, passwordExpired: true });
  return false;
}

/** A stream that has said its first word: a refusal may come in place of it. */
async function begun<I extends DescMessage, O extends DescMessage>(
  response: StreamResponse<I, O>,
): Promise<StreamResponse<I, O>> {
  const messages = response.message[Symbol.asyncIterator]();
  const first = await messages.next();
  return { ...response, message: from(first, messages) };
}

async function* from<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const value of values) got.push(value);
  return got;
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

export const transport = identified(
  createGrpcWebTransport({ baseUrl: location.origin, interceptors: [speakLanguage] }),
);

