import { create, fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { Cell } from '../cell';
import { type LoginResponse, type User, UserSchema } from '../gen/gad/v1/auth_pb';

/** Somebody, or nobody and why: `expired` sends the person back to the sign-in page with a word. */
export type Session =
  | { readonly token: string; readonly user: User }
  | { readonly token: null; readonly expired: boolean };

const KEY = 'gad.session';

export const session = new Cell<Session>(restore());

export function beginSession({ accessToken, user = create(UserSchema) }: LoginResponse): void {
  sessionStorage.setItem(KEY, JSON.stringify({ token: accessToken, user: toJson(UserSchema, user) }));
  session.set({ token: accessToken, user });
}

export function endSession(expired: boolean): void {
  sessionStorage.removeItem(KEY);
  if (session.get().token !== null) session.set({ token: null, expired });
}

function restore(): Session {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? '') as { token: string; user: JsonValue };
    return { token: kept.token, user: fromJson(UserSchema, kept.user) };
  } catch {
    return { token: null, expired: false };
  }
}
