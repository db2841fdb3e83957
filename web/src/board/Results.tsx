import { type BatchChangeResult, BatchChangeStatus, type BatchChangeTasksResponse } from '../gen/gad/v1/bulk_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { words } from './words';

const tones: Readonly<Record<BatchChangeStatus, string>> = {
  [BatchChangeStatus.UNSPECIFIED]: 'plain',
  [BatchChangeStatus.CHANGED]: 'available',
  [BatchChangeStatus.REFUSED]: 'critical',
  [BatchChangeStatus.UNDONE]: 'plain',
};

interface Props {
  tasks: readonly Task[];
  answer: BatchChangeTasksResponse;
  onClose: () => void;
}

/** What became of each task; those that refused first. */
export function Results({ tasks, answer, onClose }: Props) {
  const { t: common } = useWords();
  const t = usePart(words);
  const { results, changedCount, refusedCount, applied } = answer;
  const rows = results.map((result, place) => ({ result, task: tasks[place] }));
  const isRefused = ({ result }: (typeof rows)[number]) => Number(result.status === BatchChangeStatus.REFUSED);
  rows.sort((a, b) => isRefused(b) - isRefused(a));
  return (
    <Dialog title={t.results} onClose={onClose}>
      <div className="prose">
        <Notice tone={refusedCount > 0 ? 'warning' : 'info'}>
          {applied ? t.changed(changedCount, refusedCount) : t.nothingChanged(refusedCount)}
        </Notice>
        <div className="scroll">
          <Table
            caption={t.results}
            head={[common.task.detail, t.result]}
            rows={rows.map(({ result, task }, place) => ({
              key: String(place),
              cells: [
                <span key="name">
                  <strong>{task?.code}</strong> {task?.title}
                </span>,
                <Outcome key="outcome" result={result} />,
              ],
            }))}
          />
        </div>
        <div className="form-end">
          <Button look="primary" autoFocus onClick={onClose}>
            {common.app.close}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Outcome({ result }: { result: BatchChangeResult }) {
  const t = usePart(words);
  return (
    <>
      <Badge tone={tones[result.status]}>{t.statuses[result.status]}</Badge>
      {result.refusal && <span className="field-hint">{result.refusal.message}</span>}
    </>
  );
}
