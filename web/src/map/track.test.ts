import { expect, test } from 'vitest';
import { placeAt } from './track';

const LINES = [
  [
    { at: 0, place: [0, 0] as const },
    { at: 100, place: [10, 20] as const },
  ],
  [{ at: 500, place: [30, 30] as const }],
];

test('between two points somebody is on the way', () => {
  expect(placeAt(LINES, 50)).toEqual([5, 10]);
});

test('in a gap somebody is where they were last, and after the end too', () => {
  expect(placeAt(LINES, 300)).toEqual([10, 20]);
  expect(placeAt(LINES, 900)).toEqual([30, 30]);
});

test('before the first point nobody knows', () => {
  expect(placeAt(LINES, -1)).toBeNull();
  expect(placeAt([], 1)).toBeNull();
});
