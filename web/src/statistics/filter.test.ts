import { expect, test } from 'vitest';
import { millis } from '../time';
import { CHOSEN_DAYS, FIRST_CHOICE, filterOf } from './filter';

const NOW = Date.UTC(2026, 10, 22, 15, 30);

test('thirty days are today and the twenty-nine before', () => {
  const { startTime, endTime } = filterOf(FIRST_CHOICE, NOW);
  expect(startTime && millis(startTime)).toBe(Date.UTC(2026, 9, 24));
  expect(endTime).toBeUndefined();
});

test('a period has its last day', () => {
  const { startTime, endTime } = filterOf({ ...FIRST_CHOICE, days: CHOSEN_DAYS, from: '2026-11-01', to: '2026-11-30' }, NOW);
  expect(startTime && millis(startTime)).toBe(Date.UTC(2026, 10, 1));
  expect(endTime && millis(endTime)).toBe(Date.UTC(2026, 11, 1));
});

test('what is not chosen does not limit', () => {
  const { startTime, zoneIds, kinds, priorities, units } = filterOf({ ...FIRST_CHOICE, days: 0 }, NOW);
  expect([startTime, zoneIds, kinds, priorities, units]).toEqual([undefined, [], [], [], []]);
});
