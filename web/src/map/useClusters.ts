import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { MapLayer } from '../gen/gad/v1/map_pb';
import { TaskState } from '../gen/gad/v1/task_pb';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { maps } from '../rpc/lateClients';
import { type Clusters, clustersOf } from './clusters';
import type { Layers } from './rows';
import type { View } from './useView';
import { words } from './words';

/** Farther out than a town, single markers would cover each other: the server says what is one group. */
const SINGLE_FROM_ZOOM = 11;
const REFRESH_MILLIS = 10_000;

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
