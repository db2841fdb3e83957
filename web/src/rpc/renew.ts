import { Code, ConnectError } from '@connectrpc/connect';
import type { LoginResponse } from '../gen/gad/v1/auth_pb';
import { CALL, entry } from './entry';
import { continueSession, endSession, joinSession, session } from './session';

/** A token with less than this left is not worth sending. */
const MARGIN_MILLIS = 5000;

let running: { readonly refused: string; readonly result: Promise<boolean> } | null = null;

/**
 * A good access token in place of `refused`. False: nobody is signed in any more. Throws if nobody knows, because no
 * answer came. A refresh token works once, so of all windows one asks at a time, and the others take what it got.
 */
export function renew(refused: string): Promise<boolean> {
  if (running?.refused === refused) return running.result;
  const result = alone(() => exchange(refused)).finally(() => {
    if (running?.result === result) running = null;
  });
  running = { refused, result };
  return result;
}

/** The token to send: a fresh one if the present one has run out. */
export async function presentToken(): Promise<string | null> {
  const now = session.get();
  if (now.token === null) return null;
  if (now.tokenEndsAt - Date.now() < MARGIN_MILLIS) await renew(now.token);
  return session.get().token;
}

/** Browsers have no locks for pages that came by plain http; then the server's patience with repeats must do. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request('gad.renew', work) : work();
}

async function exchange(refused: string): Promise<boolean> {
  await joinSession();
  const now = session.get();
  if (now.token === null) return false;
  if (now.token !== refused) return true;
  let answer: LoginResponse;
  try {
    answer = await entry.refresh({ refreshToken: now.refreshToken }, CALL);
  } catch (error) {
    if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
    endSession(now.idleAt <= Date.now() ? 'idle' : 'ended');
    return false;
  }
  continueSession(answer);
  return true;
}
