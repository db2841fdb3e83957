import { expect, test } from 'vitest';
import { NameBook } from './book';

function open(answer: (ids: readonly bigint[]) => Promise<readonly { id: bigint; displayName: string }[]>) {
  const asked: (readonly bigint[])[] = [];
  const scheduled: (() => void)[] = [];
  const clock = { now: 0 };
  const book = new NameBook({
    ask: (ids) => {
      asked.push(ids);
      return answer(ids);
    },
    now: () => clock.now,
    later: (run) => scheduled.push(run),
  });
  const settle = async () => {
    for (const run of scheduled.splice(0)) run();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { book, asked, settle, clock };
}

const named = async (ids: readonly bigint[]) => ids.filter((id) => id < 10n).map((id) => ({ id, displayName: `N${id}` }));

test('all that a screen draws is one question, and asked once', async () => {
  const { book, asked, settle } = open(named);
  expect([1n, 2n, 1n].map((id) => book.nameOf(id))).toEqual([null, null, null]);
  await settle();
  expect([book.nameOf(1n), book.nameOf(2n)]).toEqual(['N1', 'N2']);
  await settle();
  expect(asked).toEqual([[1n, 2n]]);
});

test('who is not seen is not asked for again and again', async () => {
  const { book, asked, settle } = open(named);
  book.nameOf(99n);
  await settle();
  expect(book.nameOf(99n)).toBeNull();
  await settle();
  expect(asked).toHaveLength(1);
});

test('an old name shows while it is asked for again', async () => {
  const { book, asked, settle, clock } = open(named);
  book.nameOf(1n);
  await settle();
  clock.now = 10 * 60_000;
  expect(book.nameOf(1n)).toBe('N1');
  await settle();
  expect(asked).toHaveLength(2);
});

test('a server that does not answer leaves numbers, not an endless question', async () => {
  const { book, asked, settle } = open(async () => Promise.reject(new Error('down')));
  book.nameOf(1n);
  await settle();
  book.nameOf(1n);
  await settle();
  expect(asked).toHaveLength(1);
});

test('what one person may see is not shown to the next', async () => {
  let give: (cards: readonly { id: bigint; displayName: string }[]) => void = () => {};
  const { book, settle } = open(() => new Promise((resolve) => (give = resolve)));
  book.nameOf(1n);
  await settle();
  book.clear();
  give([{ id: 1n, displayName: 'N1' }]);
  await settle();
  expect(book.names.get().size).toBe(0);
});
