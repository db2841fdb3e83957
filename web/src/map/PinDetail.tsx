import { Link } from 'wouter';
import { EmergencyBadge } from '../emergency/looks';
import { words } from '../emergency/words';
import type { Agent, Position } from '../gen/gad/v1/agent_pb';
import type { Emergency } from '../gen/gad/v1/emergency_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents, useEmergencies, usePositions, useTasks } from '../live/LiveProvider';
import { lateness } from '../task/lateness';
import { LatenessBadge, PriorityBadge, StateBadge } from '../task/looks';
import { useNames } from '../task/names';
import { millis } from '../time';
import { Button } from '../ui/Button';
import { useNow } from '../ui/useNow';
import { words as mapWords } from './words';

/** What a popup says of a pin; `pinKey` is such as `task-12`. */
export function PinDetail({ pinKey, onTrack }: { pinKey: string; onTrack: (agentId: bigint) => void }) {
  const [noun, number = '0'] = pinKey.split('-');
  const id = BigInt(number);
  const task = useTasks().get(id);
  const agent = useAgents().get(id);
  const position = usePositions().get(id);
  const emergency = useEmergencies().get(id);
  if (noun === 'task') return task ? <TaskDetail task={task} /> : null;
  if (noun === 'emergency') return emergency ? <EmergencyDetail emergency={emergency} /> : null;
  return agent && position ? <AgentDetail agent={agent} position={position} onTrack={onTrack} /> : null;
}

function TaskDetail({ task }: { task: Task }) {
  const { t } = useWords();
  const names = useNames();
  const late = lateness(task, useNow());
  return (
    <div className="popup">
      <p className="muted">
        {task.code} · {t.kinds[task.kind]}
      </p>
      <h3>{task.title}</h3>
      <p className="task-badges">
        <StateBadge state={task.state} />
        <PriorityBadge priority={task.priority} />
        {late && <LatenessBadge lateness={late} />}
      </p>
      <p>{task.agentIds.map(names.agent).join(', ') || t.board.nobody}</p>
      <Link className="button button-small" href={`/map/${task.id}`}>
        {t.map.openTask}
      </Link>
    </div>
  );
}

function EmergencyDetail({ emergency }: { emergency: Emergency }) {
  const t = usePart(words);
  const names = useNames();
  const { id, description, agentIds } = emergency;
  return (
    <div className="popup">
      <p className="muted">{t.name(String(id))}</p>
      <h3>{description || t.noDescription}</h3>
      <p className="task-badges">
        <EmergencyBadge emergency={emergency} />
      </p>
      <p>{agentIds.map(names.agent).join(', ') || t.unassigned}</p>
      <Link className="button button-small" href={`/emergencies/${id}`}>
        {t.look}
      </Link>
    </div>
  );
}

interface AgentProps {
  agent: Agent;
  position: Position;
  onTrack: (agentId: bigint) => void;
}

function AgentDetail({ agent, position, onTrack }: AgentProps) {
  const w = usePart(mapWords);
  const { t, format } = useWords();
  const tasks = useTasks();
  const now = useNow();
  const facts = [
    [t.map.unit, agent.unit],
    [t.map.fixTime, position.fixTime && `${format.span(now - millis(position.fixTime))} · ${t.sources[position.source]}`],
    [t.map.accuracy, position.accuracyMeters !== undefined && `± ${format.distance(position.accuracyMeters)}`],
    [t.map.speed, position.speedMetersPerSecond !== undefined && format.speed(position.speedMetersPerSecond)],
  ] as const;
  return (
    <div className="popup">
      <p className="muted">{agent.code}</p>
      <h3>{agent.displayName}</h3>
      <p>{t.availabilities[agent.availability]}</p>
      <dl className="facts">
        {facts.map(([name, value]) => value && (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {agent.taskIds.map((id) => (
        <p key={String(id)}>
          <Link href={`/map/${id}`}>{tasks.get(id)?.code ?? String(id)}</Link> {tasks.get(id)?.title}
        </p>
      ))}
      <Button small onClick={() => onTrack(agent.id)}>
        {w.track}
      </Button>
    </div>
  );
}
