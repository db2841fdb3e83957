import { lazy, Suspense, useState } from 'react';
import { useCell } from '../cell';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { session } from '../rpc/session';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Select } from '../ui/Select';
import { boardFilter, isFiltering, NO_FILTER } from './filter';
import { selection } from './selection';
import { words } from './words';

const ExportDialog = lazy(() => import('./ExportDialog'));
const ImportDialog = lazy(() => import('./ImportDialog'));

const LEAST = [TaskPriority.MEDIUM, TaskPriority.HIGH, TaskPriority.URGENT] as const;

export function Filters() {
  const { t } = useWords();
  const filter = useCell(boardFilter);
  const w = usePart(words);
  const chosen = useCell(selection);
  const mine = useCell(session);
  const [shown, setShown] = useState<'export' | 'import' | null>(null);
  const close = () => setShown(null);
  const critical = t.priorities[TaskPriority.CRITICAL];
  return (
    <>
      <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <Field
          label={t.board.search}
          placeholder={t.board.searchHint}
          type="search"
          value={filter.text}
          onChange={(event) => boardFilter.set({ ...filter, text: event.target.value })}
        />
        <Select<TaskPriority>
          label={t.board.priority}
          value={filter.priority}
          options={[
            [TaskPriority.UNSPECIFIED, t.board.anyPriority],
            ...LEAST.map((least) => [least, t.board.orMore(t.priorities[least])] as const),
            [TaskPriority.CRITICAL, critical],
          ]}
          onChange={(priority) => boardFilter.set({ ...filter, priority })}
        />
        {isFiltering(filter) && (
          <Button look="quiet" onClick={() => boardFilter.set(NO_FILTER)}>
            {t.board.clear}
          </Button>
        )}
        <Button aria-pressed={chosen !== null} onClick={() => selection.set(chosen === null ? new Set() : null)}>
          {w.choose}
        </Button>
        <Button onClick={() => setShown('export')}>{w.export}</Button>
        {mine.token !== null && mine.user.level >= UserLevel.SUPERVISOR && (
          <Button onClick={() => setShown('import')}>{w.import}</Button>
        )}
      </form>
      <Suspense>
        {shown === 'export' && <ExportDialog filter={filter} onClose={close} />}
        {shown === 'import' && <ImportDialog onClose={close} />}
      </Suspense>
    </>
  );
}
