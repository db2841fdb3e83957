import type L from 'leaflet';
import { useEffect, useState } from 'react';

/** The part of the earth that a map shows. */
export interface View {
  readonly box: { readonly south: number; readonly west: number; readonly north: number; readonly east: number };
  readonly zoom: number;
}

/** Where the eye is, told anew whenever the map comes to rest. */
export function useView(map: L.Map | null): View | null {
  const [view, setView] = useState<View | null>(null);
  useEffect(() => {
    if (!map) return setView(null);
    const look = () => setView(viewOf(map));
    look();
    map.on('moveend', look);
    return () => void map.off('moveend', look);
  }, [map]);
  return view;
}

function viewOf(map: L.Map): View {
  const bounds = map.getBounds();
  const within = (degrees: number, most: number) => Math.max(-most, Math.min(most, degrees));
  const box = {
    south: within(bounds.getSouth(), 90),
    west: within(bounds.getWest(), 180),
    north: within(bounds.getNorth(), 90),
    east: within(bounds.getEast(), 180),
  };
  return { box, zoom: Math.max(0, Math.min(22, Math.round(map.getZoom()))) };
}
