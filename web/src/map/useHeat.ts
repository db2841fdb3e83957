import { keepPreviousData, useQuery } from '@tanstack/react-query';
import L from 'leaflet';
import { useEffect } from 'react';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { maps } from '../rpc/lateClients';
import type { View } from './useView';
import { words } from './words';

const REFRESH_MILLIS = 30_000;
/** Even the emptiest cell can be seen, and the fullest does not hide what is under it. */
const [FAINTEST, STRONGEST] = [0.12, 0.68];

/** Lays cells over the map, the stronger the more tasks are in them. */
export function useHeat(map: L.Map | null, view: View | null, shown: boolean): void {
  const t = usePart(words);
  const { data } = useQuery({
    queryKey: ['heat', view],
    enabled: shown && view !== null,
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MILLIS,
    queryFn: ({ signal }) => maps.heatmap({ box: view?.box, zoom: view?.zoom ?? 0 }, { ...CALL, signal }),
  });
  useEffect(() => {
    if (!map || !shown || !data) return;
    const layer = L.layerGroup().addTo(map);
    const most = Math.max(1, ...data.cells.map(({ count }) => count));
    for (const { box, count } of data.cells) {
      if (!box) continue;
      // By the root, so that one crowded cell does not make the others vanish.
      const fillOpacity = FAINTEST + (STRONGEST - FAINTEST) * Math.sqrt(count / most);
      const corners: L.LatLngBoundsLiteral = [
        [box.south, box.west],
        [box.north, box.east],
      ];
      L.rectangle(corners, { className: 'heat', fillOpacity, stroke: false }).bindTooltip(t.heatCount(count)).addTo(layer);
    }
    return () => void layer.remove();
  }, [map, shown, data, t]);
}
