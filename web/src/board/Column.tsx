import { useId, useState } from 'react';
import { useCell } from '../cell';
import type { Task, TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { stateTone, StateIcon } from '../task/looks';
import { Button } from '../ui/Button';
import { Card } from './Card';
import { choose, selection } from './selection';
import { words } from './words';

interface Props {
  state: TaskState;
  tasks: readonly Task[];
  filtered: boolean;
  loading: boolean;
  openId: bigint | null;
}

/** More cards than anybody reads at once would only make the page slow. */
const STEP = 50;

export function Column({ state, tasks, filtered, loading, openId }: Props) {
  const { t } = useWords();
  const id = useId();
  const [shown, setShown] = useState(STEP);
  const rest = tasks.length - shown;
  const empty = loading ? t.app.loading : filtered ? t.board.emptyFiltered : t.board.empty;
  return (
    <section className={`column column-${stateTone[state]}`} aria-labelledby={id} data-column={stateTone[state]}>
      <header className="column-head">
        <ChooseAll name={t.columns[state]} ids={tasks.slice(0, shown).map((task) => task.id)} />
        <StateIcon state={state} />
        <h2 id={id}>{t.columns[state]}</h2>
        <span className="column-count" aria-label={t.board.count(tasks.length)}>
          {tasks.length}
        </span>
      </header>
      <ul className="cards">
        {tasks.slice(0, shown).map((task) => (
          <li key={String(task.id)}>
            <Card task={task} open={task.id === openId} />
          </li>
        ))}
      </ul>
      {tasks.length === 0 && <p className="column-empty">{empty}</p>}
      {rest > 0 && (
        <Button look="quiet" onClick={() => setShown(shown + STEP)}>
          {t.board.more(Math.min(rest, STEP))}
        </Button>
      )}
    </section>
  );
}

function ChooseAll({ name, ids }: { name: string; ids: readonly bigint[] }) {
  const w = usePart(words);
  const chosen = useCell(selection);
  if (chosen === null) return null;
  const all = ids.length > 0 && ids.every((id) => chosen.has(id));
  return (
    <input
      type="checkbox"
      className="card-choice"
      aria-label={w.chooseAll(name)}
      checked={all}
      disabled={ids.length === 0}
      onChange={(event) => choose(ids, event.target.checked)}
    />
  );
}
