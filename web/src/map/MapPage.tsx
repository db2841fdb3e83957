import L from 'leaflet';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useCell } from '../cell';
import { words as emergencyWords } from '../emergency/words';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents, useEmergencies, usePositions, useRecentlyClosed, useTasks } from '../live/LiveProvider';
import { TaskPanel } from '../task/TaskPanel';
import { pathId } from '../task/useTask';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { useNarrow } from '../ui/useMedia';
import { useNow } from '../ui/useNow';
import { drawZones, fit, hasView, zoneBounds } from './basemap';
import type { Clusters } from './clusters';
import { LayerPanel, mapLayers } from './LayerPanel';
import { MapPopup } from './MapPopup';
import { type Pin, Pins } from './pins';
import { PinDetail } from './PinDetail';
import { agentPins, emergencyPins, taskPins } from './rows';
import { useClusters } from './useClusters';
import { useHeat } from './useHeat';
import { useMap } from './useMap';
import { useView } from './useView';
import { useZones } from './useZones';
import { words as mapWords } from './words';
import './map.css';

const TrackPanel = lazy(() => import('./TrackPanel').then(({ TrackPanel: panel }) => ({ default: panel })));

export default function MapPage({ openId }: { openId?: string | undefined }) {
  const { t } = useWords();
  const { element, map } = useMap();
  const zones = useZones();
  const layers = useCell(mapLayers);
  const w = usePart(mapWords);
  const [chosen, setChosen] = useState<string | null>(null);
  const [tracked, setTracked] = useState<bigint | null>(null);
  const open = pathId(openId);
  const view = useView(map);
  const all = useShownPins(open);
  const clusters = useClusters(view, layers);
  const pins = useGrouped(all, clusters, open);
  const covered = useNarrow();

  usePinsOn(map, pins, useChoose(map, clusters, setChosen));
  useHeat(map, view, layers.heat);
  useZonesOn(map, layers.zones ? zones : NO_ZONES);
  const fitAll = useFirstFit(map, all, zones, open !== null);
  useJumpTo(map, open === null ? undefined : all.find(({ key }) => key === `task-${open}`));

  const pin = pins.find(({ key }) => key === chosen);
  return (
    <div className="with-drawer">
      <div className="map-page" inert={covered && open !== null}>
        <h1 className="only-heard">{t.map.title}</h1>
        <div className="map" ref={element} role="region" aria-label={t.map.label} />
        <LayerPanel />
        <Button className="map-fit" onClick={fitAll}>
          <Icon name="fit" /> {t.map.fit}
        </Button>
        {map && pin && (
          <MapPopup key={pin.key} map={map} at={pin.at} onClose={() => setChosen(null)}>
            <PinDetail
              pinKey={pin.key}
              onTrack={(agentId) => {
                setTracked(agentId);
                setChosen(null);
              }}
            />
          </MapPopup>
        )}
        {clusters && clusters.pins.length > 0 && (
          <p className="map-far" role="status">
            {w.clustered}
          </p>
        )}
        {map && tracked !== null && (
          <Suspense>
            <TrackPanel key={String(tracked)} map={map} agentId={tracked} onClose={() => setTracked(null)} />
          </Suspense>
        )}
      </div>
      {open !== null && <TaskPanel id={open} base="/map" />}
    </div>
  );
}

const NO_ZONES: ReturnType<typeof useZones> = [];

function useShownPins(open: bigint | null): readonly Pin[] {
  const words = useWords();
  const emergencyText = usePart(emergencyWords);
  const tasks = useTasks();
  const emergencies = useEmergencies();
  const agents = useAgents();
  const positions = usePositions();
  const layers = useCell(mapLayers);
  const now = useNow();
  useRecentlyClosed();
  const ofTasks = useMemo(() => taskPins(tasks.values(), layers, open, words), [tasks, layers, open, words]);
  const ofAgents = useMemo(
    () => (layers.agents ? agentPins(agents, positions, words, now) : []),
    [agents, positions, layers.agents, words, now],
  );
  const ofEmergencies = useMemo(
    () => emergencyPins(emergencies.values(), emergencyText.name),
    [emergencies, emergencyText],
  );
  return useMemo(() => [...ofTasks, ...ofAgents, ...ofEmergencies], [ofTasks, ofAgents, ofEmergencies]);
}

/** Far out only what stands alone, and groups; the open task always. */
function useGrouped(pins: readonly Pin[], clusters: Clusters | null, open: bigint | null): readonly Pin[] {
  return useMemo(() => {
    if (!clusters) return pins;
    return [...pins.filter(({ key }) => clusters.alone.has(key) || key === `task-${open}`), ...clusters.pins];
  }, [pins, clusters, open]);
}

/** A pin tells of itself; a group brings the eye to what is in it. */
function useChoose(map: L.Map | null, clusters: Clusters | null, onPin: (key: string) => void): (key: string) => void {
  const latest = useRef(clusters);
  latest.current = clusters;
  return useCallback(
    (key: string) => {
      const box = latest.current?.boxes.get(key);
      if (!box) return onPin(key);
      const corners: L.LatLngBoundsLiteral = [
        [box.south, box.west],
        [box.north, box.east],
      ];
      map?.fitBounds(corners, { padding: [40, 40], maxZoom: 15, animate: false });
    },
    [map, onPin],
  );
}

function usePinsOn(map: L.Map | null, pins: readonly Pin[], onChoose: (key: string) => void): void {
  const [shown, setShown] = useState<Pins | null>(null);
  useEffect(() => {
    if (map) setShown(new Pins(map, onChoose));
  }, [map, onChoose]);
  useEffect(() => shown?.show(pins), [shown, pins]);
}

function useZonesOn(map: L.Map | null, zones: ReturnType<typeof useZones>): void {
  useEffect(() => {
    if (!map) return;
    const layer = drawZones(map, zones);
    return () => void layer.remove();
  }, [map, zones]);
}

/** Shows everything as soon as there is something to show, unless the eye already is at a place; afterwards only when asked. */
function useFirstFit(
  map: L.Map | null,
  pins: readonly Pin[],
  zones: ReturnType<typeof useZones>,
  placed: boolean,
): () => void {
  const fitAll = () => map && fit(map, zoneBounds(zones).extend(L.latLngBounds(pins.map(({ at }) => at))));
  const stay = useRef(placed || hasView());
  const seen = useRef({ pins: false, zones: false });
  useEffect(() => {
    if (!map || stay.current) return;
    const now = { pins: pins.length > 0 || seen.current.pins, zones: zones.length > 0 || seen.current.zones };
    if (now.pins !== seen.current.pins || now.zones !== seen.current.zones) fitAll();
    seen.current = now;
  });
  return fitAll;
}

/** Brings the open task into view: closely for one who came to see it, gently for one who is here already. */
function useJumpTo(map: L.Map | null, pin: Pin | undefined): void {
  const here = useRef(false);
  const key = pin?.key;
  const at = useRef(pin?.at);
  at.current = pin?.at;
  useEffect(() => {
    if (!map) return;
    if (key && at.current && !here.current) map.setView(at.current, Math.max(map.getZoom(), 15), { animate: false });
    else if (key && at.current) map.panInside(at.current, { padding: [60, 60] });
    here.current = true;
  }, [map, key]);
}
