import { expect, test } from 'vitest';
import { TaskKind } from '../gen/gad/v1/task_pb';
import { es } from '../i18n/es';
import { millis } from '../time';
import { EMPTY_DRAFT, placeOf, taskOf, unsendable } from './draft';

const at = (latitude: string, longitude: string) => ({ ...EMPTY_DRAFT, latitude, longitude });

test('coordinates may be written with a comma; zero is a place', () => {
  expect(placeOf(at('4,65', ' -74.07 '))).toEqual([4.65, -74.07]);
  expect(taskOf(at('0', '0')).location).toMatchObject({ latitude: 0, longitude: 0 });
  expect(taskOf(EMPTY_DRAFT).location).toBeUndefined();
});

test('half a place, or what is no number, cannot be sent', () => {
  expect(unsendable(at('4.65', ''), es).get('location')).toBe(es.create.bothCoordinates);
  expect(unsendable(at('north', '1'), es).get('location')).toBe(es.create.invalidNumber);
  expect(unsendable(EMPTY_DRAFT, es).size).toBe(0);
});

test('what is left empty is not sent; times are those of the screen', () => {
  const task = taskOf({ ...EMPTY_DRAFT, title: '  Ronda  ', kind: TaskKind.PATROL, plannedStart: '2026-11-22T08:30' });
  expect(task.title).toBe('Ronda');
  expect(task.plannedEndTime).toBeUndefined();
  expect(task.plannedStartTime && millis(task.plannedStartTime)).toBe(new Date(2026, 10, 22, 8, 30).getTime());
});
