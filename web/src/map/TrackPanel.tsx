import { useQuery } from '@tanstack/react-query';
import L from 'leaflet';
import { useEffect, useId, useMemo, useState } from 'react';
import type { GetTrackLineResponse } from '../gen/gad/v1/map_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { maps } from '../rpc/lateClients';
import { useNames } from '../task/names';
import { timestamp } from '../time';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Loaded } from '../ui/Loaded';
import { Select } from '../ui/Select';
import { placeAt, type Stop, stopsOf } from './track';
import { words } from './words';

const PERIODS = [1, 6, 24, 72] as const;
const HOUR_MILLIS = 3_600_000;
/** The whole period is replayed in about twenty seconds. */
const [FRAMES, FRAME_MILLIS] = [200, 100];

interface Props {
  map: L.Map;
  agentId: bigint;
  onClose: () => void;
}

/** Where an agent was: a line on the map, and a clock that can be turned back. Reading it is kept in the audit. */
export function TrackPanel({ map, agentId, onClose }: Props) {
  const t = usePart(words);
  const { t: common, format } = useWords();
  const names = useNames();
  const [hours, setHours] = useState<number>(1);
  const [asked] = useState(() => Date.now());
  const query = useQuery({
    queryKey: ['track', String(agentId), hours, asked],
    staleTime: Infinity,
    queryFn: ({ signal }) =>
      maps.getTrackLine(
        { agentId, startTime: timestamp(asked - hours * HOUR_MILLIS), endTime: timestamp(asked), pointCount: 1000 },
        { ...CALL, signal },
      ),
  });
  return (
    <section className="track-panel" aria-label={t.trackOf(names.agent(agentId))}>
      <header className="track-head">
        <h2>{t.trackOf(names.agent(agentId))}</h2>
        <button type="button" className="icon-button" aria-label={common.app.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Select<number>
        label={t.period}
        value={hours}
        options={PERIODS.map((one) => [one, t.hours(one)] as const)}
        onChange={setHours}
      />
      <Loaded query={query}>
        {(answer) =>
          answer.lines.length === 0 ? (
            <p className="muted" role="status">
              {t.noFixes}
            </p>
          ) : (
            <Replay key={hours} map={map} answer={answer} format={(at) => (hours === 1 ? format.clockSeconds(at) : format.brief(timestamp(at)))} />
          )
        }
      </Loaded>
    </section>
  );
}

function Replay({ map, answer, format }: { map: L.Map; answer: GetTrackLineResponse; format: (at: number) => string }) {
  const t = usePart(words);
  const id = useId();
  const lines = useMemo(() => answer.lines.map(stopsOf).filter((line) => line.length > 0), [answer]);
  const first = lines[0]?.[0]?.at ?? 0;
  const last = lines.at(-1)?.at(-1)?.at ?? 0;
  const [at, setAt] = useState(last);
  const [playing, setPlaying] = useState(false);
  useDrawnLines(map, lines);
  useDrawnPlace(map, placeAt(lines, at));
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((now) => Math.min(last, now + (last - first) / FRAMES)), FRAME_MILLIS);
    return () => clearInterval(timer);
  }, [playing, first, last]);
  useEffect(() => {
    if (at >= last) setPlaying(false);
  }, [at, last]);
  const play = () => {
    if (!playing && at >= last) setAt(first);
    setPlaying(!playing);
  };
  return (
    <>
      <label className="field-label" htmlFor={id}>
        {t.moment}: {format(at)}
      </label>
      <div className="track-clock">
        <Button small onClick={play}>
          {playing ? t.stop : t.play}
        </Button>
        <input
          id={id}
          type="range"
          min={first}
          max={last}
          step={1000}
          value={at}
          aria-valuetext={format(at)}
          onChange={(event) => setAt(Number(event.target.value))}
        />
      </div>
      <p className="muted">
        {t.fixes(String(answer.fixCount))} · {format(first)} – {format(last)}
      </p>
    </>
  );
}

function useDrawnLines(map: L.Map, lines: readonly (readonly Stop[])[]): void {
  useEffect(() => {
    const layer = L.layerGroup().addTo(map);
    for (const line of lines) {
      const places = line.map(({ place }) => L.latLng(place[0], place[1]));
      // One fix is a point, not a line.
      const look = { className: 'track-line', interactive: false };
      if (places.length === 1 && places[0]) L.circleMarker(places[0], { ...look, radius: 4 }).addTo(layer);
      else L.polyline(places, look).addTo(layer);
    }
    const bounds = L.latLngBounds(lines.flatMap((line) => line.map(({ place }) => L.latLng(place[0], place[1]))));
    // The panel lies over the lower part.
    if (bounds.isValid()) map.fitBounds(bounds, { paddingTopLeft: [50, 50], paddingBottomRight: [50, 290], maxZoom: 16, animate: false });
    return () => void layer.remove();
  }, [map, lines]);
}

function useDrawnPlace(map: L.Map, place: readonly [number, number] | null): void {
  const [marker] = useState(() => {
    const icon = L.divIcon({ className: 'track-place', iconSize: [18, 18] });
    return L.marker([0, 0], { icon, interactive: false, keyboard: false, zIndexOffset: 2000 });
  });
  const [latitude, longitude] = place ?? [];
  useEffect(() => {
    if (latitude === undefined || longitude === undefined) return void marker.remove();
    marker.setLatLng([latitude, longitude]).addTo(map);
  }, [map, marker, latitude, longitude]);
  useEffect(() => () => void marker.remove(), [marker]);
}
