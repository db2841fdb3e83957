import { useCell } from '../cell';
import { CALL, users } from '../rpc/clients';
import { session } from '../rpc/session';
import { NameBook } from './book';

const DRAWN_MILLIS = 20;

const book = new NameBook({
  ask: async (ids) => (await users.batchGetUsers({ ids: [...ids] }, CALL)).users,
  now: () => Date.now(),
  later: (run) => setTimeout(run, DRAWN_MILLIS),
});

let who: string | null = null;
session.subscribe(() => {
  const now = session.get();
  const next = now.token === null ? null : now.sessionId;
  if (next !== who) book.clear();
  who = next;
});

/** Gives the name of a person by number; `null` while it is not known, or if it never will be. */
export function useUserName(): (id: bigint) => string | null {
  useCell(book.names);
  return (id) => book.nameOf(id);
}
