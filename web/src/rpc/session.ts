import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Cell } from '../cell';
import type { AccessToken, LoginResponse } from '../gen/gad/v1/auth_pb';
import { type User, UserSchema } from '../gen/gad/v1/user_pb';
import { millis } from '../time';
import { lifeMillis } from './token';

/** Why nobody is signed in: the sign-in page says so. */
export type Why = 'new' | 'signedOut' | 'idle' | 'ended' | 'erased';

export interface SignedIn {
  readonly token: string;
  /** When the token ends, by the clock of this screen. */
  readonly tokenEndsAt: number;
  readonly refreshToken: string;
  /** When the session ends unless it is used. */
  readonly idleAt: number;
  readonly sessionId: string;
  /** When these tokens came: of two copies the later one is the good one. */
  readonly since: number;
  /** Outlives the browser's windows. */
  readonly lasting: boolean;
  /** What the pages always need of the person; the rest is asked for where it is shown. */
  readonly user: User;
}

export type Session = SignedIn | { readonly token: null; readonly why: Why };

const KEY = 'gad.session';
const ANSWER_MILLIS = 100;

type Kept = Omit<SignedIn, 'user'> & { readonly user: JsonValue };
type Said = { readonly ask: true } | { readonly kept: Kept } | { readonly over: string; readonly why: Why };

/** The session of all windows of this browser. */
export const session = new Cell<Session>(stored() ?? { token: null, why: 'new' });

const tabs = new BroadcastChannel(KEY);
tabs.onmessage = ({ data }: MessageEvent<Said>) => hear(data);

export function beginSession(answer: LoginResponse, lasting: boolean): void {
  put(signedIn(answer, lasting));
}

/** Tokens that took the place of those of the present session. */
export function continueSession(answer: LoginResponse): void {
  const now = session.get();
  if (now.token !== null) put(signedIn(answer, now.lasting));
}

/** A fresh access token of the present session. An empty one says that the present one is still good. */
export function takeAccessToken({ accessToken }: AccessToken): void {
  const now = session.get();
  if (now.token === null || accessToken === '') return;
  put({ ...now, token: accessToken, tokenEndsAt: Date.now() + lifeMillis(accessToken), since: Date.now() });
}

/** The person as the server knows them now. */
export function takeUser(user: User): void {
  const now = session.get();
  if (now.token !== null && now.user.id === user.id) put({ ...now, user: brief(user), since: Date.now() });
}

export function endSession(why: Why): void {
  const now = session.get();
  if (now.token === null) return;
  drop(why);
  tabs.postMessage({ over: now.sessionId, why } satisfies Said);
}

/**
 * Takes the newest tokens that any window has. A window that was asleep, copied or opened again may have old ones;
 * to use an old refresh token would end the session.
 */
export async function joinSession(): Promise<void> {
  const kept = stored();
  if (kept) take(kept);
  tabs.postMessage({ ask: true } satisfies Said);
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MILLIS));
}

function hear(said: Said): void {
  const now = session.get();
  if ('ask' in said) {
    if (now.token !== null) tabs.postMessage({ kept: packed(now) } satisfies Said);
  } else if ('kept' in said) {
    take(unpacked(said.kept));
  } else if (now.token !== null && now.sessionId === said.over) {
    drop(said.why);
  }
}

function take(other: SignedIn): void {
  const now = session.get();
  const newer = now.token === null || (now.sessionId === other.sessionId && now.since < other.since);
  if (newer) keep(other);
}

function put(next: SignedIn): void {
  keep(next);
  tabs.postMessage({ kept: packed(next) } satisfies Said);
}

function keep(next: SignedIn): void {
  const [at, notAt] = next.lasting ? [localStorage, sessionStorage] : [sessionStorage, localStorage];
  notAt.removeItem(KEY);
  at.setItem(KEY, JSON.stringify(packed(next)));
  session.set(next);
}

function drop(why: Why): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  session.set({ token: null, why });
}

function stored(): SignedIn | null {
  const found = [sessionStorage, localStorage].flatMap((storage) => {
    try {
      return [unpacked(JSON.parse(storage.getItem(KEY) ?? '') as Kept)];
    } catch {
      return [];
    }
  });
  return found.sort((a, b) => b.since - a.since)[0] ?? null;
}

function signedIn(answer: LoginResponse, lasting: boolean): SignedIn {
  const now = Date.now();
  return {
    token: answer.accessToken,
    tokenEndsAt: now + lifeMillis(answer.accessToken),
    refreshToken: answer.refreshToken,
    idleAt: answer.refreshExpireTime ? millis(answer.refreshExpireTime) : now,
    sessionId: answer.sessionId,
    since: now,
    lasting,
    user: brief(answer.user ?? create(UserSchema)),
  };
}

/** Nothing more of a person is written where a browser keeps things. */
function brief({ id, email, displayName, level, agentId, passwordExpired, secondFactor }: User): User {
  return create(UserSchema, { id, email, displayName, level, agentId, passwordExpired, secondFactor });
}

function packed(whole: SignedIn): Kept {
  return { ...whole, user: toJson(UserSchema, whole.user) };
}

function unpacked(kept: Kept): SignedIn {
  return { ...kept, user: fromJson(UserSchema, kept.user, { ignoreUnknownFields: true }) };
}
