import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type Agent, Availability, type SkippedAgent } from '../gen/gad/v1/agent_pb';
import type { LatLng } from '../gen/gad/v1/geo_pb';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useAgents } from '../live/LiveProvider';
import { agents as agentService, CALL } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import type { ChangeTask } from './TaskActions';

const REFRESH_MILLIS = 15_000;

/** Whom to send: by distance if the task has a place, else whoever is free. */
export function AssignPanel({ task, change }: { task: Task; change: ChangeTask }) {
  const { t } = useWords();
  const [exclusive, setExclusive] = useState(false);
  const assign = (agent: Agent) =>
    change.send({ task, action: TaskAction.ASSIGN, agentId: agent.id, exclusive });
  const props = { task, busy: change.pending, onAssign: assign };
  return (
    <div className="assign" role="group" aria-label={t.assign.title}>
      <label className="check">
        <input type="checkbox" checked={exclusive} onChange={(event) => setExclusive(event.target.checked)} />
        <span>
          {t.assign.exclusive}
          <span className="field-hint">{t.assign.exclusiveHint}</span>
        </span>
      </label>
      {task.location ? <Nearby location={task.location} {...props} /> : <Free {...props} />}
    </div>
  );
}

interface ListProps {
  task: Task;
  busy: boolean;
  onAssign: (agent: Agent) => void;
}

function Nearby({ location, ...props }: ListProps & { location: LatLng }) {
  const { t, format } = useWords();
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['nearby', location.latitude, location.longitude],
    queryFn: ({ signal }) => agentService.listNearby({ location, pageSize: 10 }, { ...CALL, signal }),
    refetchInterval: REFRESH_MILLIS,
    staleTime: 0,
  });
  if (error && !data) {
    return (
      <Notice tone="error">
        {explain(error, t).text} <Button small onClick={() => void refetch()}>{t.app.retry}</Button>
      </Notice>
    );
  }
  if (!data) return <p className="muted">{t.app.loading}</p>;
  return (
    <>
      <h4>{t.assign.byDistance}</h4>
      {data.agents.length === 0 && <p className="muted">{t.assign.none}</p>}
      <ul className="agent-list">
        {data.agents.map(({ agent, distanceMeters, fixAge }) =>
          agent && (
            <Candidate key={String(agent.id)} agent={agent} {...props}>
              <strong>{format.distance(distanceMeters)}</strong>
              {fixAge && ` · ${t.assign.fixAge(format.duration(fixAge))}`}
            </Candidate>
          ),
        )}
      </ul>
      {data.skipped.length > 0 && <Skipped agents={data.skipped} />}
      <Button small look="quiet" busy={isFetching} onClick={() => void refetch()}>
        {t.assign.refresh}
      </Button>
    </>
  );
}

function Free(props: ListProps) {
  const { t } = useWords();
  const free = [...useAgents().values()].filter((agent) => agent.availability === Availability.AVAILABLE);
  return (
    <>
      <p className="muted">{t.assign.noLocation}</p>
      <ul className="agent-list">
        {free.slice(0, 50).map((agent) => (
          <Candidate key={String(agent.id)} agent={agent} {...props} />
        ))}
      </ul>
    </>
  );
}

function Candidate({ agent, task, busy, onAssign, children }: ListProps & { agent: Agent; children?: React.ReactNode }) {
  const { t } = useWords();
  const already = task.agentIds.includes(agent.id);
  return (
    <li>
      <span className="grow">
        <span className="agent-code">{agent.code}</span> {agent.displayName}
        <span className="field-hint">
          {children}
          {agent.unit && ` · ${agent.unit}`}
        </span>
      </span>
      {already ? (
        <span className="muted">{t.assign.already}</span>
      ) : (
        <Button small look="primary" busy={busy} aria-label={t.assign.assignName(agent.code)} onClick={() => onAssign(agent)}>
          {t.assign.assign}
        </Button>
      )}
    </li>
  );
}

function Skipped({ agents }: { agents: readonly SkippedAgent[] }) {
  const { t, format } = useWords();
  return (
    <>
      <h4>{t.assign.skipped}</h4>
      <Table
        caption={t.assign.skipped}
        head={[t.assign.agent, t.assign.distance, t.assign.fix, t.assign.reason]}
        rows={agents.map((agent) => ({
          key: String(agent.agentId),
          cells: [
            agent.code,
            format.distance(agent.distanceMeters),
            agent.fixAge ? format.duration(agent.fixAge) : '–',
            t.skips[agent.reason],
          ],
        }))}
      />
    </>
  );
}
