import L from 'leaflet';
import { useEffect, useRef } from 'react';
import type { Zone } from '../gen/gad/v1/zone_pb';
import { usePart } from '../i18n/part';
import { fit, zoneBounds } from '../map/basemap';
import { useMap } from '../map/useMap';
import { words } from './words';
import '../map/map.css';
import './fence.css';

interface Props {
  zones: readonly Zone[];
  chosen: bigint;
  onChoose: (id: bigint) => void;
}

/** Zones on a map; one that is pressed is chosen. By keyboard the list beside it does the same. */
export function ZoneMap({ zones, chosen, onChoose }: Props) {
  const w = usePart(words);
  const { element, map } = useMap();
  const choose = useRef(onChoose);
  choose.current = onChoose;

  useEffect(() => {
    if (!map) return;
    const layer = L.layerGroup().addTo(map);
    for (const zone of zones) {
      const ring = zone.boundary.map(({ latitude, longitude }) => L.latLng(latitude, longitude));
      L.polygon(ring, { className: zone.id === chosen ? 'zone zone-chosen' : 'zone' })
        .bindTooltip(zone.displayName || zone.code, { permanent: true, direction: 'center', className: 'zone-name' })
        .on('click', () => choose.current(zone.id))
        .addTo(layer);
    }
    return () => void layer.remove();
  }, [map, zones, chosen]);

  useEffect(() => {
    if (!map) return;
    const one = zones.filter(({ id }) => id === chosen);
    fit(map, zoneBounds(one.length > 0 ? one : zones));
  }, [map, zones, chosen]);

  return <div className="map fence-map" ref={element} role="region" aria-label={w.map} />;
}
