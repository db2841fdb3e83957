import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { MapLayer, type MapCluster, type MapViewResponse } from '../gen/gad/v1/map_pb';
import { TaskState } from '../gen/gad/v1/task_pb';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { maps } from '../rpc/lateClients';
import type { Pin } from './pins';
import type { Layers } from './rows';
import type { View } from './useView';
import { words } from './words';

/** Farther out than a town, single markers would cover each other: the server says what is one group. */
export const SINGLE_FROM_ZOOM = 11;
const REFRESH_MILLIS = 10_000;

type Texts = (typeof words)['es'];

export interface Clusters {
  /** Keys of pins that stand alone. */
  readonly alone: ReadonlySet<string>;
  readonly pins: readonly Pin[];
  readonly boxes: ReadonlyMap<string, NonNullable<MapCluster['box']>>;
}

/** Groups of what is near each other, while the map shows a large area; else `null`. */
export function useClusters(view: View | null, layers: Layers): Clusters | null {
  const text = usePart(words);
  const isFar = view !== null && view.zoom < SINGLE_FROM_ZOOM;
  const wanted = wantedOf(layers);
  const { data } = useQuery({
    queryKey: ['mapView', view, wanted],
    enabled: isFar,
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MILLIS,
    queryFn: ({ signal }) => maps.mapView({ box: view?.box, zoom: view?.zoom ?? 0, ...wanted }, { ...CALL, signal }),
  });
  return useMemo(() => (isFar && data ? clustersOf(data, text) : null), [isFar, data, text]);
}

function wantedOf({ agents, openTasks, closedTasks }: Layers) {
  const open = [TaskState.SCHEDULED, TaskState.IN_PROGRESS, TaskState.PAUSED];
  const taskStates = [...(openTasks ? open : []), ...(closedTasks ? [TaskState.FINISHED, TaskState.CANCELLED] : [])];
  const layers = [MapLayer.EMERGENCIES, ...(agents ? [MapLayer.AGENTS] : []), ...(taskStates.length > 0 ? [MapLayer.TASKS] : [])];
  return { layers, taskStates };
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
