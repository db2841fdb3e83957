import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type Agent, Availability, type SkippedAgent } from '../gen/gad/v1/agent_pb';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useAgents, useLive } from '../live/LiveProvider';
import { CALL, dispatches, newRequestId } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { toast } from '../ui/toast';
import type { ChangeTask } from './TaskActions';

const REFRESH_MILLIS = 15_000;

/** Whom to send: as the policy ranks them if the task has a place, else whoever is free. */
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
      {task.location ? <Ranked {...props} /> : <Free {...props} />}
    </div>
  );
}

interface ListProps {
  task: Task;
  busy: boolean;
  onAssign: (agent: Agent) => void;
}

/** Best first, by the policy of the task's kind; who is skipped, and why. */
function Ranked({ task, ...props }: ListProps) {
  const { t, format } = useWords();
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['candidates', String(task.id), String(task.revision)],
    queryFn: ({ signal }) => dispatches.recommend({ taskId: task.id, pageSize: 10 }, { ...CALL, signal }),
    refetchInterval: REFRESH_MILLIS,
    staleTime: 0,
    placeholderData: keepPreviousData,
  });
  return (
    <Loaded query={{ data, error, refetch }}>
      {({ candidates, skipped, policy }) => (
        <>
          <h4>{t.assign.ranked}</h4>
          {candidates.length === 0 && <p className="muted">{t.assign.none}</p>}
          {candidates.length > 0 && <SendBest task={task} />}
          <ul className="agent-list">
            {candidates.map((candidate) =>
              candidate.agent && (
                <Candidate key={String(candidate.agent.id)} agent={candidate.agent} task={task} {...props}>
                  <strong>{format.distance(candidate.distanceMeters)}</strong>
                  {candidate.fixAge && ` · ${t.assign.fixAge(format.duration(candidate.fixAge))}`}
                  {candidate.openTaskCount > 0 && ` · ${t.assign.busyWith(candidate.openTaskCount)}`}
                  {!(candidate.unitFits && candidate.specialtyFits && candidate.rankFits) && ` · ${t.assign.misfit}`}
                </Candidate>
              ),
            )}
          </ul>
          {skipped.length > 0 && <Skipped agents={skipped} />}
          {policy && policy.radiusMeters > 0 && (
            <p className="muted">{t.assign.radius(format.distance(policy.radiusMeters))}</p>
          )}
          <Button small look="quiet" busy={isFetching} onClick={() => void refetch()}>
            {t.assign.refresh}
          </Button>
        </>
      )}
    </Loaded>
  );
}

/** Leaves the choice to the server: search, claim and assignment are one step there. */
function SendBest({ task }: { task: Task }) {
  const { t } = useWords();
  const { store } = useLive();
  const send = useCall(
    () => dispatches.dispatch({ taskId: task.id, etag: task.etag, requestId: newRequestId() }, CALL),
    ({ task: after, sent, missingCount }) => {
      if (after) store.merge([after]);
      toast(t.assign.sent(sent.flatMap(({ agent }) => agent?.code ?? []).join(', '), missingCount));
    },
  );
  return (
    <>
      {send.failure && <Notice tone="error">{send.failure.text}</Notice>}
      <Button look="primary" busy={send.busy} onClick={() => send.run(undefined)}>
        {t.assign.sendBest}
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
