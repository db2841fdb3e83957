import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { words as account } from '../account/words';
import { words as admin } from '../admin/words';
import { words as entry } from '../entry/words';
import { words as privacy } from '../privacy/words';
import { en } from './en';
import { es } from './es';
import { Format } from './format';

/** Every text with its path; functions are given marks that must come out again. */
function texts(tree: object, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const here = `${path}.${key}`;
    if (typeof value === 'object') texts(value as object, here).forEach((text, inner) => found.set(inner, text));
    else found.set(here, typeof value === 'function' ? spoken(value as (...marks: unknown[]) => string) : String(value));
  }
  return found;
}

const MARKS = [71, 82];

function spoken(speak: (...marks: unknown[]) => string): string {
  const marks = MARKS.slice(0, speak.length);
  const asText = speak(...marks.map(String));
  for (const mark of marks) expect(asText).toContain(String(mark));
  return asText;
}

test.each([
  ['every page', { es, en }],
  ['account', account],
  ['administration', admin],
  ['entry', entry],
  ['privacy', privacy],
])('both languages have the same texts for %s, and none is empty', (_, words) => {
  const spanish = texts(words.es);
  const english = texts(words.en);
  expect([...english.keys()]).toEqual([...spanish.keys()]);
  const empty = [...spanish, ...english].filter(([path, text]) => text === '' && !/\.(actions|levels)\.0$/.test(path));
  expect(empty).toEqual([]);
});

test('one of something is said in the singular', () => {
  expect(es.board.summary(1, 0)).toBe('1 abierta · 0 con retraso');
  expect(es.board.count(1)).toBe('1 tarea');
  expect(en.board.count(2)).toBe('2 tasks');
});

describe('format', () => {
  const spanish = new Format('es');
  const english = new Format('en');

  test.each([
    [0, '0 s'],
    [-5000, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_900_000, '1 h 05 min'],
    [93_600_000, '1 d 2 h'],
    [172_800_000, '2 d'],
  ])('a span of %d ms is %s', (millis, text) => {
    expect(spanish.span(millis)).toBe(text);
  });

  test('durations keep their fraction of a second out of sight', () => {
    expect(spanish.duration(create(DurationSchema, { seconds: 61n, nanos: 999_000_000 }))).toBe('1 min');
  });

  test('distances and speeds follow the language', () => {
    expect(spanish.distance(999.4)).toBe('999 m');
    expect(spanish.distance(1250)).toBe('1,3 km');
    expect(english.distance(1250)).toBe('1.3 km');
    expect(english.speed(10)).toBe('36 km/h');
  });
});
