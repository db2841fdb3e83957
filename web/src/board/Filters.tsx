import { useCell } from '../cell';
import { TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Select } from '../ui/Select';
import { boardFilter, isFiltering, NO_FILTER } from './filter';

const LEAST = [TaskPriority.MEDIUM, TaskPriority.HIGH, TaskPriority.URGENT] as const;

export function Filters() {
  const { t } = useWords();
  const filter = useCell(boardFilter);
  const critical = t.priorities[TaskPriority.CRITICAL];
  return (
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
    </form>
  );
}
