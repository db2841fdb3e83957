import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useCell } from '../cell';
import { type Emergency, EmergencyState, type EmergencyStep } from '../gen/gad/v1/emergency_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents, useEmergencies, useFeedStatus, useLive } from '../live/LiveProvider';
import { CALL, newRequestId } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { emergencies as service } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { AvailabilityDot } from '../task/AvailabilityDot';
import { useNames } from '../task/names';
import { Button } from '../ui/Button';
import { Drawer } from '../ui/Drawer';
import { Field } from '../ui/Field';
import { Notice } from '../ui/Notice';
import { EmergencyBadge } from './looks';
import { isOngoing } from './state';
import { words } from './words';
import '../task/task.css';

/** Everything about one call for help, and the answers that can be given. */
export function EmergencyPanel({ id }: { id: bigint }) {
  const { t: common } = useWords();
  const t = usePart(words);
  const { emergency, error } = useEmergency(id);
  const [, go] = useLocation();
  const close = useCallback(() => go('/emergencies'), [go]);
  return (
    <Drawer title={t.name(String(id))} subject={String(id)} onClose={close}>
      {emergency && <Detail key={String(id)} emergency={emergency} />}
      {!emergency && error && <Notice tone="error">{explain(error, common).text}</Notice>}
      {!emergency && !error && <p className="muted">{common.app.loading}</p>}
    </Drawer>
  );
}

function useEmergency(id: bigint): { emergency: Emergency | undefined; error: Error | null } {
  const { store } = useLive();
  const { snapshots } = useFeedStatus();
  const live = useEmergencies().get(id);
  const { data, error } = useQuery({
    queryKey: ['emergency', String(id), snapshots],
    enabled: snapshots > 0 && !live,
    queryFn: async ({ signal }) => {
      const emergency = await service.getEmergency({ id }, { ...CALL, signal });
      store.mergeEmergencies([emergency]);
      return emergency;
    },
  });
  return { emergency: live ?? data, error: live ? null : error };
}

function Detail({ emergency }: { emergency: Emergency }) {
  const t = usePart(words);
  const { description, agentIds, taskId, location, state } = emergency;
  return (
    <>
      <p className="task-title">{description || t.noDescription}</p>
      <p className="task-badges">
        <EmergencyBadge emergency={emergency} />
      </p>
      {isOngoing(emergency) && <Answers emergency={emergency} />}
      <section className="task-section" aria-label={t.agents}>
        <h3>{t.agents}</h3>
        {agentIds.length === 0 ? <p className="muted">{t.unassigned}</p> : <Crew ids={agentIds} />}
      </section>
      <Facts emergency={emergency} />
      {state !== EmergencyState.CLOSED && <p className="muted">{t.end}</p>}
      <p className="task-actions">
        <Link className="button button-small" href={`/board/${taskId}`}>
          {t.openTask}
        </Link>
        {location && (
          <Link className="button button-small" href={`/map/${taskId}`}>
            {t.onMap}
          </Link>
        )}
      </p>
      <section className="task-section" aria-label={t.steps}>
        <h3>{t.steps}</h3>
        <ol className="history">
          {emergency.steps.map((step, place) => (
            <Step key={place} step={step} />
          ))}
        </ol>
      </section>
    </>
  );
}

/** What a person may say to it: those who are sent, and supervisors. Whoever opens it has seen it, but for who reported it. */
function Answers({ emergency }: { emergency: Emergency }) {
  const t = usePart(words);
  const { store } = useLive();
  const [note, setNote] = useState('');
  const called = useCalled(emergency);
  const { id, state, reporterUserId } = emergency;
  const mine = useCell(session);
  const answer = useCall(
    (step: 'seeEmergency' | 'acknowledgeEmergency' | 'arriveAtEmergency') =>
      service[step]({ id, note: step === 'seeEmergency' ? '' : note.trim(), requestId: newRequestId() }, CALL),
    (after) => {
      store.mergeEmergencies([after]);
      setNote('');
    },
  );
  const { run } = answer;
  const isReporter = mine.token !== null && mine.user.id === reporterUserId;
  const unseen = called && !isReporter && state === EmergencyState.RECEIVED;
  useEffect(() => {
    if (unseen) run('seeEmergency');
  }, [unseen, run]);
  if (!called || state === EmergencyState.ON_SITE) return null;
  return (
    <div className="task-form" role="group" aria-label={t.answer}>
      {answer.failure && <Notice tone="error">{answer.failure.text}</Notice>}
      <Field
        label={t.note}
        hint={t.noteHint}
        maxLength={500}
        value={note}
        error={answer.fields.get('note')}
        onChange={(event) => setNote(event.target.value)}
      />
      <div className="task-actions">
        {state < EmergencyState.ACKNOWLEDGED && (
          <Button look="primary" busy={answer.busy} onClick={() => run('acknowledgeEmergency')}>
            {t.acknowledge}
          </Button>
        )}
        <Button busy={answer.busy} onClick={() => run('arriveAtEmergency')}>
          {t.arrive}
        </Button>
      </div>
    </div>
  );
}

function useCalled({ agentIds }: Emergency): boolean {
  const mine = useCell(session);
  const agents = useAgents();
  if (mine.token === null) return false;
  const me = mine.user.id;
  return mine.user.level >= UserLevel.SUPERVISOR || agentIds.some((id) => agents.get(id)?.userId === me);
}

function Crew({ ids }: { ids: readonly bigint[] }) {
  const agents = useAgents();
  const names = useNames();
  return (
    <ul className="agent-list">
      {ids.map((id) => (
        <li key={String(id)}>
          <AvailabilityDot agent={agents.get(id)} />
          <span className="agent-code">{names.agent(id)}</span>
          <span className="muted grow">{agents.get(id)?.displayName}</span>
        </li>
      ))}
    </ul>
  );
}

function Facts({ emergency }: { emergency: Emergency }) {
  const { format } = useWords();
  const t = usePart(words);
  const names = useNames();
  const { reporterUserId, source, location, stage, escalationTime, repeatCount } = emergency;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t.reporter, reporterUserId === undefined ? t.unknownReporter : names.user(reporterUserId)],
    [t.source, t.sources[source]],
    [t.where, location ? format.place(location) : t.nowhere],
    [t.called, isOngoing(emergency) && t.stages[stage]],
    [t.next, escalationTime && format.brief(escalationTime)],
    [t.repeats, repeatCount > 0 && String(repeatCount + 1)],
  ];
  return (
    <dl className="facts">
      {facts.map(([name, value]) => value && (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Step({ step }: { step: EmergencyStep }) {
  const { format } = useWords();
  const t = usePart(words);
  const names = useNames();
  return (
    <li>
      <p className="history-step">
        {t.kinds[step.kind]}
        {step.agentId !== undefined && ` · ${names.agent(step.agentId)}`}
      </p>
      {step.note && <p className="history-reason">{step.note}</p>}
      <p className="muted">
        {names.user(step.userId)}
        {step.createTime && ` · ${format.moment(step.createTime)}`}
      </p>
    </li>
  );
}
