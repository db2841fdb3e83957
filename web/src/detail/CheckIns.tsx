import { useState } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import { type CheckIn, CheckInState } from '../gen/gad/v1/check_in_pb';
import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents, useFeedStatus } from '../live/LiveProvider';
import { useFact } from '../live/useFact';
import { CALL, newRequestId } from '../rpc/clients';
import { checkIns } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { useNames } from '../task/names';
import { millis } from '../time';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { toast } from '../ui/toast';
import { useNow } from '../ui/useNow';
import { directs } from './directs';
import { Part } from './Part';
import { words } from './words';

const tones: Readonly<Record<CheckInState, string>> = {
  [CheckInState.UNSPECIFIED]: 'plain',
  [CheckInState.WAITING]: 'available',
  [CheckInState.MISSED]: 'urgent',
  [CheckInState.RAISED]: 'critical',
};

/** Whether all is well with the agents at work. */
export function CheckIns({ task }: { task: Task }) {
  const { checkIns: w } = usePart(words);
  const { snapshots } = useFeedStatus();
  const running = task.state === TaskState.IN_PROGRESS;
  const list = useQuery({
    // Who is on the task, and whether it runs, is of its revision.
    queryKey: ['checkIns', String(task.id), String(task.revision), snapshots],
    enabled: running && snapshots > 0,
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => checkIns.listCheckIns({ taskId: task.id, pageSize: 200 }, { ...CALL, signal }),
  });
  useFact(({ resource }) => resource.case === 'checkIn' && resource.value.taskId === task.id, list.refetch);
  if (!running || task.agentIds.length === 0) return null;
  return (
    <Part title={w.title}>
      <Loaded query={list}>
        {({ checkIns: rows }) => (
          <ul className="detail-list">
            {task.agentIds.map((id) => (
              <Row
                key={String(id)}
                task={task}
                agentId={id}
                checkIn={rows.find(({ agentId }) => agentId === id)}
                onDone={list.refetch}
              />
            ))}
          </ul>
        )}
      </Loaded>
    </Part>
  );
}

interface RowProps {
  task: Task;
  agentId: bigint;
  checkIn: CheckIn | undefined;
  onDone: () => unknown;
}

function Row({ task, agentId, checkIn, onDone }: RowProps) {
  const { checkIns: w } = usePart(words);
  const names = useNames();
  const agents = useAgents();
  const mine = useCell(session);
  const [asking, setAsking] = useState(false);
  const isOwn = mine.token !== null && agents.get(agentId)?.userId === mine.user.id;
  const name = names.agent(agentId);
  const sign = useCall(
    (reason: string) => checkIns.checkIn({ taskId: task.id, agentId, reason, requestId: newRequestId() }, CALL),
    async () => {
      setAsking(false);
      toast(w.done(name));
      await onDone();
    },
  );
  const maySay = isOwn || directs(task);
  return (
    <li>
      <span className="grow">
        <span className="agent-code">{name}</span> {checkIn && <Badge tone={tones[checkIn.state]}>{w.states[checkIn.state]}</Badge>}
        <When checkIn={checkIn} />
      </span>
      {maySay && (
        <Button small busy={sign.busy} aria-label={w.well(name)} onClick={() => (isOwn ? sign.run('') : setAsking(true))}>
          {w.isWell}
        </Button>
      )}
      {isOwn && sign.failure && <Notice tone="error">{sign.failure.text}</Notice>}
      {asking && (
        <Confirm title={w.well(name)} act={w.isWell} reason="needed" call={sign} onClose={() => setAsking(false)}>
          <p>{w.how}</p>
        </Confirm>
      )}
    </li>
  );
}

function When({ checkIn }: { checkIn: CheckIn | undefined }) {
  const { format } = useWords();
  const { checkIns: w } = usePart(words);
  const now = useNow();
  if (!checkIn) return null;
  const { checkInTime, dueTime, emergencyId, state } = checkIn;
  const due = dueTime && millis(dueTime) - now;
  const said = [
    checkInTime ? w.last(format.span(now - millis(checkInTime))) : w.never,
    due !== undefined && (state === CheckInState.WAITING ? w.due(format.span(due)) : w.alarm(format.span(due))),
  ];
  return (
    <span className="field-hint">
      {said.filter(Boolean).join(' · ')}
      {emergencyId !== undefined && (
        <>
          {' · '}
          <Link href={`/emergencies/${emergencyId}`}>{w.emergency(String(emergencyId))}</Link>
        </>
      )}
    </span>
  );
}
