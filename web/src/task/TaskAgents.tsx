import { useState } from 'react';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useAgents } from '../live/LiveProvider';
import { Button } from '../ui/Button';
import { AssignPanel } from './AssignPanel';
import { AvailabilityDot } from './AvailabilityDot';
import { useNames } from './names';
import type { ChangeTask } from './TaskActions';

/** Who is on the task; puts agents on it and takes them off. */
export function TaskAgents({ task, change }: { task: Task; change: ChangeTask }) {
  const { t } = useWords();
  const agents = useAgents();
  const names = useNames();
  const [choosing, setChoosing] = useState(false);
  const mayAssign = task.allowedActions.includes(TaskAction.ASSIGN);
  const mayUnassign = task.allowedActions.includes(TaskAction.UNASSIGN);
  return (
    <section className="task-section" aria-label={t.task.agents}>
      <h3>{t.task.agents}</h3>
      {task.agentIds.length === 0 && <p className="muted">{t.task.noAgents}</p>}
      <ul className="agent-list">
        {task.agentIds.map((id) => (
          <li key={String(id)}>
            <AvailabilityDot agent={agents.get(id)} />
            <span className="agent-code">{names.agent(id)}</span>
            <span className="muted grow">{agents.get(id)?.displayName}</span>
            {mayUnassign && (
              <Button
                small
                look="quiet"
                busy={change.pending}
                aria-label={t.task.unassign(names.agent(id))}
                onClick={() => change.send({ task, action: TaskAction.UNASSIGN, agentId: id })}
              >
                {t.actions[TaskAction.UNASSIGN]}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayAssign && (
        <Button small aria-expanded={choosing} onClick={() => setChoosing(!choosing)}>
          {t.actions[TaskAction.ASSIGN]}
        </Button>
      )}
      {mayAssign && choosing && <AssignPanel task={task} change={change} />}
    </section>
  );
}
