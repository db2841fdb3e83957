import { useCallback } from 'react';
import { Link, useLocation } from 'wouter';
import { type PartProps, Sheet } from '../admin/Sheet';
import type { Geofence, GeofenceEvent } from '../gen/gad/v1/geofence_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useFeedStatus } from '../live/LiveProvider';
import { useFact } from '../live/useFact';
import { useZones } from '../map/useZones';
import { CALL } from '../rpc/clients';
import { geofences } from '../rpc/lateClients';
import { usePages } from '../rpc/usePages';
import { useNames } from '../task/names';
import { pathId } from '../task/useTask';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Table } from '../ui/Table';
import { useNarrow } from '../ui/useMedia';
import { FencePanel } from './FencePanel';
import { words } from './words';

const BASE = '/admin/geofences';

/** Zones that tell who comes, who goes and who stays, and what was told last. */
export default function GeofencesPart({ nav, openId }: PartProps) {
  const w = usePart(words);
  const [, go] = useLocation();
  const close = useCallback(() => go(BASE), [go]);
  const covered = useNarrow();
  const list = usePages(['geofences'], async (page, signal) => {
    const answer = await geofences.listGeofences({ ...page, pageSize: 200 }, { ...CALL, signal });
    return { rows: answer.geofences, nextPageToken: answer.nextPageToken };
  });
  const open = list.data?.find((fence) => fence.id === pathId(openId));
  return (
    <div className="with-drawer">
      <Sheet nav={nav} title={w.title} inert={covered && openId !== undefined}>
        <p className="muted">{w.text}</p>
        <div className="line">
          <Button look="primary" onClick={() => go(`${BASE}/new`)}>
            {w.create}
          </Button>
        </div>
        <Loaded query={list}>{(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <FenceTable fences={rows} />)}</Loaded>
        <More list={list} />
        <h3>{w.events}</h3>
        <Events />
      </Sheet>
      {(openId === 'new' || open) && (
        <FencePanel key={`${openId}-${open?.etag}`} fence={open} onClose={close} onDone={() => (close(), list.refetch())} />
      )}
    </div>
  );
}

function FenceTable({ fences }: { fences: readonly Geofence[] }) {
  const { format } = useWords();
  const w = usePart(words);
  const zones = useZones();
  const zoneName = (id: bigint) => zones.find((zone) => zone.id === id)?.displayName ?? String(id);
  const tells = ({ crossings, dwellTime }: Geofence) =>
    [...crossings.map((kind) => w.kinds[kind]), dwellTime && w.dwells(format.duration(dwellTime))].filter(Boolean).join(', ');
  const whom = ({ everybody, units, agentIds }: Geofence) =>
    everybody ? w.everybody : [...units, agentIds.length > 0 && w.agents(agentIds.length)].filter(Boolean).join(', ') || w.nobody;
  return (
    <div className="scroll">
      <Table
        cards
        caption={w.title}
        head={[w.name, w.zone, w.tells, w.whom]}
        rows={fences.map((fence) => ({
          key: String(fence.id),
          cells: [
            <Link key="name" className="row-link" href={`${BASE}/${fence.id}`}>
              {fence.displayName}
            </Link>,
            zoneName(fence.zoneId),
            tells(fence),
            whom(fence),
          ],
        }))}
      />
    </div>
  );
}

/** What happened at fences; more appears by itself. */
function Events() {
  const { format } = useWords();
  const w = usePart(words);
  const names = useNames();
  const { snapshots } = useFeedStatus();
  const list = usePages(['geofenceEvents', snapshots], async (page, signal) => {
    const answer = await geofences.listGeofenceEvents(page, { ...CALL, signal });
    return { rows: answer.events, nextPageToken: answer.nextPageToken };
  });
  useFact(({ resource }) => resource.case === 'geofenceEvent', list.refetch);
  const cells = (event: GeofenceEvent) => [
    event.fixTime && format.moment(event.fixTime),
    names.agent(event.agentId),
    w.happened[event.kind],
    event.geofenceDisplayName,
    event.location && format.place(event.location),
  ];
  return (
    <>
      <Loaded query={list}>
        {(rows) =>
          rows.length === 0 ? (
            <p className="muted">{w.noEvents}</p>
          ) : (
            <div className="scroll" aria-live="polite">
              <Table
                cards
                caption={w.events}
                head={[w.when, w.agent, w.what, w.fence, w.place]}
                rows={rows.map((event) => ({ key: String(event.id), cells: cells(event) }))}
              />
            </div>
          )
        }
      </Loaded>
      <More list={list} />
    </>
  );
}
