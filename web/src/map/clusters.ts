import { type MapCluster, MapLayer, type MapViewResponse } from '../gen/gad/v1/map_pb';
import type { Pin } from './pins';
import type { words } from './words';

type Texts = (typeof words)['es'];

export interface Clusters {
  /** Keys of pins that stand alone. */
  readonly alone: ReadonlySet<string>;
  readonly pins: readonly Pin[];
  readonly boxes: ReadonlyMap<string, NonNullable<MapCluster['box']>>;
}

const LOOKS: Readonly<Record<MapLayer, string>> = {
  [MapLayer.UNSPECIFIED]: '',
  [MapLayer.AGENTS]: 'pin-agent tone-available',
  [MapLayer.TASKS]: 'pin-task tone-scheduled',
  [MapLayer.EMERGENCIES]: 'pin-emergency tone-critical pin-pressing',
  [MapLayer.ZONES]: '',
};

export function clustersOf(view: MapViewResponse, text: Texts): Clusters {
  const alone = new Set([
    ...view.agents.map(({ agentId }) => `agent-${agentId}`),
    ...view.tasks.map(({ taskId }) => `task-${taskId}`),
    ...view.emergencies.map(({ emergencyId }) => `emergency-${emergencyId}`),
  ]);
  const boxes = new Map<string, NonNullable<MapCluster['box']>>();
  const pins = view.clusters.flatMap(({ layer, count, center, box }): Pin[] => {
    if (!center || !box) return [];
    const key = `cluster-${layer}-${box.south}-${box.west}`;
    boxes.set(key, box);
    const title = nameOf(layer, text)(count);
    const at: Pin['at'] = [center.latitude, center.longitude];
    return [{ key, at, look: `pin-cluster ${LOOKS[layer]}`, text: brief(count), label: title, title, zIndex: 100 + layer }];
  });
  return { alone, pins, boxes };
}

function nameOf(layer: MapLayer, text: Texts): Texts['tasks'] {
  if (layer === MapLayer.AGENTS) return text.agents;
  return layer === MapLayer.EMERGENCIES ? text.emergencies : text.tasks;
}

/** `1234` → `1k`: four letters have no room. */
function brief(count: number): string {
  return count < 1000 ? String(count) : `${Math.floor(count / 1000)}k`;
}
