import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { MapLayer, MapViewResponseSchema } from '../gen/gad/v1/map_pb';
import { clustersOf } from './clusters';
import { words } from './words';

test('what stands alone is told by the keys of its pins, the rest is groups with their number', () => {
  const box = { south: 4, west: -74, north: 5, east: -73 };
  const view = create(MapViewResponseSchema, {
    agents: [{ agentId: 7n }],
    tasks: [{ taskId: 9n }],
    clusters: [
      { layer: MapLayer.TASKS, count: 1234, center: { latitude: 4.5, longitude: -73.5 }, box },
      { layer: MapLayer.EMERGENCIES, count: 2, center: { latitude: 4.5, longitude: -73.5 }, box },
    ],
  });
  const { alone, pins, boxes } = clustersOf(view, words.es);
  expect([...alone]).toEqual(['agent-7', 'task-9']);
  expect(pins.map(({ text, title }) => [text, title])).toEqual([
    ['1k', '1234 tareas'],
    ['2', '2 emergencias'],
  ]);
  expect(new Set(pins.map(({ key }) => key)).size).toBe(2);
  expect(boxes.get(pins[0]?.key ?? '')).toMatchObject(box);
});
